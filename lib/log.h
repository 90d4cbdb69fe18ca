/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - one event a line, with fields, to the journal or to stderr
 *
 * Who handles an error logs it, once. Levels: error = a human must act, warning = we retry or
 * degrade, notice = state changed, info = a piece of work ended, debug = the rest. Secrets are a
 * type with no printer.
 *
 *         log_event(LOG_NOTICE, "repaired", (struct log_field[]){ { "APPLICATION", app }, {} },
 *                   "%s healed", what);
 *
 * To the journal when stderr is connected to it (JOURNAL_STREAM), else to stderr as
 * "2026-09-23T14:02:07Z notice repaired: ... APPLICATION=mlflow". A ring of the last lines is
 * kept for debug-log; a sink sees every line that passes the level. */
#pragma once

#include "base.h"

#include <syslog.h> /* LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG */

struct log_field {
        const char *name; /* journal field, upper case, without prefix; NULL ends the list */
        const char *value; /* NULL: left out */
};

struct log_line {
        int64_t at; /* clock_wall */
        int level;
        const char *event; /* short name of the event, also the journal's MOORING_EVENT */
        const char *text;
        const struct log_field *fields;
};

typedef void log_sink(void *arg, const struct log_line *line);

void log_set_level(int level);              /* default LOG_INFO */
int log_level_from_name(const char *name);  /* "error", ...; -1: no such level */
const char *log_level_name(int level);
void log_set_sink(log_sink *sink, void *arg); /* called in the thread that logs; must not log */
void log_event(int level, const char *event, const struct log_field *fields, const char *fmt, ...)
        printf_(4, 5);
#define log_plain(level, event, ...) log_event((level), (event), NULL, __VA_ARGS__)
/* The lines kept, oldest first. EACH must not log. */
void log_recent(log_sink *each, void *arg);
void log_reset(void); /* drops kept lines, sink and level: tests, and the end of main */
