/* SPDX-License-Identifier: Apache-2.0 */
/* audit.h - the audit: one row for each write by a person and by the loop, chained by a keyed hash
 *
 * A row's hash is keyed with what the sealing key gives (seal_chain_hash) and covers the hash of
 * the row before, so that a row that was changed, taken out, put in or written by somebody without
 * the key is found by audit_check, and the first one is named. What is missing from the end is
 * found against a head (number and hash of the last row) that was kept elsewhere: the daemon writes
 * one to its log each AUDIT_HEAD_MS in which rows came, at its start and at its end.
 *
 * Rows are appended in the transaction of what they tell: what is not kept was not done. They are
 * cut from the oldest end only, and a row of kind "cut" keeps the hash of the last one that went:
 * the chain begins there. */
#pragma once

#include "json.h"
#include "seal.h"
#include "store.h"

#define AUDIT_HEAD_MS 30000  /* between two heads in the log: what a cut tail can hide */
#define AUDIT_TEXT_MAX 500   /* bytes of a reason and of a message */
#define AUDIT_VALUE_MAX 1000 /* of one value; longer ones are told by size and digest */
#define AUDIT_VALUES_MAX 400 /* values of one row; beyond it they are counted */
#define AUDIT_CUT_EVERY 1000 /* rows after which the limit of rows is looked at */
#define AUDIT_CUT_SLICE 2000 /* rows cut in one transaction: bounds how long it holds up others */
#define AUDIT_CUT_MIN 100    /* fewer stay: each cut is a row of its own */
#define AUDIT_ROWS_MIN 2000  /* of the option */
#define AUDIT_SECRET "(secret)" /* what stands for a value that is one */
/* While the charm is not there nobody knows which options are secret. */
#define AUDIT_UNKNOWN "(not shown: no charm says whether it is secret)"

/* What it is kept with; NULL: nothing is kept (tests of commands). */
struct audit {
        const struct sealer *sealer;
        int64_t keep_ms, keep_rows;
        /* Of who is a daemon, NULL: no starts are told. Row of this life's start, 0: none yet; the
         * store thread's. */
        int64_t *start;
};

/* Texts may be NULL. */
struct audit_entry {
        const char *kind; /* person, loop, daemon */
        bool has_user, has_login, has_pid;
        int64_t uid, login, pid;
        const char *user, *command, *role;
        const char *login_name; /* of LOGIN, for texts; the row has the number */
        const char *what, *route, *model, *application, *subject;
        const json_t *was, *became; /* NULL: none */
        const char *why, *outcome, *message;
};
int audit_append(struct tx *tx, const struct audit *a, const struct audit_entry *e,
                 struct err *err);
/* At the start of a daemon. Its row is written when the audit is empty, for an audit without any
 * was emptied; else together with the first row that this life adds: a start on which nothing has
 * changed writes nothing, and one that is killed after each commit gets on all the same. */
int audit_start(struct tx *tx, const struct audit *a, struct err *err);
/* Cuts what is older or more than is to be kept, one slice. 1: there is more. */
int audit_cut(struct tx *tx, const struct audit *a, struct err *err);

/* A value as it is kept: texts that are too long by their size and digest. New. */
json_t *audit_value(const json_t *value);

struct audit_head {
        int64_t id; /* 0: no row */
        uint8_t hash[DIGEST_SIZE];
};
int audit_last(struct tx *tx, struct audit_head *ret, struct err *err);
/* "812:HEX" */
bool audit_head_parse(const char *text, struct audit_head *ret);

/* ---- audit-check.c */
enum audit_fault {
        AUDIT_INTACT,
        AUDIT_CHANGED,    /* the row is not what was written under the key */
        AUDIT_MISSING,    /* rows are not there */
        AUDIT_OTHER_KEY,  /* written under a key that is not in the key file */
        AUDIT_CUT_OFF,    /* rows are missing from the end: a head knows them */
        AUDIT_OTHER_HEAD, /* a head knows another row of that number */
        AUDIT_FAULT_MAX
};
extern const char *const audit_fault_names[];

/* One walk from the oldest row to the newest, in steps: rows that are cut meanwhile are no fault.
 * Zeroed at the beginning. */
struct audit_check {
        const struct audit_head *heads; /* in the order of their numbers; borrowed */
        size_t head_count;
        /* the answer, when a step gives 0 */
        int64_t first, rows; /* what was checked */
        struct audit_head last;
        size_t compared; /* heads whose row is there */
        int64_t proven;  /* the newest of them; 0: none */
        enum audit_fault fault;
        int64_t row; /* the first that is wrong */
        char text[ERR_TEXT_MAX];
        size_t head; /* private: the next one */
        bool begun;
};
/* 1: go on; 0: the end, or a fault was found. */
int audit_check_step(struct tx *tx, const struct sealer *s, struct audit_check *c, struct err *err);

/* ---- shared by both files */
struct q_audit_row;
/* False: the key is not in the key file. */
bool audit_row_hash(const struct sealer *s, const uint8_t before[DIGEST_SIZE],
                    const struct q_audit_row *row, uint8_t ret[DIGEST_SIZE]);
/* What a cut row says. False: nothing that it could say. */
bool audit_cut_parse(const char *became, struct audit_head *ret);
