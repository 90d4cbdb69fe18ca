/* SPDX-License-Identifier: Apache-2.0 */
/* command-deploy.c - a bundle, or one charm, into rows: all or nothing, only what differs
 *
 * The same bundle again changes nothing; a changed one changes what it says and never removes.
 * An application stays pinned to the charm it was deployed with until its channel or revision
 * changes. Where no charm is there the application and its relations are taken as they are and
 * settled when it comes (command_deploy_pin). One charm is a bundle of one application that may
 * not be there yet. */
#include "command-internal.h"

#include "channel.h"
#include "constraint.h"
#include "name.h"
#include "refresh.h"

#include <errno.h>
#include <stdlib.h>

/* One application of the bundle on its way. */
struct placed {
        int64_t id; /* 0: not there, because of a fault */
        const struct charm_meta
                *meta; /* what its options and relations are checked against; NULL: no charm */
        struct charm_meta *owned; /* meta where it was read from the rows */
        bool is_new;
};

struct deploy {
        struct tx *tx;
        struct command *command;
        const struct q_model_row *model;
        const struct bundle *bundle;
        struct charm_choice *choices;
        bool attach_storage;
        bool must_be_new;
        bool needs_charm; /* what has none is refused: one that is typed by hand */
        bool refresh;     /* to the choice, though neither channel nor revision is another one */
        struct placed *placed;
};

/* ---- the charm */

/* Whether the bundle asks for another charm than the application is pinned to. */
static bool wants_other_charm(const struct bundle_application *a,
                              const struct q_application_row *row) {
        if (a->channel && !str_eq(a->channel, row->channel))
                return true;
        return a->revision >= 0 && (row->revision_null || row->revision != a->revision);
}

/* Takes the choice for P; false: a fault was told. */
static bool take_choice(struct deploy *d, const struct bundle_application *a,
                        const struct charm_choice *choice, struct placed *p) {
        struct bundle_place at = a->channel_at.file ? a->channel_at : a->charm_at;

        if (choice->refused) {
                command_fault(d->command, at, "application %s: %s", a->name,
                              choice->missing ? choice->missing : "no such charm");
                return false;
        }
        if (!choice->meta && d->needs_charm) {
                command_fault(d->command, at,
                              "application %s: %s; --force takes it all the same, blocked until "
                              "there is one",
                              a->name, choice->missing ? choice->missing : "no charm module");
                return false;
        }
        if (!choice->meta)
                command_note(d->command, "application %s: %s; it is blocked until there is one",
                             a->name, choice->missing ? choice->missing : "no charm module");
        p->meta = choice->meta;
        return true;
}

static void tell_charm(struct deploy *d, const struct bundle_application *a,
                       const struct charm_choice *choice, const char *channel) {
        cleanup_(buf_free) struct buf which = BUF_INIT;

        if (choice->meta)
                buf_printf(&which, " revision %lld", (long long)choice->meta->revision);
        if (channel && channel[0])
                buf_printf(&which, " from channel %s", channel);
        if (choice->meta)
                buf_printf(&which, " (content %.12s)", choice->sha256);
        command_change(d->command, "set-charm", a->name, "use charm %s%s for %s", a->charm,
                       buf_str(&which), a->name);
}

static void record_charm(struct deploy *d, const char *name, const struct q_application_row *row,
                         const struct w_application_set_charm_in *in) {
        struct command *c = d->command;

        command_record(c, name, "charm", json_string(row->charm_name), json_string(in->charm_name));
        command_record(c, name, "content", json_string(row->charm_sha256),
                       json_string(in->charm_sha256));
        command_record(c, name, "channel", json_string(row->channel), json_string(in->channel));
}

