/* SPDX-License-Identifier: Apache-2.0 */
/* command-refresh.c - a refresh that was paused goes on (resume), or all goes back to what it was
 * (rollback) */
#include "command-internal.h"

#include "refresh.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE 1000

struct subject {
        const struct q_model_row *model;
        const struct q_application_row *row;
        struct q_refresh_row *refresh;
        enum refresh_stage stage;
};

static int find(struct tx *tx, const struct command_going *g, struct subject *ret,
                struct err *err) {
        int r = lookup_live_model(tx, g->model, &ret->model, err);

        if (r >= 0)
                r = lookup_live_application(tx, ret->model, g->application, &ret->row, err);
        if (r >= 0)
                r = refresh_find(tx, ret->row->id, &ret->refresh, err);
        if (r < 0)
                return r;
        if (!ret->refresh)
                return err_set(err, -ENOENT, "application %s was never refreshed", ret->row->name);
        ret->stage = refresh_stage_find(ret->refresh->stage);
        return 0;
}

static int to_stage(struct tx *tx, struct command *c, const struct subject *s,
                    enum refresh_stage stage, struct err *err) {
        int r = w_refresh_set_stage(
                tx,
                &(struct w_refresh_set_stage_in){ .application_id = s->row->id,
                                                  .stage = refresh_stage_names[stage],
                                                  .stage_at = tx_now(tx) },
                err);

        command_record(c, s->row->name, "refresh",
                       json_sprintf("%s%s%s", s->refresh->stage,
                                    s->refresh->paused ? ", paused: " : "",
                                    s->refresh->paused ? s->refresh->paused : ""),
                       json_string(refresh_stage_names[stage]));
        tx_mark(tx, MARK_APPLICATION, s->row->id);
        return r < 0 ? r : 0;
}

/* ---- resume */

/* Restarts of new pods that led to the pause were seen by who goes on. */
static int forgive_restarts(struct tx *tx, const struct subject *s, struct err *err) {
        struct q_unit_list_in in = { .application_id = s->row->id, .after = "", .max = PAGE };
        cleanup_(json_freep) json_t *units = NULL;
        cleanup_(freep) char *text = NULL;
        struct q_unit_row *rows;
        size_t n;
        int r = json_parse(s->refresh->units, strlen(s->refresh->units), &units, err);

        if (r < 0)
                return r;
        do {
                r = q_unit_list(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].name;
                        if (json_get_int(units, rows[i].uid, 0) != REFRESH_UNIT_OLD)
                                json_object_set_new(units, rows[i].uid,
                                                    json_integer(rows[i].restarts));
                }
        } while (r >= 0 && n == PAGE);
        if (r < 0)
                return r;
        text = json_text(units);
        r = w_refresh_set_units(
                tx, &(struct w_refresh_set_units_in){ .application_id = s->row->id, .units = text },
                err);
        return r < 0 ? r : 0;
}

int command_resume_one(struct tx *tx, struct command *c, const struct command_going *what,
                       struct err *err) {
        struct subject s;
        int r = find(tx, what, &s, err);

        if (r < 0)
                return r;
        if (!s.refresh->paused)
                return err_set(err, -EBUSY, "application %s: its refresh is not paused: it is %s",
                               s.row->name, refresh_is_over(s.stage) ? "over" : "under way");
        command_change(c, "resume", s.row->name,
                       "go on with the refresh of %s, which paused in "
                       "its %s: %s",
                       s.row->name, refresh_stage_names[s.stage], s.refresh->paused);
        r = forgive_restarts(tx, &s, err);
        return r < 0 ? r : to_stage(tx, c, &s, s.stage, err);
}

int command_refresh_resume(struct tx *tx, struct command *c, struct err *err) {
        return command_resume_one(tx, c, command_of(c, command_going), err);
}

/* ---- rollback */

static int set_charm_back(struct tx *tx, struct command *c, const struct subject *s,
                          const struct charm_meta *meta, struct err *err) {
        const struct q_refresh_row *f = s->refresh;

        if (!str_eq(f->from_sha256, s->row->charm_sha256))
                command_change(c, "set-charm", s->row->name,
                               "use charm %s revision %lld (content %.12s) for %s again",
                               s->row->charm_name, meta ? (long long)meta->revision : 0,
                               f->from_sha256, s->row->name);
        command_record(c, s->row->name, "content", json_string(s->row->charm_sha256),
                       json_string(f->from_sha256));
        command_record(c, s->row->name, "channel", json_string(s->row->channel),
                       json_string(f->from_channel));
        return w_application_set_charm(
                tx,
                &(struct w_application_set_charm_in){ .id = s->row->id,
                                                      .charm_name = s->row->charm_name,
                                                      .charm_sha256 = f->from_sha256,
                                                      .channel = f->from_channel,
                                                      .revision = f->from_revision,
                                                      .revision_null = f->from_revision_null },
                err);
}

/* A secret's value of before may be gone, and the new one is what the outside has. What actions
 * note (which server takes writes, where its data are) is as true after the way back. */
static bool stays(const struct charm_meta *meta, const char *name) {
        const struct meta_option *o = meta ? charm_meta_option(meta, name) : NULL;

        return o && (o->type == META_SECRET || o->by_actions);
}

