/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.h - what a worker gives up before and after it loads its module
 *
 * Stage one, before dlopen, because a module's constructors run inside it: no new privileges,
 * limits, not dumpable; landlock leaves one readable file, the module; seccomp leaves what the
 * loader needs, and code only as it stands in that file. Stage two, after dlopen: landlock leaves
 * nothing, seccomp a dozen calls, none of which opens, connects, starts or makes memory
 * executable.
 *
 * A refused call answers EPERM in stage one, because the loader belongs to libc and tries this
 * and that, differently from version to version; a constructor that gains nothing can go on. In
 * stage two it ends the process: every call there comes from our own code, which makes none, or
 * from the module, and a module that tries is broken or hostile; an error code would let it try
 * the next thing, and its plan would depend on what it found.
 *
 * A constructor runs in this very process: it may never return, or make stage two believe that it
 * was loaded. So stage one alone already keeps a module in, and stage two takes from an honest
 * one what only the loader needed. */
#pragma once

#include "err.h"

/* Descriptor 3 is the only one to be read and written afterwards, 1 and 2 may be written. MODULE
 * stays readable. */
int sandbox_one(int module, size_t memory, unsigned cpu_s, struct err *err);
int sandbox_two(struct err *err);
/* Dies with the process PARENT. False: it is gone already. */
bool sandbox_follow(pid_t parent);
