/* SPDX-License-Identifier: Apache-2.0 */
/* faults.h - all that is wrong with a bundle or a request, each with its file and line, told at
 * once
 *
 * Filled by bundle.c, overlay.c and the commands; read by the admin API (the whole list) and by
 * whoever only has room for one message. The same list carries notes: what was accepted but
 * means nothing here. */
#pragma once

#include "json.h"

#define FAULTS_MAX 50 /* what a person can work through in one go; the rest is counted */

struct fault {
        char *file; /* or NULL */
        int line;   /* 0: not known */
        char *text;
};

struct faults {
        struct fault *items;
        size_t count, room;
        size_t more; /* beyond FAULTS_MAX: not kept */
};

void faults_add(struct faults *f, const char *file, int line, const char *fmt, ...) printf_(4, 5);
/* What another function said; its text already names its place. */
void faults_add_err(struct faults *f, const struct err *err);
void faults_append(struct faults *f, const struct faults *from);
void faults_deinit(struct faults *f); /* also a cleanup function; empty and usable after */
/* "bundle.yaml:12: text"; the caller frees. */
char *faults_text(const struct fault *f);
/* 0 when there is none; else -EINVAL with the first, and how many more. */
int faults_end(const struct faults *f, struct err *err);
/* [{"file", "line", "text"}]; the caller's reference. */
json_t *faults_json(const struct faults *f);