static int set_charm(struct deploy *d, const struct bundle_application *a,
                     const struct charm_choice *choice, const struct q_application_row *row,
                     struct err *err) {
        struct w_application_set_charm_in in = {
                .id = row->id,
                .charm_name = a->charm,
                .charm_sha256 = choice->meta ? choice->sha256 : row->charm_sha256,
                .channel = a->channel ? a->channel : row->channel,
                .revision = a->revision >= 0 ? a->revision : row->revision,
                .revision_null = a->revision < 0 && row->revision_null,
        };
        int r = choice->meta ? charm_choice_put(d->tx, choice, err) : 0;

        if (r >= 0)
                r = w_application_set_charm(d->tx, &in, err);
        if (r < 0)
                return r;
        tell_charm(d, a, choice, in.channel);
        record_charm(d, a->name, row, &in);
        return 1;
}

/* ---- scalars of the row */

static void check_scale(struct deploy *d, const struct bundle_application *a,
                        const struct charm_meta *m) {
        struct bundle_place at = a->scale_at.file ? a->scale_at : a->at;

        if (m && a->scale > m->scale_max)
                command_fault(d->command, at,
                              "application %s: scale %lld is more than charm %s can run: %lld",
                              a->name, (long long)a->scale, m->name, (long long)m->scale_max);
}

static int update_scale(struct deploy *d, const struct bundle_application *a,
                        const struct q_application_row *row, struct err *err) {
        int r;

        if (a->scale < 0 || a->scale == row->scale)
                return 0;
        command_change(d->command, "scale", a->name, "scale %s from %lld to %lld", a->name,
                       (long long)row->scale, (long long)a->scale);
        command_record(d->command, a->name, "scale", json_integer(row->scale),
                       json_integer(a->scale));
        r = w_application_set_scale(
                d->tx, &(struct w_application_set_scale_in){ .scale = a->scale, .id = row->id },
                err);
        return r < 0 ? r : 1;
}

static int update_trust(struct deploy *d, const struct bundle_application *a,
                        const struct q_application_row *row, struct err *err) {
        int r;

        if (a->trust < 0 || a->trust == row->trust)
                return 0;
        command_change(d->command, "trust", a->name, "%s %s", a->trust ? "trust" : "stop trusting",
                       a->name);
        command_record(d->command, a->name, "trust", json_boolean(row->trust),
                       json_boolean(a->trust));
        r = w_application_set_trust(
                d->tx, &(struct w_application_set_trust_in){ .trust = a->trust, .id = row->id },
                err);
        return r < 0 ? r : 1;
}

static int update_constraints(struct deploy *d, const struct bundle_application *a,
                              const struct q_application_row *row, struct err *err) {
        cleanup_(freep) char *text = a->constraints ? json_text(a->constraints) : NULL;
        cleanup_(freep) char *shown = NULL;
        int r;

        if (!text || str_eq(text, row->constraints))
                return 0;
        shown = constraint_text(a->constraints);
        command_change(d->command, "set-constraints", a->name, "set constraints of %s to \"%s\"",
                       a->name, shown);
        command_record(d->command, a->name, "constraints", json_string(row->constraints),
                       json_string(text));
        r = w_application_set_constraints(
                d->tx,
                &(struct w_application_set_constraints_in){ .constraints = text, .id = row->id },
                err);
        return r < 0 ? r : 1;
}

/* The row's annotations with what the bundle says laid over; the caller frees. */
static char *merge_kept(const struct bundle_application *a, const char *before) {
        cleanup_(json_freep) json_t *all = NULL;

        if (!before || json_parse(before, strlen(before), &all, NULL) < 0)
                all = json_object();
        for (size_t i = 0; i < a->kept.count; i++)
                json_object_set(all, a->kept.items[i].name, a->kept.items[i].value);
        return json_text(all);
}

static int update_kept(struct deploy *d, const struct bundle_application *a,
                       const struct q_application_row *row, struct err *err) {
        cleanup_(freep) char *text = merge_kept(a, row->annotations);
        int r;

        if (str_eq(text, row->annotations))
                return 0;
        command_change(d->command, "annotate", a->name,
                       "keep the annotations of %s as the bundle has them", a->name);
        r = w_application_set_annotations(
                d->tx,
                &(struct w_application_set_annotations_in){ .annotations = text, .id = row->id },
                err);
        return r < 0 ? r : 1;
}

