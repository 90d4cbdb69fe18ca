/* SPDX-License-Identifier: Apache-2.0 */
/* command-application.c - what is asked of one application: scale, trust, constraints, removal,
 * pause, images, and the ways on where it is blocked (lost data, objects that were
 * there before, storage of an earlier one) */
#include "command-internal.h"

#include "clock.h"
#include "constraint.h"
#include "rule.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#define PAGE 500
#define SCALE_MAX 10000 /* as charm.yaml's */

/* The rows that most commands begin with. */
struct subject {
        const struct q_model_row *model;
        const struct q_application_row *row;
};

static int find(struct tx *tx, const struct command_application *c, struct subject *ret,
                struct err *err) {
        int r = lookup_live_model(tx, c->model, &ret->model, err);

        return r < 0 ? r : lookup_live_application(tx, ret->model, c->application, &ret->row, err);
}

static int done(struct tx *tx, const struct subject *s, int r) {
        if (r >= 0)
                tx_mark(tx, MARK_APPLICATION, s->row->id);
        return r < 0 ? r : 0;
}

/* ---- scale, trust, constraints */

static int check_scale(struct tx *tx, const struct subject *s, int64_t scale, bool *ret_keeps,
                       struct err *err) {
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        int64_t most = SCALE_MAX;
        int r = lookup_meta(tx, s->row, &meta, err);

        if (r < 0)
                return r;
        most = meta ? meta->scale_max : most;
        *ret_keeps = meta && (meta->storage_count > 0 || meta->zero_keeps_data);
        if (scale < 0 || scale > most)
                return err_set(err, -EINVAL,
                               "application %s: scale %lld: charm %s can run 0 to %lld",
                               s->row->name, (long long)scale, s->row->charm_name, (long long)most);
        return 0;
}

int command_application_scale(struct tx *tx, struct command *c, struct err *err) {
        struct command_application *scale = command_of(c, command_application);
        bool keeps = false;
        struct subject s;
        int r = find(tx, scale, &s, err);

        if (r >= 0)
                r = check_scale(tx, &s, scale->scale, &keeps, err);
        if (r < 0 || scale->scale == s.row->scale)
                return r;
        command_change(c, "scale", s.row->name, "scale %s from %lld to %lld", s.row->name,
                       (long long)s.row->scale, (long long)scale->scale);
        command_record(c, s.row->name, "scale", json_integer(s.row->scale),
                       json_integer(scale->scale));
        if (scale->scale == 0)
                command_note(c, "application %s: its pods go%s", s.row->name,
                             keeps ? ", its data is kept" : "");
        r = consequence_left(tx, c, s.model, s.row, err);
        if (r < 0)
                return r;
        return done(tx, &s,
                    w_application_set_scale(tx,
                                            &(struct w_application_set_scale_in){
                                                    .scale = scale->scale, .id = s.row->id },
                                            err));
}

int command_application_trust(struct tx *tx, struct command *c, struct err *err) {
        struct command_application *trust = command_of(c, command_application);
        struct subject s;
        int r = find(tx, trust, &s, err);

        if (r < 0 || trust->trust == s.row->trust)
                return r;
        command_change(c, "trust", s.row->name, "%s %s", trust->trust ? "trust" : "stop trusting",
                       s.row->name);
        command_record(c, s.row->name, "trust", json_boolean(s.row->trust),
                       json_boolean(trust->trust));
        return done(tx, &s,
                    w_application_set_trust(tx,
                                            &(struct w_application_set_trust_in){
                                                    .trust = trust->trust, .id = s.row->id },
                                            err));
}

