/* SPDX-License-Identifier: Apache-2.0 */
/* refresh-row.c - a refresh begins, and moves on as the loop decided; see refresh.h */
#include "refresh.h"

#include "command-internal.h"
#include "refresh-all.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE 1000

int refresh_find(struct tx *tx, int64_t application, struct q_refresh_row **ret, struct err *err) {
        size_t n;
        int r = q_refresh_get(tx, &(struct q_refresh_get_in){ .application_id = application }, ret,
                              &n, err);

        if (r >= 0 && n == 0)
                *ret = NULL;
        return r < 0 ? r : 0;
}

int refresh_check_quiet(struct tx *tx, const struct q_application_row *a,
                        const struct q_refresh_row *f, struct err *err) {
        struct q_operation_live_of_row *rows;
        size_t n;
        int r = q_operation_live_of(tx, &(struct q_operation_live_of_in){ .application_id = a->id },
                                    &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (rows[i].parallel || !str_eq(rows[i].status, "running") ||
                    (f && !f->check_operation_null && f->check_operation == rows[i].id))
                        continue;
                return err_set(err, -EBUSY,
                               "application %s: its action %s runs: wait for its end (mooringctl "
                               "show-operation %lld --watch), or cancel-task %lld",
                               a->name, rows[i].action, (long long)rows[i].id,
                               (long long)rows[i].id);
        }
        return r < 0 ? r : 0;
}

int refresh_check_none(struct tx *tx, const struct q_application_row *a, struct err *err) {
        struct q_refresh_row *row;
        int r = refresh_find(tx, a->id, &row, err);

        if (r < 0)
                return r;
        if (!row || refresh_is_over(refresh_stage_find(row->stage)))
                return refresh_check_quiet(tx, a, NULL, err);
        if (row->paused)
                return err_set(err, -EBUSY,
                               "application %s: a refresh is paused (%s): mooringctl resume %s, or "
                               "rollback %s, first",
                               a->name, row->paused, a->name, a->name);
        return err_set(err, -EBUSY,
                       "application %s: a %s is under way (%s): wait for its end, or mooringctl "
                       "rollback %s",
                       a->name, str_eq(row->stage, "rollback") ? "rollback" : "refresh", row->stage,
                       a->name);
}

/* ---- what was before */

static const char *kept_text(struct tx *tx, const json_t *json) {
        cleanup_(freep) char *text = json_text(json);

        return tx_format(tx, "%s", text);
}

/* A value that is no JSON cannot be in the rows. */
static void put_value(json_t *into, const char *name, const char *text) {
        json_t *value = NULL;

        if (json_parse(text, strlen(text), &value, NULL) >= 0)
                json_object_set_new(into, name, value);
}

