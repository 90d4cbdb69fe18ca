/* SPDX-License-Identifier: Apache-2.0 */
/* charm-pin.h - keeps a charm's folder under its hash in <state>/charms/, as long as an
 * application is pinned to it
 *
 * Blocking file work with fsync and no state of its own: the daemon calls it from a job
 * (loop.h). */
#pragma once

#include "err.h"
#include "map.h"

#define CHARM_PRUNE_MAX 100 /* copies removed at once; more wait for the next time */

/* Copies FOLDER, whose content must hash to SHA256, to <STATE>/charms/<SHA256>/: whole or not at
 * all, also over a power cut. Fine when it is there already: it is checked again then, and
 * replaced when it was damaged. Its time of change is that of the last call. 1: it was copied; 0:
 * it was there. -ESTALE: the folder changed meanwhile. */
int charm_pin(const char *state_dir, const char *folder, const char *sha256, struct err *err);
/* Removes it. Fine when it is not there. */
int charm_pin_drop(const char *state_dir, const char *sha256, struct err *err);
/* Removes the copies whose SHA-256 is not in KEEP, and what crashes left of others, unless they
 * were taken in (again) after BEFORE_MS of the wall clock. How many, or <0 when one could not be
 * removed. */
int charm_pin_prune(const char *state_dir, const struct map *keep, int64_t before_ms,
                    struct err *err);
/* 0: there, and every byte is right. */
int charm_pin_check(const char *state_dir, const char *sha256, struct err *err);
/* "<state>/charms/<sha256>". Free it. */
char *charm_pin_folder(const char *state_dir, const char *sha256);