/* ---- entries */

static int set_entries(struct deploy *d, const struct bundle_application *a, const struct placed *p,
                       struct err *err) {
        struct application_row row = { d->tx, d->command, p->id, d->model->id, a->name, p->meta };
        int changed = 0, r = 0;

        for (size_t i = 0; r >= 0 && i<a->options.count; i++, changed += r> 0) {
                const struct bundle_value *v = &a->options.items[i];

                r = p->is_new || d->refresh
                            ? application_row_option(&row, v->name, v->value, v->at, err)
                            : application_row_bundle_option(&row, v, err);
        }
        for (size_t i = 0; r >= 0 && i<a->storage.count; i++, changed += r> 0)
                r = application_row_storage(&row, a->storage.items[i].name,
                                            a->storage.items[i].value, p->is_new,
                                            a->storage.items[i].at, err);
        for (size_t i = 0; r >= 0 && i<a->resources.count; i++, changed += r> 0)
                r = application_row_resource(&row, a->resources.items[i].name,
                                             json_string_value(a->resources.items[i].value),
                                             a->resources.items[i].at, err);
        return r < 0 ? r : changed;
}

/* ---- new ones */

static void tell_new(struct deploy *d, const struct bundle_application *a, int64_t scale,
                     const struct charm_choice *choice) {
        cleanup_(buf_free) struct buf from = BUF_INIT;

        if (a->channel)
                buf_printf(&from, " from channel %s", a->channel);
        if (choice->meta)
                buf_printf(&from, ", revision %lld", (long long)choice->meta->revision);
        command_change(d->command, "deploy", a->name,
                       "deploy application %s with %lld unit%s of charm %s%s", a->name,
                       (long long)scale, scale == 1 ? "" : "s", a->charm, buf_str(&from));
        if (scale == 0)
                command_note(d->command, "application %s: scale 0: no pods are started", a->name);
}

static void record_new(struct deploy *d, const struct w_application_insert_in *in) {
        struct command *c = d->command;

        command_record(c, in->name, "charm", NULL, json_string(in->charm_name));
        command_record(c, in->name, "content", NULL, json_string(in->charm_sha256));
        command_record(c, in->name, "channel", NULL, json_string(in->channel));
        command_record(c, in->name, "scale", NULL, json_integer(in->scale));
        command_record(c, in->name, "trust", NULL, json_boolean(in->trust));
        command_record(c, in->name, "constraints", NULL, json_string(in->constraints));
}

/* What an earlier application of that name left is taken over, or needs a decision first. */
static int take_detached(struct deploy *d, const struct bundle_application *a, int64_t id,
                         struct err *err) {
        struct q_detached_earlier_in in = { .model_id = d->model->id, .application = a->name };
        struct q_detached_row *rows;
        size_t n;
        int r;

        if (d->attach_storage)
                return detached_attach(d->tx, d->command, d->model, a->name, id, err);
        r = q_detached_earlier(d->tx, &in, &rows, &n, err);
        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        command_note(
                d->command,
                "application %s: storage of an earlier %s is still there (%s): it is blocked until "
                "attach-storage %s or destroy-storage %s",
                a->name, a->name, rows[0].path, a->name, a->name);
        return 0;
}

