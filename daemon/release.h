/* SPDX-License-Identifier: Apache-2.0 */
/* release.h - the programs that this process is made of, and another release in their place
 *
 *      old: upgrade is asked for ──▶ stops as ever ──▶ exec of what is installed now at its path
 *      new: cannot start ──▶ exec of the old one, from the descriptor that it left open
 *      new: crashes ──▶ systemd starts it again, and again ──▶ exec of the old one, from the copy
 *           that it left in the state folder (release-kept.h)
 *
 * The same process goes on, so systemd sees no restart. Who replaces the files (apt) does it while
 * the daemon runs: so the program of the workers is opened once, at the start, and a daemon never
 * has workers of another release. What is handed on is in the environment, and taken out of it at
 * once; who can set that could start any program. */
#pragma once

#include "options.h"

/* First of all. Finds our own program, and what the release before left. */
void release_init(void);
/* Opens the program of the workers: of --worker, or beside ours, or the installed one. */
int release_open(const struct options *o, struct err *err);
const char *release_worker(void);  /* path of it, good as long as we live */
const char *release_program(void); /* where mooringd is installed; "": not known */
/* Why a release that was to take our place gave it back; NULL: none did. */
const char *release_failed(void);
/* A start of a release that took over is counted; failed too often, it does not return: the
 * release before takes its place. */
void release_begin(const struct options *o, char *const *argv);
void release_serves(void); /* the release before is not waited for any more */
/* It has served for RELEASE_SETTLED_MS, or ended as it was told to. */
void release_settled(const struct options *o);
/* It could not serve, as another daemon does. */
void release_not_served(const struct options *o);
/* What was migrated is confirmed: there is no way back to the one before. */
void release_stays(const struct options *o);
/* The daemon has stopped: what is installed takes its place. Returns when neither it nor we can be
 * started (logged). */
void release_hand_over(const struct options *o, char *const *argv);
/* The start failed with WHY: the release before takes its place again. Returns when there is none,
 * or it cannot be started. */
void release_hand_back(char *const *argv, const char *why);
