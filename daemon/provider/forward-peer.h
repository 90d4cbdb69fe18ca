/* SPDX-License-Identifier: Apache-2.0 */
/* forward-peer.h - is the other end of a loopback connection a socket of this process? */
#pragma once

#include "base.h"

bool forward_peer_is_us(int fd);
