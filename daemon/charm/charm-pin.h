/* SPDX-License-Identifier: Apache-2.0 */
/* charm-pin.h - keeps a charm's folder under its hash in <state>/charms/, as long as an
 * application is pinned to it
 *
 * Blocking file work with fsync and no state of its own: the daemon calls it from a job
 * (loop.h). */
#pragma once

#include "err.h"

/* Copies FOLDER, whose content must hash to SHA256, to <STATE>/charms/<SHA256>/: whole or not at
 * all, also over a power cut. Fine when it is there already: it is checked again then, and
 * replaced when it was damaged. -ESTALE: the folder changed meanwhile. */
int charm_pin(const char *state_dir, const char *folder, const char *sha256, struct err *err);
/* Removes it. Fine when it is not there. */
int charm_pin_drop(const char *state_dir, const char *sha256, struct err *err);
/* 0: there, and every byte is right. */
int charm_pin_check(const char *state_dir, const char *sha256, struct err *err);
/* "<state>/charms/<sha256>". Free it. */
char *charm_pin_folder(const char *state_dir, const char *sha256);