static int insert_new(struct deploy *d, const struct bundle_application *a,
                      const struct charm_choice *choice, struct placed *p, struct err *err) {
        cleanup_(freep) char *constraints =
                a->constraints ? json_text(a->constraints) : str_dup("{}");
        cleanup_(freep) char *kept = merge_kept(a, NULL);
        int64_t scale = a->scale >= 0 ? a->scale : choice->meta ? choice->meta->scale : 1;
        struct w_application_insert_in in = {
                .id = tx_id(d->tx, "application"),
                .model_id = d->model->id,
                .name = a->name,
                .charm_name = a->charm,
                .charm_sha256 = choice->meta ? choice->sha256 : NULL,
                .channel = a->channel ? a->channel : "",
                .revision = a->revision,
                .revision_null = a->revision<0, .scale = scale, .trust = a->trust> 0,
                .constraints = constraints,
                .annotations = kept,
                .attach_storage = d->attach_storage,
                .status_at = tx_now(d->tx),
                .created_at = tx_now(d->tx),
        };
        int r = choice->meta ? charm_choice_put(d->tx, choice, err) : 0;

        if (r >= 0)
                r = w_application_insert(d->tx, &in, err);
        if (r < 0)
                return r;
        p->id = in.id;
        p->is_new = true;
        tell_new(d, a, scale, choice);
        record_new(d, &in);
        return take_detached(d, a, in.id, err);
}

static int settle(struct deploy *d, const struct bundle_application *a, const struct placed *p,
                  struct err *err) {
        struct application_row row = { d->tx, d->command, p->id, d->model->id, a->name, p->meta };

        return p->meta ? relation_row_settle(d->tx, d->command, &row, err) : 0;
}

static int deploy_new(struct deploy *d, const struct bundle_application *a,
                      const struct charm_choice *choice, struct placed *p, struct err *err) {
        int r;

        if (!take_choice(d, a, choice, p))
                return 0;
        check_scale(d, a, p->meta);
        r = insert_new(d, a, choice, p, err);
        if (r >= 0)
                r = set_entries(d, a, p, err);
        if (r >= 0)
                r = settle(d, a, p, err);
        if (r >= 0)
                tx_mark(d->tx, MARK_APPLICATION, p->id);
        return r < 0 ? r : 0;
}

/* ---- those that are there */

/* Pins to what the bundle asks for, or reads what the application is pinned to. 1: pinned anew. */
static int choose(struct deploy *d, const struct bundle_application *a,
                  const struct charm_choice *choice, const struct q_application_row *row,
                  struct placed *p, struct err *err) {
        struct application_row checked = {
                d->tx, d->command, row->id, d->model->id, a->name, NULL
        };
        bool other =
                d->refresh ? !str_eq(choice->sha256, row->charm_sha256) : wants_other_charm(a, row);
        int r;

        if (!other && row->charm_sha256) {
                r = lookup_meta(d->tx, row, &p->owned, err);
                p->meta = p->owned;
                return r;
        }
        if (!take_choice(d, a, choice, p))
                return 0;
        if (!other && !choice->meta)
                return 0;
        r = set_charm(d, a, choice, row, err);
        if (r > 0 && !choice->meta) { /* stays with what it is pinned to */
                r = lookup_meta(d->tx, row, &p->owned, err);
                p->meta = p->owned;
                return r < 0 ? r : 1;
        }
        checked.meta = choice->meta;
        if (r > 0)
                r = application_row_recheck(&checked, err);
        return r < 0 ? r : 1;
}

static int update_row(struct deploy *d, const struct bundle_application *a, const struct placed *p,
                      const struct q_application_row *row, struct err *err) {
        static int (*const updates[])(struct deploy *, const struct bundle_application *,
                                      const struct q_application_row *,
                                      struct err *) = { update_scale, update_trust,
                                                        update_constraints, update_kept };
        int changed = 0;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(updates); i++) {
                r = updates[i](d, a, row, err);
                changed += r > 0;
        }
        if (r >= 0) {
                r = set_entries(d, a, p, err);
                changed += MAX_OF(r, 0);
        }
        return r < 0 ? r : changed;
}