static int remember_options(struct tx *tx, int64_t id, const char **ret, struct err *err) {
        cleanup_(json_freep) json_t *all = json_object();
        struct q_application_option_list_row *rows;
        size_t n;
        int r = q_application_option_list(
                tx, &(struct q_application_option_list_in){ .application_id = id }, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                put_value(all, rows[i].name, rows[i].value);
        if (r >= 0)
                *ret = kept_text(tx, all);
        return r < 0 ? r : 0;
}

static int remember_resources(struct tx *tx, int64_t id, const char **ret, struct err *err) {
        cleanup_(json_freep) json_t *all = json_object();
        struct q_application_resource_list_row *rows;
        size_t n;
        int r = q_application_resource_list(
                tx, &(struct q_application_resource_list_in){ .application_id = id }, &rows, &n,
                err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                json_object_set_new(all, rows[i].name, json_string(rows[i].value));
        if (r >= 0)
                *ret = kept_text(tx, all);
        return r < 0 ? r : 0;
}

static int remember_units(struct tx *tx, int64_t id, const char **ret, struct err *err) {
        struct q_unit_list_in in = { .application_id = id, .after = "", .max = PAGE };
        cleanup_(json_freep) json_t *all = json_object();
        struct q_unit_row *rows;
        size_t n;
        int r;

        do {
                r = q_unit_list(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].name;
                        json_object_set_new(all, rows[i].uid, json_integer(REFRESH_UNIT_OLD));
                }
        } while (r >= 0 && n == PAGE);
        if (r >= 0)
                *ret = kept_text(tx, all);
        return r < 0 ? r : 0;
}

int refresh_remember(struct tx *tx, const struct q_application_row *a, struct refresh_before *ret,
                     struct err *err) {
        int r = remember_options(tx, a->id, &ret->options, err);

        if (r >= 0)
                r = remember_resources(tx, a->id, &ret->resources, err);
        return r < 0 ? r : remember_units(tx, a->id, &ret->units, err);
}

/* ---- what cannot go back */

/* Of META, which FROM goes over to. */
static int each_one_way(struct tx *tx, const char *from, const struct charm_meta *meta,
                        void (*fn)(void *arg, const json_t *item), void *arg, struct err *err) {
        cleanup_(charm_meta_freep) struct charm_meta *old = NULL;
        const json_t *item;
        int r = lookup_charm(tx, from, &old, err);
        size_t i;

        json_array_foreach(r >= 0 && meta ? meta->one_way : NULL, i, item) {
                int64_t since = json_get_int(item, "since", 0);

                if (!since || !old || (old->revision < since && meta->revision >= since))
                        fn(arg, item);
        }
        return r < 0 ? r : 0;
}

static void note_one_way(void *arg, const json_t *item) {
        command_note(arg, "a rollback does not bring this back: %s%s",
                     json_get_str(item, "what", ""),
                     json_get_bool(item, "loses-data", false) ? " (data is lost)" : "");
}

static void find_loss(void *arg, const json_t *item) {
        bool *loses = arg;

        *loses |= json_get_bool(item, "loses-data", false);
}

int refresh_note_one_way(struct tx *tx, struct command *c, const char *from,
                         const struct charm_meta *meta, bool *ret_loses, struct err *err) {
        int r = each_one_way(tx, from, meta, note_one_way, c, err);

        *ret_loses = false;
        return r < 0 ? r : each_one_way(tx, from, meta, find_loss, ret_loses, err);
}

/* ---- begin, move */

int refresh_begin(struct tx *tx, struct command *c, const struct q_application_row *a,
                  const struct refresh_before *before, const char *sha256,
                  const struct charm_meta *meta, struct err *err) {
        struct w_refresh_put_in in = { .application_id = a->id,
                                       .units = before->units,
                                       .check_action = meta ? meta->refresh_check : NULL,
                                       .was_active = str_eq(a->status, "active"),
                                       .from_sha256 = a->charm_sha256,
                                       .from_channel = a->channel,
                                       .from_revision = a->revision,
                                       .from_revision_null = a->revision_null,
                                       .to_sha256 = sha256,
                                       .options = before->options,
                                       .resources = before->resources,
                                       .asked_by = c->actor ? c->actor : "somebody",
                                       .started_at = tx_now(tx) };
        struct q_refresh_row *last;
        bool loses;
        int r = refresh_find(tx, a->id, &last, err);

        if (r < 0)
                return r;
        in.turn = last ? last->turn + 1 : 1;
        r = w_refresh_put(tx, &in, err);
        if (r >= 0)
                r = refresh_note_one_way(tx, c, a->charm_sha256, meta, &loses, err);
        if (r < 0)
                return r;
        command_note(c,
                     "%s: one pod of each workload first; the others follow when it is well, or "
                     "the refresh pauses and says why",
                     a->name);
        command_record(c, a->name, "refresh", NULL, json_string("canary"));
        return 0;
}

static int set_stage(struct tx *tx, int64_t application, enum refresh_stage stage,
                     struct err *err) {
        return w_refresh_set_stage(
                tx,
                &(struct w_refresh_set_stage_in){ .application_id = application,
                                                  .stage = refresh_stage_names[stage],
                                                  .stage_at = tx_now(tx) },
                err);
}

int refresh_move(struct tx *tx, const struct refresh_move *m, struct err *err) {
        struct q_refresh_row *row;
        int r = refresh_find(tx, m->application, &row, err);

        if (r < 0 || !row || row->turn != m->turn)
                return r < 0 ? r : 0;
        switch (m->decision->step) {
        case REFRESH_WELL:
        case REFRESH_UNWELL:
                return w_refresh_set_well(
                        tx,
                        &(struct w_refresh_set_well_in){ .application_id = m->application,
                                                         .well_at = tx_now(tx),
                                                         .well_at_null = m->decision->step ==
                                                                         REFRESH_UNWELL },
                        err);
        case REFRESH_CHECK:
                r = refresh_check_begin(tx, m, row, err);
                break;
        case REFRESH_NEXT:
                r = set_stage(tx, m->application, m->decision->next, err);
                if (r >= 0 && refresh_is_over(m->decision->next))
                        r = refresh_all_ended(tx, &(struct refresh_all_turn){ m->sealer, m->audit },
                                              m->application, m->ret_stopped, err);
                break;
        case REFRESH_PAUSE:
                r = w_refresh_set_paused(
                        tx,
                        &(struct w_refresh_set_paused_in){ .application_id = m->application,
                                                           .paused = m->decision->why,
                                                           .holds = m->holds },
                        err);
                break;
        default:
                return 0;
        }
        tx_mark(tx, MARK_APPLICATION, m->application);
        return r < 0 ? r : 1;
}
