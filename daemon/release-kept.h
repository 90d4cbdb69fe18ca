/* SPDX-License-Identifier: Apache-2.0 */
/* release-kept.h - the release before, kept in the state folder until ours has shown that it stays
 *
 *      took over ──▶ started, and started again by systemd: each start is counted
 *                ├─▶ ends RELEASE_STARTS_MAX times before it has served for RELEASE_SETTLED_MS:
 *                │   the one before is started in its place, from its copy
 *                └─▶ serves so long, or ends as it was told to: counted anew; and where nothing
 *                    waits for a confirmation the copy goes
 *
 * The folder is UPGRADE_KEPT (upgrade.h): mooringd, mooring-charm and starts.
 * What is counted is the program that took over: another file in its place begins anew. */
#pragma once

#include "err.h"

#define RELEASE_STARTS_MAX 3 /* of the 10 that systemd allows in five minutes */
#define RELEASE_SETTLED_MS 60000

/* Copies both programs, and counts from nothing. <0: nothing is kept. */
int release_kept_make(const char *state_dir, int program, int worker, struct err *err);
/* One start more of ours. True: it failed often enough, and RET_PROGRAM and RET_WORKER are open. */
bool release_kept_start(const char *state_dir, int *ret_program, int *ret_worker);
/* It served long enough, or ended as it was told to. */
void release_kept_settle(const char *state_dir);
/* This start says nothing of the release: another daemon serves on the folder. */
void release_kept_uncount(const char *state_dir);
/* Somebody says that what was migrated stays: the one before could not open it. Nothing happens
 * where nothing waits for that. */
void release_kept_confirm(const char *state_dir);
/* There is no way back any more. */
void release_kept_forget(const char *state_dir);