/* What goes over to another content does so in stages. What was never planned has none to lose. */
static int stage(struct deploy *d, const struct charm_choice *choice,
                 const struct q_application_row *row, const struct refresh_before *before,
                 bool changed, struct err *err) {
        const char *sha256 = choice->meta ? choice->sha256 : row->charm_sha256;

        if (!row->charm_sha256 || row->plan_digest_len == 0 ||
            (str_eq(sha256, row->charm_sha256) && !(d->refresh && changed)))
                return 0;
        return refresh_begin(d->tx, d->command, row, before, sha256, choice->meta, err);
}

/* One refresh at a time: what the next one would go back to is half of this one. */
static int check_going(struct deploy *d, const struct bundle_application *a,
                       const struct charm_choice *choice, const struct q_application_row *row,
                       struct err *err) {
        bool other = choice->meta && !str_eq(choice->sha256, row->charm_sha256) &&
                     wants_other_charm(a, row);

        return other || d->refresh ? refresh_check_none(d->tx, row, err) : 0;
}

static int deploy_again(struct deploy *d, const struct bundle_application *a,
                        const struct charm_choice *choice, const struct q_application_row *row,
                        struct placed *p, struct err *err) {
        struct refresh_before before;
        int pinned, r;

        if (d->must_be_new || !str_eq(row->life, "alive")) {
                command_fault(d->command, a->at, "application %s is %s", a->name,
                              str_eq(row->life, "alive")
                                      ? "already there: change it with config, scale-application "
                                        "or a bundle"
                                      : "being removed");
                return 0;
        }
        if (!str_eq(a->charm, row->charm_name)) {
                command_fault(d->command, a->charm_at,
                              "application %s is there with charm %s: deploying %s over it is not "
                              "possible",
                              a->name, row->charm_name, a->charm);
                return 0;
        }
        p->id = row->id;
        r = check_going(d, a, choice, row, err);
        if (r >= 0)
                r = refresh_remember(d->tx, row, &before, err);
        if (r < 0)
                return r;
        pinned = choose(d, a, choice, row, p, err);
        if (pinned < 0)
                return pinned;
        check_scale(d, a, p->meta);
        r = update_row(d, a, p, row, err);
        if (r >= 0 && (pinned > 0 || r > 0) &&
            stage(d, choice, row, &before, pinned > 0 || r > 0, err) < 0)
                return err->code;
        if (r >= 0 && pinned > 0 && settle(d, a, p, err) < 0)
                return err->code;
        if (r > 0 || pinned > 0)
                tx_mark(d->tx, MARK_APPLICATION, row->id);
        return r < 0 ? r : 0;
}

static int deploy_application(struct deploy *d, size_t index, struct err *err) {
        const struct bundle_application *a = &d->bundle->applications[index];
        struct q_application_by_name_in in = { .model_id = d->model->id, .name = a->name };
        struct q_application_row *row;
        size_t n;
        int r;

        if (!a->charm)
                return 0; /* is among the bundle's faults */
        r = q_application_by_name(d->tx, &in, &row, &n, err);
        if (r < 0)
                return r;
        if (n == 0)
                return deploy_new(d, a, &d->choices[index], &d->placed[index], err);
        return deploy_again(d, a, &d->choices[index], row, &d->placed[index], err);
}

/* ---- relations */

static const struct placed *placed_of(const struct deploy *d, const char *name) {
        const struct bundle_application *a = bundle_find(d->bundle, name);

        return a ? &d->placed[a - d->bundle->applications] : NULL;
}

static int deploy_relation(struct deploy *d, const struct bundle_relation *relation,
                           struct err *err) {
        struct relation_side_row sides[2];
        int64_t id;

        for (int i = 0; i < 2; i++) {
                const struct bundle_side *s = &relation->sides[i];
                const struct placed *p = placed_of(d, s->application);

                if (!p || p->id == 0)
                        return 0; /* its fault was told */
                sides[i] =
                        (struct relation_side_row){ p->id, s->application, s->endpoint, p->meta };
        }
        return relation_row_add(d->tx, d->command, d->model->id, sides, relation->at, &id, err);
}

