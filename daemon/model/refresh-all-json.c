/* SPDX-License-Identifier: Apache-2.0 */
/* refresh-all-json.c - how an order to refresh all stands, as the API shows it */
#include "refresh-all.h"

#include "refresh.h"
#include "view-internal.h"

#include <stdlib.h>

struct showing {
        json_t *parts;
        size_t total, over;
        const char *at, *paused; /* the one that is under way, and why it is not going on */
};

static bool is_over(const struct q_refresh_all_part_list_row *p) {
        return str_eq(p->state, "done") || str_eq(p->state, "unchanged") ||
               str_eq(p->state, "rolled-back") || str_eq(p->state, "cancelled");
}

static int show(struct tx *tx, const struct q_refresh_all_part_list_row *p, void *arg,
                struct err *err) {
        struct showing *s = arg;
        bool current = str_eq(p->state, "going") || str_eq(p->state, "back");
        json_t *j = json_object();
        struct q_refresh_row *f = NULL;
        int r = current ? refresh_find(tx, p->application_id, &f, err) : 0;

        s->total++;
        s->over += is_over(p);
        view_put_int(j, "place", p->place);
        view_put(j, "application", p->application);
        view_put(j, "state", p->state);
        view_put(j, "to-sha256", p->to_sha256);
        if (f) {
                view_put(j, "stage", f->stage);
                view_put(j, "paused", f->paused);
                s->at = p->application;
                s->paused = f->paused;
        }
        json_array_append_new(s->parts, j);
        return r;
}

int refresh_all_json(struct tx *tx, int64_t model, bool parts, json_t **ret, struct err *err) {
        struct showing s = { .parts = json_array() };
        struct q_refresh_all_row *o;
        const char *waits = NULL;
        json_t *j;
        int r = refresh_all_find(tx, model, &o, err);

        *ret = NULL;
        if (r >= 0 && o)
                r = refresh_all_each(tx, model, show, &s, err);
        if (r >= 0 && o)
                r = refresh_all_waits(tx, o, &waits, err);
        if (r < 0 || !o) {
                json_decref(s.parts);
                return r;
        }
        *ret = j = json_object();
        view_put(j, "state", o->state);
        view_put(j, "stopped", o->stopped);
        view_put(j, "application", s.at);
        view_put(j, "paused", s.paused);
        view_put(j, "waits", waits);
        view_put_int(j, "total", (int64_t)s.total);
        view_put_int(j, "over", (int64_t)s.over);
        view_put(j, "by", o->asked_by);
        view_put_time(j, "started", o->started_at);
        if (!o->ended_at_null)
                view_put_time(j, "ended", o->ended_at);
        if (parts)
                json_object_set(j, "applications", s.parts);
        json_decref(s.parts);
        return 0;
}