int command_application_constraints(struct tx *tx, struct command *c, struct err *err) {
        struct command_application *set = command_of(c, command_application);
        cleanup_(json_freep) json_t *parsed = NULL;
        cleanup_(freep) char *text = NULL;
        struct subject s;
        int r = find(tx, set, &s, err);

        if (r >= 0)
                r = constraint_parse(set->constraints ? set->constraints : "", &parsed, err);
        if (r < 0)
                return r;
        text = json_text(parsed);
        if (str_eq(text, s.row->constraints))
                return 0;
        command_change(c, "set-constraints", s.row->name, "set constraints of %s to \"%s\"",
                       s.row->name, set->constraints);
        command_record(c, s.row->name, "constraints", json_string(s.row->constraints),
                       json_string(text));
        return done(tx, &s,
                    w_application_set_constraints(tx,
                                                  &(struct w_application_set_constraints_in){
                                                          .constraints = text, .id = s.row->id },
                                                  err));
}

/* ---- removal */

static int end_relations(struct tx *tx, struct command *c, int64_t application, struct err *err) {
        struct q_relation_by_application_in in = { .application_id = application, .max = PAGE };
        struct q_relation_by_application_row *rows;
        size_t n;
        int r;

        do {
                r = q_relation_by_application(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].relation_id;
                        if (str_eq(rows[i].life, "dying"))
                                continue;
                        r = consequence_relation(tx, c, rows[i].relation_id, err);
                        if (r >= 0)
                                r = relation_row_end(tx, rows[i].relation_id, err);
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : 0;
}

/* Of data that is being destroyed nothing was deleted yet. */
static int check_not_deleted(struct tx *tx, const struct q_resource_row *row, void *arg,
                             struct err *err) {
        const struct q_application_row *a = arg;
        char said[CLOCK_TEXT_MAX], sent[CLOCK_TEXT_MAX];

        if (row->delete_at_null)
                return 0;
        return err_set(err, -EBUSY,
                       "application %s: its storage is being destroyed, as %s said at %s: %s %s is "
                       "being deleted since %s",
                       a->name, a->destroy_by, clock_iso(a->destroy_at, false, said), row->type,
                       row->path, clock_iso(row->delete_at, false, sent));
}

/* Asked for without --destroy-storage what was asked for with it: keeping wins while it can. */
static int keep_after_all(struct tx *tx, struct command *c, const struct subject *s,
                          struct err *err) {
        char said[CLOCK_TEXT_MAX];
        int r = s->model->destroy_storage
                        ? err_set(err, -EBUSY, "model %s is being removed, with its data",
                                  s->model->name)
                        : data_each_resource(tx, s->row->id, check_not_deleted, (void *)s->row,
                                             err);

        if (r >= 0)
                r = w_application_set_life(
                        tx,
                        &(struct w_application_set_life_in){
                                .life = "dying", .force = s->row->force, .id = s->row->id },
                        err);
        if (r < 0)
                return r;
        command_change(c, "remove-application", s->row->name,
                       "keep the data of %s after all: %s had said at %s that it is destroyed",
                       s->row->name, s->row->destroy_by,
                       clock_iso(s->row->destroy_at, false, said));
        command_record(c, s->row->name, "destroy-storage", json_true(), json_false());
        r = consequence_removal(tx, c, s->row, false, err);
        return done(tx, s, r);
}

/* Again with --force or --destroy-storage upgrades the removal that is under way. */
int command_application_remove(struct tx *tx, struct command *c, struct err *err) {
        struct command_application *remove = command_of(c, command_application);
        struct consequence_counts counts;
        bool destroy, force;
        struct subject s;
        int r = lookup_model(tx, remove->model, &s.model, err);

        if (r >= 0)
                r = lookup_application(tx, s.model, remove->application, &s.row, err);
        if (r < 0)
                return lookup_no_guess(r, err);
        if (s.row->destroy_storage && !remove->destroy_storage && !remove->force)
                return keep_after_all(tx, c, &s, err);
        destroy = remove->destroy_storage || s.row->destroy_storage;
        force = remove->force || s.row->force;
        if (str_eq(s.row->life, "dying") && destroy == s.row->destroy_storage &&
            force == s.row->force)
                return 0;
        r = w_application_set_life(tx,
                                   &(struct w_application_set_life_in){ .life = "dying",
                                                                        .force = force,
                                                                        .destroy_storage = destroy,
                                                                        .id = s.row->id },
                                   err);
        if (r >= 0 && destroy && !s.row->destroy_storage)
                r = application_row_destroyer(tx, c, s.row->id, err);
        if (r >= 0)
                r = consequence_count(tx, s.row, &counts, err);
        if (r < 0)
                return r;
        command_change(c, "remove-application", s.row->name, "remove application %s%s%s",
                       s.row->name,
                       !counts.data ? ", which holds no data"
                       : destroy    ? ", with its data"
                                    : ", its data is kept",
                       force ? ", without waiting for what cannot be reached" : "");
        command_record(c, s.row->name, "life", json_string(s.row->life), json_string("dying"));
        command_record(c, s.row->name, "destroy-storage", json_boolean(s.row->destroy_storage),
                       json_boolean(destroy));
        r = consequence_removal(tx, c, s.row, destroy, err);
        if (r >= 0 && counts.others)
                command_change(c, "delete", s.row->name, "delete %zu other object%s of %s",
                               counts.others, counts.others == 1 ? "" : "s", s.row->name);
        if (r >= 0)
                r = end_relations(tx, c, s.row->id, err);
        return done(tx, &s, r);
}

/* ---- pause */

struct pause {
        const char *by, *why; /* NULL: there is none */
        int64_t until;        /* 0: nobody said */
};

static struct pause pause_of(const struct subject *s) {
        if (s->row)
                return (struct pause){ s->row->paused_by, s->row->paused_why,
                                       s->row->paused_until };
        return (struct pause){ s->model->paused_by, s->model->paused_why, s->model->paused_until };
}

static char *text_of(const struct pause *p) {
        return rule_pause_text(p->by, p->why, p->until);
}

static void record_pause(struct command *c, const struct subject *s, const struct pause *after) {
        struct pause before = pause_of(s);
        cleanup_(freep) char *old = text_of(&before);
        cleanup_(freep) char *new = text_of(after);

        command_record(c, s->row ? s->row->name : NULL, "paused",
                       old ? json_string(old) : json_false(),
                       new ? json_string(new) : json_false());
}

/* Nobody's reason or end is replaced unseen: what he waits for would go on under his hands. */
static int check_not_paused(const struct subject *s, const struct pause *new, struct err *err) {
        struct pause p = pause_of(s);
        cleanup_(freep) char *text = text_of(&p);

        if (!p.by)
                return 0;
        if (str_eq(p.why, new->why) && p.until == new->until)
                return 1;
        return err_set(err, -EEXIST,
                       "%s%s is paused already by %s; one unpause would end both: `unpause%s%s` "
                       "first if that one is over",
                       s->row ? "" : "model ", s->row ? s->row->name : s->model->name, text,
                       s->row ? " " : "", s->row ? s->row->name : "");
}

static void tell_pause(struct command *c, const struct subject *s, const struct pause *p) {
        const char *name = s->row ? s->row->name : s->model->name;
        const char *model = s->row ? "" : "model ";
        struct pause before = pause_of(s);
        cleanup_(freep) char *old = text_of(&before);
        char stamp[CLOCK_TEXT_MAX];

        if (p->by)
                command_change(c, "pause", s->row ? name : NULL, "pause %s%s%s%s: %s", model, name,
                               p->until ? " until " : "",
                               p->until ? clock_iso(p->until, false, stamp) : "", p->why);
        else
                command_change(c, "unpause", s->row ? name : NULL,
                               "go on with %s%s, which was paused by %s", model, name, old);
}

static int set_pause(struct tx *tx, const struct subject *s, const struct pause *p,
                     struct err *err) {
        if (s->row)
                return w_application_pause(
                        tx,
                        &(struct w_application_pause_in){ .paused_by = p->by,
                                                          .paused_why = p->why,
                                                          .paused_at = tx_now(tx),
                                                          .paused_at_null = !p->by,
                                                          .paused_until = p->until,
                                                          .id = s->row->id },
                        err);
        return w_model_pause(tx,
                             &(struct w_model_pause_in){ .paused_by = p->by,
                                                         .paused_why = p->why,
                                                         .paused_at = tx_now(tx),
                                                         .paused_at_null = !p->by,
                                                         .paused_until = p->until,
                                                         .id = s->model->id },
                             err);
}

/* The model is read again for the pause of an application too: it knows what ends next. */
static int change_pause(struct tx *tx, struct command *c, const struct subject *s,
                        const struct pause *p, struct err *err) {
        int r = set_pause(tx, s, p, err);

        tell_pause(c, s, p);
        record_pause(c, s, p);
        tx_mark(tx, MARK_MODEL, s->model->id);
        return s->row ? done(tx, s, r) : r < 0 ? r : 0;
}

int command_application_pause(struct tx *tx, struct command *c, struct err *err) {
        struct command_application *pause = command_of(c, command_application);
        struct pause p = { .by = c->actor ? c->actor : "somebody", .why = pause->why };
        struct subject s = { 0 };
        int r = lookup_live_model(tx, pause->model, &s.model, err);

        c->is_stop = true;
        if (r >= 0 && pause->application)
                r = lookup_application(tx, s.model, pause->application, &s.row, err);
        if (r >= 0)
                r = command_until(tx, pause->until, &p.until, err);
        if (r < 0)
                return r;
        r = command_check_why(pause->why, "pause", "finds it paused", err);
        if (r >= 0)
                r = check_not_paused(&s, &p, err);
        if (r)
                return r < 0 ? r : 0;
        return change_pause(tx, c, &s, &p, err);
}

int command_application_unpause(struct tx *tx, struct command *c, struct err *err) {
        struct command_application *pause = command_of(c, command_application);
        struct subject s = { 0 };
        int r = lookup_model(tx, pause->model, &s.model, err);

        c->is_stop = true;
        if (r >= 0 && pause->application)
                r = lookup_application(tx, s.model, pause->application, &s.row, err);
        if (r < 0)
                return r;
        if (!pause_of(&s).by)
                return 0;
        r = change_pause(tx, c, &s, &(struct pause){ 0 }, err);
        if (r < 0)
                return r;
        return consequence_held_end(tx, c, s.model->id,
                                    &(struct consequence_stop){ pause->application, NULL, NULL },
                                    err);
}

/* ---- resources */

int command_application_attach_resource(struct tx *tx, struct command *c, struct err *err) {
        struct command_application *attach = command_of(c, command_application);
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        struct application_row a;
        struct subject s;
        int r = find(tx, attach, &s, err);

        if (r >= 0)
                r = lookup_meta(tx, s.row, &meta, err);
        if (r < 0)
                return r;
        a = (struct application_row){ tx, c, s.row->id, s.model->id, s.row->name, meta };
        r = application_row_resource(&a, attach->resource ? attach->resource : "", attach->value,
                                     (struct bundle_place){}, err);
        return r > 0 ? done(tx, &s, r) : r;
}

/* ---- ways on */

static int accept_row(struct tx *tx, const struct q_resource_row *row, struct err *err) {
        int r = w_resource_accept_loss(tx, &(struct w_resource_accept_loss_in){ .id = row->id },
                                       err);

        tx_mark(tx, MARK_RESOURCE, row->id);
        return r < 0 ? r : 1;
}

static void tell_taken(struct command *c, const struct q_resource_row *row) {
        bool known = !row->found_since_null; /* of a database or a bucket it is not */
        char since[CLOCK_TEXT_MAX];

        command_change(c, "accept-data-loss", NULL,
                       "go on with the %s %s that is there%s%s%s%s%s, as it is: nothing is deleted",
                       row->type, row->path, known ? " since " : "",
                       known ? clock_iso(row->found_since, false, since) : "",
                       known ? " (uid " : "", known ? row->found : "", known ? ")" : "");
}

static int accept_loss(struct tx *tx, const struct q_resource_row *row, void *c, struct err *err) {
        if (row->lost_at_null)
                return 0;
        if (row->found[0])
                tell_taken(c, row);
        else
                command_change(c, "accept-data-loss", NULL,
                               "begin anew with %s %s, whose data is gone", row->type, row->path);
        return accept_row(tx, row, err);
}

/* The server's own volume, say. */
static int is_lost_outside(struct tx *tx, const struct q_resource_row *row, void *c,
                           struct err *err) {
        bool inside = true;
        int r = row->lost_at_null ? 0
                                  : data_inside(tx, row->target_id, row->owner_id, &inside, err);

        return r < 0 ? r : !inside;
}

/* What lived inside a server whose own volume is gone went with it. */
static int accept_inside(struct tx *tx, const struct q_resource_row *row, void *c,
                         struct err *err) {
        bool inside = false;
        int r = row->keep && !row->initialised_at_null
                        ? data_inside(tx, row->target_id, row->owner_id, &inside, err)
                        : 0;

        if (r < 0 || !inside)
                return r;
        command_change(c, "accept-data-loss", NULL, "begin anew with %s %s inside of it", row->type,
                       row->path);
        return accept_row(tx, row, err);
}

int command_application_accept_loss(struct tx *tx, struct command *c, struct err *err) {
        struct command_application *accept = command_of(c, command_application);
        struct subject s;
        int r = lookup_no_guess(find(tx, accept, &s, err), err);
        int outside = 0;

        if (r >= 0)
                r = outside = data_each_resource(tx, s.row->id, is_lost_outside, c, err);
        if (r >= 0)
                r = data_each_resource(tx, s.row->id, accept_loss, c, err);
        if (r == 0)
                return err_set(err, -ENOENT, "application %s has lost no data", s.row->name);
        if (r > 0 && outside)
                r = data_each_resource(tx, s.row->id, accept_inside, c, err);
        if (r >= 0 && outside)
                r = detached_begin_anew(tx, c, s.model->id, s.row->name, err);
        return done(tx, &s, r);
}

/* "deployment/mlflow-server" against type Deployment.apps and path kubeflow/mlflow-server. */
static bool is_object(const struct q_resource_row *row, const char *object) {
        const char *slash = strchr(object, '/'), *name = strrchr(row->path, '/');
        size_t kind = slash ? (size_t)(slash - object) : 0;

        name = name ? name + 1 : row->path;
        return slash && strlen(row->type) >= kind && strncasecmp(row->type, object, kind) == 0 &&
               (row->type[kind] == '\0' || row->type[kind] == '.') && str_eq(name, slash + 1);
}

/* Data in a server of its own that another controller looked after: who has rights there is not
 * ours to tell. */
static int leave_users(struct tx *tx, struct command *c, const struct q_resource_row *row,
                       struct err *err) {
        const struct command_application *a = command_of(c, command_application);
        struct data_left left = {
                a->model, a->application, row->type, row->path,
                "was adopted: users of earlier relations stay in its server with their rights, and "
                "cannot be told from others'. List them (SELECT User, Host FROM mysql.user; mc "
                "admin user ls) and remove those that no relation here has (DROP USER "
                "'NAME'@'HOST'; mc admin user rm)"
        };
        bool inside = false;
        int r = row->keep && !row->owner_id_null
                        ? data_inside(tx, row->target_id, row->owner_id, &inside, err)
                        : 0;

        return r < 0 || !inside ? r : data_leave(tx, &left, err);
}

/* What is wanted is written over it: where its template differs the pods go. */
static bool has_pods(const struct q_resource_row *row) {
        return str_eq(row->type, "Deployment.apps") || str_eq(row->type, "StatefulSet.apps") ||
               str_eq(row->type, "DaemonSet.apps");
}

/* Blocked by something of the same name that was there before, and by nothing else: nothing of ours
 * was ever accepted. */
static int adopt(struct tx *tx, const struct q_resource_row *row, void *c, struct err *err) {
        const char *object = command_of(c, command_application)->object;
        int r;

        if (row->adopted || row->applied_generation > 0 || !str_eq(row->state, "blocked") ||
            !str_eq(row->outcome, "conflict"))
                return 0;
        if (object && !is_object(row, object))
                return 0;
        command_change(
                c, "adopt", NULL, "adopt %s %s, which was there before; it will not be deleted%s",
                row->type, row->path,
                has_pods(row) ? ", and its pods are replaced where they are other than wanted"
                              : "");
        r = w_resource_set_adopted(
                tx, &(struct w_resource_set_adopted_in){ .adopted = 1, .id = row->id }, err);
        tx_mark(tx, MARK_RESOURCE, row->id);
        if (r >= 0)
                r = leave_users(tx, c, row, err);
        return r < 0 ? r : 1;
}

int command_application_adopt(struct tx *tx, struct command *c, struct err *err) {
        struct command_application *a = command_of(c, command_application);
        struct subject s;
        int r = find(tx, a, &s, err);

        if (r >= 0)
                r = data_each_resource(tx, s.row->id, adopt, c, err);
        if (r == 0)
                return err_set(err, -ENOENT, "application %s is not blocked by %s", s.row->name,
                               a->object ? a->object : "objects that were there before");
        return done(tx, &s, r);
}

/* ---- what cannot be changed */

static int recreate(struct tx *tx, const struct q_resource_row *row, void *c, struct err *err) {
        int r;

        if (!is_object(row, command_of(c, command_application)->object) ||
            !str_eq(row->state, "blocked") || !str_eq(row->outcome, "immutable"))
                return 0;
        if (row->keep)
                return err_set(err, -EBUSY,
                               "%s %s holds data, and is never deleted to be made again: undo the "
                               "change, or copy the data to a new application",
                               row->type, row->path);
        command_change(c, "recreate", NULL,
                       "delete %s %s, with what it owns, and make it again as it is wanted now%s",
                       row->type, row->path, has_pods(row) ? "; no pod of it runs meanwhile" : "");
        r = w_resource_set_recreate(tx, &(struct w_resource_set_recreate_in){ .id = row->id }, err);
        tx_mark(tx, MARK_RESOURCE, row->id);
        return r < 0 ? r : 1;
}

int command_application_recreate(struct tx *tx, struct command *c, struct err *err) {
        struct command_application *a = command_of(c, command_application);
        struct subject s;
        int r = find(tx, a, &s, err);

        if (r >= 0)
                r = data_each_resource(tx, s.row->id, recreate, c, err);
        if (r == 0)
                return err_set(err, -ENOENT,
                               "application %s has no %s that is blocked because it needs recreate",
                               s.row->name, a->object);
        return done(tx, &s, r);
}

/* ---- storage of an earlier application */

static int none_detached(const char *name, struct err *err) {
        return err_set(err, -ENOENT, "no storage of an earlier application %s is there", name);
}

int command_application_attach_storage(struct tx *tx, struct command *c, struct err *err) {
        struct command_application *attach = command_of(c, command_application);
        struct subject s;
        int r = find(tx, attach, &s, err);

        if (r >= 0)
                r = detached_attach(tx, c, s.model, s.row->name, s.row->id, err);
        if (r <= 0)
                return r < 0 ? r : none_detached(attach->application, err);
        return done(tx, &s,
                    w_application_set_attach(tx,
                                             &(struct w_application_set_attach_in){
                                                     .attach_storage = 1, .id = s.row->id },
                                             err));
}

int command_application_destroy_storage(struct tx *tx, struct command *c, struct err *err) {
        struct command_application *destroy = command_of(c, command_application);
        struct q_application_row *row;
        struct subject s;
        size_t there;
        int r = lookup_model(tx, destroy->model, &s.model, err);

        if (r >= 0)
                r = detached_destroy(tx, c, s.model, destroy->application, err);
        if (r <= 0)
                return r < 0 ? r : none_detached(destroy->application, err);
        tx_mark(tx, MARK_MODEL, s.model->id); /* a removed one may have waited for this */
        r = q_application_by_name(tx,
                                  &(struct q_application_by_name_in){
                                          .model_id = s.model->id, .name = destroy->application },
                                  &row, &there, err);
        if (r >= 0 && there > 0)
                tx_mark(tx, MARK_APPLICATION, row->id);
        return r < 0 ? r : 0;
}