static int deploy_all(struct deploy *d, struct err *err) {
        int r = 0;

        d->placed = mem_array(struct placed, d->bundle->application_count + 1);
        for (size_t i = 0; r >= 0 && i < d->bundle->application_count; i++)
                r = deploy_application(d, i, err);
        for (size_t i = 0; r >= 0 && i < d->bundle->relation_count; i++)
                r = deploy_relation(d, &d->bundle->relations[i], err);
        for (size_t i = 0; i < d->bundle->application_count; i++)
                charm_meta_free(d->placed[i].owned);
        free(d->placed);
        return r < 0 ? r : 0;
}

int command_deploy_bundle(struct tx *tx, struct command *c, struct err *err) {
        struct command_bundle *b = command_of(c, command_bundle);
        struct deploy d = { .tx = tx,
                            .command = c,
                            .bundle = b->bundle,
                            .choices = b->choices,
                            .attach_storage = b->attach_storage };
        int r = lookup_live_model(tx, b->model, &d.model, err);

        if (r < 0)
                return r;
        faults_append(&c->faults, &b->bundle->faults);
        faults_append(&c->notes, &b->bundle->notes);
        return deploy_all(&d, err);
}

/* ---- one charm */

static void charm_storage(struct command_charm *c, struct bundle_application *a) {
        const char *name;
        json_t *value;

        json_object_foreach(c->storage, name, value) {
                const char *text = json_string_value(value);
                json_t *parsed = NULL;
                struct err wrong = {};

                if (text && bundle_read_storage(text, &parsed, &wrong) == 0)
                        bundle_set(&a->storage, name, parsed, a->at);
                else
                        command_fault(&c->head, a->at, "%s: %s", name,
                                      text ? err_text(&wrong) : "storage: wants NAME=[CLASS,]SIZE");
        }
}

/* What was asked for on the command line, as a bundle of one application. */
static struct bundle *charm_bundle(struct command_charm *c) {
        const char *name = c->application ? c->application : c->charm;
        struct bundle *b = bundle_new();
        struct bundle_application *a = bundle_append(b, name, (struct bundle_place){});
        char channel[CHANNEL_MAX];
        struct err wrong = {};
        const char *key;
        json_t *value;

        a->revision = c->revision;
        a->scale = c->scale;
        a->trust = c->trust;
        if (name_check_application(name, &wrong) < 0 || name_check_charm(c->charm, &wrong) < 0)
                command_fault(&c->head, a->at, "%s", err_text(&wrong));
        else
                a->charm = str_dup(c->charm);
        if (c->channel && channel_parse(c->channel, channel, &wrong) < 0)
                command_fault(&c->head, a->at, "%s", err_text(&wrong));
        else if (c->channel)
                a->channel = str_dup(channel);
        if (c->constraints && constraint_parse(c->constraints, &a->constraints, &wrong) < 0)
                command_fault(&c->head, a->at, "%s", err_text(&wrong));
        json_object_foreach(c->options, key, value)
                bundle_set(&a->options, key, json_incref(value), a->at);
        json_object_foreach(c->resources, key, value)
                bundle_set(&a->resources, key, json_incref(value), a->at);
        charm_storage(c, a);
        return b;
}

int command_deploy_charm(struct tx *tx, struct command *c, struct err *err) {
        struct command_charm *charm = command_of(c, command_charm);
        cleanup_(bundle_freep) struct bundle *b = charm_bundle(charm);
        struct deploy d = { .tx = tx,
                            .command = c,
                            .bundle = b,
                            .choices = charm->choice,
                            .attach_storage = charm->attach_storage,
                            .must_be_new = true,
                            .needs_charm = !charm->force };
        int r = lookup_live_model(tx, charm->model, &d.model, err);

        if (r < 0)
                return r;
        command_say(c, "application", json_string(b->applications[0].name));
        return deploy_all(&d, err);
}

/* ---- another content of the same charm */

