/* SPDX-License-Identifier: Apache-2.0 */
/* refreshes-all.c - how an order of refresh --all is watched and shown; the daemon keeps it */
#include "refreshes-all.h"

#include "call.h"
#include "table.h"
#include "text.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define PAUSE_MS 300
#define AWAY_MS 60000 /* a daemon that is being restarted */

char *refreshes_all_path(struct cli *c, const char *rest) {
        cleanup_(freep) char *path = NULL;

        if (!cli_model(c))
                return NULL;
        path = call_path("/v1/models/%s/refresh", cli_model(c));
        return str_format("%s%s", path, rest);
}

/* ---- watching */

struct watching {
        struct cli *c;
        char *shown; /* that was printed last */
        int64_t away_since;
};

static bool is_going(const json_t *order) {
        const char *state = json_get_str(order, "state", "");

        return str_eq(state, "forward") || str_eq(state, "back");
}

static void tell(struct watching *w, const json_t *order) {
        const char *at = json_get_str(order, "application", ""),
                   *waits = json_get_str(order, "waits", "");
        cleanup_(freep) char *now = str_format(
                "%lld of %lld%s%s%s%s%s", (long long)json_get_int(order, "over", 0),
                (long long)json_get_int(order, "total", 0), is_going(order) ? " are over" : ": ",
                is_going(order) ? (*at ? ": " : "") : json_get_str(order, "state", ""),
                is_going(order) ? at : "", *waits ? ", waits: " : "", waits);
        char stamp[40], iso[CLOCK_TEXT_MAX];

        if (str_eq(w->shown, now))
                return;
        str_set(&w->shown, now);
        cli_say(w->c, "%s %s",
                text_time(clock_iso(clock_wall(), false, iso), w->c->globals->utc, stamp), now);
}

/* -1: look again. */
static int look(struct watching *w, const char *path) {
        cleanup_(json_freep) json_t *order = NULL;
        const char *paused, *stopped;
        struct err err = { 0 };

        if (call_try(w->c, path, &order, &err) != CLI_DONE) {
                if (!w->away_since)
                        w->away_since = clock_mono();
                return clock_mono() - w->away_since < AWAY_MS ? -1 : cli_fail_err(&err);
        }
        w->away_since = 0;
        tell(w, order);
        if (!is_going(order))
                return CLI_DONE;
        paused = json_get_str(order, "paused", NULL);
        stopped = json_get_str(order, "stopped", NULL);
        if (!paused && !stopped)
                return -1;
        return cli_fail(CLI_BLOCKED, "%s%s%s: mooringctl resume --all, or rollback --all",
                        stopped ? "stopped: " : json_get_str(order, "application", ""),
                        stopped ? stopped : ": paused: ", stopped ? "" : paused);
}

int refreshes_all_watch(struct cli *c, int64_t ms) {
        struct timespec pause = { 0, PAUSE_MS * 1000000l };
        cleanup_(freep) char *path = refreshes_all_path(c, "");
        int64_t until = clock_mono() + ms;
        struct watching w = { .c = c };
        int r = path ? look(&w, path) : CLI_FAILED;

        while (r < 0 && clock_mono() < until) {
                nanosleep(&pause, NULL);
                r = look(&w, path);
        }
        free(w.shown);
        return r < 0 ? cli_fail(CLI_TIMED_OUT,
                                "the time is over, and it goes on: mooringctl show-refresh")
                     : r;
}

/* ---- showing */

static void add_part(struct table *t, const json_t *p) {
        cleanup_(freep) char *paused = text_safe(json_get_str(p, "paused", ""));
        const char *stage = json_get_str(p, "stage", NULL);

        table_printf(t, "%lld", (long long)json_get_int(p, "place", 0));
        table_add(t, json_get_str(p, "application", ""));
        table_add(t, *paused ? "paused" : stage ? stage : json_get_str(p, "state", ""));
        table_printf(t, "%.12s", json_get_str(p, "to-sha256", ""));
        table_add(t, paused);
}

int refreshes_all_show(struct cli *c) {
        static const char *const head[] = { "Place", "App", "State", "To", "Why", NULL };
        cleanup_(table_deinit) struct table t = { 0 };
        cleanup_(freep) char *path = refreshes_all_path(c, "");
        cleanup_(json_freep) json_t *order = NULL;
        const char *stopped, *waits;
        char stamp[40];
        const json_t *p;
        size_t i;
        int r = path ? call_get(c, path, &order) : CLI_FAILED;

        if (r || cli_print(c, order))
                return r;
        table_init(&t, head);
        table_right(&t, 0);
        json_array_foreach(json_get(order, "applications"), i, p)
                add_part(&t, p);
        table_print(&t, c->globals->color, c->out);
        stopped = json_get_str(order, "stopped", NULL);
        waits = json_get_str(order, "waits", NULL);
        cli_say(c, "%s, ordered by %s at %s%s%s%s%s", json_get_str(order, "state", ""),
                json_get_str(order, "by", "?"),
                text_time(json_get_str(order, "started", NULL), c->globals->utc, stamp),
                stopped ? "; stopped: " : "", stopped ? stopped : "", waits ? "; waits: " : "",
                waits ? waits : "");
        return CLI_DONE;
}