/* OPTION was not set before. NOW: of the content that is left, or NULL. */
static int take_away(const struct application_row *a, const struct charm_meta *now,
                     const char *option, struct err *err) {
        struct bundle_place at = {};

        if (!a->meta || stays(a->meta, option))
                return 0;
        if (charm_meta_option(a->meta, option))
                return stays(now, option) ? 0 : application_row_reset(a, option, at, err);
        if (!now || !meta_option_is_note(charm_meta_option(now, option)))
                return application_row_reset(a, option, at, err);
        command_fault(a->command, at,
                      "application %s: its actions have set option %s, which the content of before "
                      "does not know: config %s --reset %s first, where nothing depends on it",
                      a->name, option, a->name, option);
        return 0;
}

static int set_options_back(const struct application_row *a, const struct charm_meta *now,
                            const json_t *before, struct err *err) {
        struct q_application_option_list_row *rows;
        struct bundle_place at = {};
        const char *name;
        json_t *value;
        size_t n;
        int r = q_application_option_list(
                a->tx, &(struct q_application_option_list_in){ .application_id = a->id }, &rows, &n,
                err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                if (!json_get(before, rows[i].name))
                        r = take_away(a, now, rows[i].name, err);
        json_object_foreach((json_t *)before, name, value) {
                if (r < 0)
                        return r;
                if (!stays(now, name) && !stays(a->meta, name))
                        r = application_row_option(a, name, value, at, err);
        }
        return r < 0 ? r : 0;
}

static int set_resources_back(const struct application_row *a, const json_t *before,
                              struct err *err) {
        struct q_application_resource_list_row *rows;
        struct bundle_place at = {};
        const char *name;
        json_t *value;
        size_t n;
        int r = q_application_resource_list(
                a->tx, &(struct q_application_resource_list_in){ .application_id = a->id }, &rows,
                &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                if (!json_get(before, rows[i].name))
                        r = application_row_resource(a, rows[i].name, NULL, at, err);
        json_object_foreach((json_t *)before, name, value)
                if (r >= 0)
                        r = application_row_resource(a, name, json_string_value(value), at, err);
        return r < 0 ? r : 0;
}

static int set_entries_back(struct tx *tx, struct command *c, const struct subject *s,
                            const struct charm_meta *meta, struct err *err) {
        cleanup_(charm_meta_freep) struct charm_meta *now = NULL;
        struct application_row row = { tx, c, s->row->id, s->model->id, s->row->name, meta };
        cleanup_(json_freep) json_t *options = NULL, *resources = NULL;
        int r = json_parse(s->refresh->options, strlen(s->refresh->options), &options, err);

        if (r >= 0)
                r = json_parse(s->refresh->resources, strlen(s->refresh->resources), &resources,
                               err);
        if (r >= 0)
                r = lookup_charm(tx, s->row->charm_sha256, &now, err);
        if (r >= 0)
                r = set_options_back(&row, now, options, err);
        if (r >= 0)
                r = set_resources_back(&row, resources, err);
        if (r >= 0)
                r = application_row_recheck(&row, err);
        return r < 0 ? r : relation_row_settle(tx, c, &row, err);
}

static int check_may(struct tx *tx, const struct subject *s, struct err *err) {
        if (s->stage == REFRESH_ROLLBACK || s->stage == REFRESH_ROLLED_BACK)
                return err_set(err, -EBUSY, "application %s: %s", s->row->name,
                               s->stage == REFRESH_ROLLBACK
                                       ? "it is going back already"
                                       : "its last refresh was rolled back already");
        if (!str_eq(s->row->charm_sha256, s->refresh->to_sha256))
                return err_set(err, -EBUSY,
                               "application %s: it has another content than its last refresh "
                               "brought: mooringctl refresh %s --revision N",
                               s->row->name, s->row->name);
        return refresh_check_quiet(tx, s->row, s->refresh, err);
}

static int check_loss(struct tx *tx, struct command *c, const struct subject *s, bool accept_loss,
                      struct err *err) {
        cleanup_(charm_meta_freep) struct charm_meta *to = NULL;
        bool loses = false;
        int r = lookup_charm(tx, s->refresh->to_sha256, &to, err);

        if (r >= 0)
                r = refresh_note_one_way(tx, c, s->refresh->from_sha256, to, &loses, err);
        if (r < 0 || !loses || accept_loss || c->dry_run)
                return r < 0 ? r : 0;
        return err_set(err, -EPERM,
                       "application %s: data is lost by that: look at mooringctl rollback %s "
                       "--dry-run, and say --accept-data-loss",
                       s->row->name, s->row->name);
}

int command_rollback_one(struct tx *tx, struct command *c, const struct command_going *what,
                         struct err *err) {
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        struct subject s;
        int r = find(tx, what, &s, err);

        if (r >= 0)
                r = check_may(tx, &s, err);
        if (r >= 0)
                r = check_loss(tx, c, &s, what->accept_loss, err);
        if (r >= 0)
                r = lookup_charm(tx, s.refresh->from_sha256, &meta, err);
        if (r < 0)
                return r;
        command_change(c, "rollback", s.row->name,
                       "bring %s back to what it was before its "
                       "refresh",
                       s.row->name);
        r = set_charm_back(tx, c, &s, meta, err);
        if (r >= 0)
                r = set_entries_back(tx, c, &s, meta, err);
        return r < 0 ? r : to_stage(tx, c, &s, REFRESH_ROLLBACK, err);
}

int command_refresh_rollback(struct tx *tx, struct command *c, struct err *err) {
        return command_rollback_one(tx, c, command_of(c, command_going), err);
}