/* A revision that was asked for once is the new one from now on; else bundles and export-bundle
 * would go back to the old one. */
static void keep_revision(struct bundle_application *a, const struct q_application_row *row,
                          const struct command_refresh *r) {
        if (r->choice->meta && (!row->revision_null || r->revision >= 0))
                a->revision = r->choice->meta->revision;
}

int command_refresh_one(struct tx *tx, struct command *c, const struct command_refresh *refresh,
                        struct err *err) {
        cleanup_(bundle_freep) struct bundle *b = bundle_new();
        struct bundle_application *a =
                bundle_append(b, refresh->application, (struct bundle_place){});
        struct deploy d = {
                .tx = tx, .command = c, .bundle = b, .choices = refresh->choice, .refresh = true
        };
        const struct q_application_row *row;
        char channel[CHANNEL_MAX];
        const char *name;
        json_t *value;
        int r = lookup_live_model(tx, refresh->model, &d.model, err);

        a->revision = a->scale = a->trust = -1;
        if (r >= 0)
                r = lookup_application(tx, d.model, refresh->application, &row, err);
        if (r >= 0 && refresh->channel)
                r = channel_parse(refresh->channel, channel, err);
        if (r < 0)
                return r;
        a->charm = str_dup(row->charm_name);
        a->channel = refresh->channel ? str_dup(channel) : NULL;
        keep_revision(a, row, refresh);
        json_object_foreach(refresh->resources, name, value)
                bundle_set(&a->resources, name, json_incref(value), a->at);
        r = deploy_all(&d, err);
        if (r < 0 || json_array_size(json_get(c->answer, "changes")) || !refresh->choice->meta)
                return r;
        if (refresh->choice->copied)
                command_change(
                        c, "set-charm", a->name,
                        "take its content %.12s of charm %s in again, which the state folder "
                        "did not have any more",
                        refresh->choice->sha256, a->charm);
        else
                command_note(c, "%s has revision %lld already, content %.12s", a->name,
                             (long long)refresh->choice->meta->revision, refresh->choice->sha256);
        return r;
}

int command_deploy_refresh(struct tx *tx, struct command *c, struct err *err) {
        return command_refresh_one(tx, c, command_of(c, command_refresh), err);
}

/* ---- a charm that came */

int command_deploy_pin(struct tx *tx, struct command *c, struct err *err) {
        struct command_pin *pin = command_of(c, command_pin);
        struct q_application_row *row;
        struct application_row a;
        size_t n;
        int r = q_application_by_id(tx, &(struct q_application_by_id_in){ .id = pin->application },
                                    &row, &n, err);

        if (r < 0 || n == 0 || row->charm_sha256 || !pin->choice->meta)
                return r < 0 ? r : 0;
        a = (struct application_row){ tx, c, row->id, row->model_id, row->name, pin->choice->meta };
        r = charm_choice_put(tx, pin->choice, err);
        if (r >= 0)
                r = w_application_set_charm(
                        tx,
                        &(struct w_application_set_charm_in){ .id = row->id,
                                                              .charm_name = row->charm_name,
                                                              .charm_sha256 = pin->choice->sha256,
                                                              .channel = row->channel,
                                                              .revision = row->revision,
                                                              .revision_null = row->revision_null },
                        err);
        if (r >= 0)
                r = application_row_recheck(&a, err);
        if (r >= 0)
                r = relation_row_settle(tx, c, &a, err);
        if (r < 0)
                return r;
        if (row->scale > pin->choice->meta->scale_max)
                command_fault(c, (struct bundle_place){},
                              "application %s: scale %lld is more than charm %s can run: %lld",
                              row->name, (long long)row->scale, row->charm_name,
                              (long long)pin->choice->meta->scale_max);
        command_change(c, "set-charm", row->name, "charm %s is there now", row->charm_name);
        tx_mark(tx, MARK_APPLICATION, row->id);
        return 0;
}
