/* SPDX-License-Identifier: Apache-2.0 */
/* channel.h - channels: TRACK/RISK[/BRANCH], as Charmhub writes them
 *
 * "stable" is latest/stable, "8.0" is 8.0/stable. Risks: stable, candidate, beta, edge. */
#pragma once

#include "err.h"

#define CHANNEL_MAX 96

/* The full form of TEXT. -EINVAL: not a channel. */
int channel_parse(const char *text, char ret[CHANNEL_MAX], struct err *err);
/* Whether a charm whose charm.yaml lists CHANNELS (NULL-terminated) serves ASKED, in full form;
 * "*" in the list serves all. */
bool channel_serves(char *const *channels, const char *asked);
/* "8.0/stable, 8.0/edge": for messages; the caller frees. */
char *channel_list(char *const *channels);
