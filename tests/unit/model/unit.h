/* SPDX-License-Identifier: Apache-2.0 */
/* unit.h - what cmocka wants before its own header */
#pragma once

#include "base.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
