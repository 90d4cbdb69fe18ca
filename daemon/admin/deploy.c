/* SPDX-License-Identifier: Apache-2.0 */
/* deploy.c - bundles and single charms: charms are found and taken in on the loop, the rest is
 * one transaction */
#include "admin-internal.h"
#include "previewing.h"
#include "routes.h"

#include "charm-take.h"
#include "command.h"
#include "lookup.h"

#include <errno.h>
#include <stdlib.h>

#define AT(member) offsetof(struct deploy_charm_body, member)

const struct json_field deploy_charm_fields[] = {
        { "charm", JSON_FIELD_STRING, AT(charm), JSON_REQUIRED, 1, 63, NULL },
        { "application", JSON_FIELD_STRING, AT(application), JSON_NULL_OK, 1, 63, NULL },
        { "channel", JSON_FIELD_STRING, AT(channel), JSON_NULL_OK, 1, 100, NULL },
        { "constraints", JSON_FIELD_STRING, AT(constraints), JSON_NULL_OK, 0, 1000, NULL },
        { "revision", JSON_FIELD_INT, AT(revision), 0, 0, 0, NULL },
        { "scale", JSON_FIELD_INT, AT(scale), 0, 0, 0, NULL },
        { "trust", JSON_FIELD_BOOL, AT(trust), 0, 0, 0, NULL },
        { "attach-storage", JSON_FIELD_BOOL, AT(attach_storage), 0, 0, 0, NULL },
        { "options", JSON_FIELD_OBJECT, AT(options), 0, 0, 0, NULL },
        { "storage", JSON_FIELD_OBJECT, AT(storage), 0, 0, 0, NULL },
        { "resources", JSON_FIELD_OBJECT, AT(resources), 0, 0, 0, NULL },
        {}
};

static bool is_offered(const struct charm_host *h, const char *name) {
        size_t n;
        const struct charm_offer *offers = charm_host_offers(h, &n);

        for (size_t i = 0; i < n; i++)
                if (!offers[i].refused && str_eq(offers[i].meta->name, name))
                        return true;
        return false;
}

/* What serves the charm. It is taken into the state folder first, for the rows will name it, and a
 * dry run asks it. */
static void choose(struct request *q, struct charm_take *take, struct charm_choice *c,
                   const char *name, const char *channel, int64_t revision) {
        struct charm_host *h = q->admin->options.host;
        const struct charm_offer *offer;
        struct err err = { 0 };

        if (charm_host_find(h, name, channel, revision, &offer, &err) < 0) {
                charm_choice_missing(c, is_offered(h, name), err_text(&err));
                return;
        }
        charm_choice_found(c, offer->sha256, offer->meta);
        charm_take_add(take, offer, c);
}

static void take_in(struct request *q, struct charm_take *take, void (*done)(struct charm_take *)) {
        take->loop = q->admin->options.loop;
        take->state_dir = q->admin->options.state_dir;
        take->arg = request_ref(q);
        take->done = done;
        charm_take_start(take);
}

/* Choices whose charm could not be taken in are refused with why. Then the command, unless the
 * daemon stops: whoever asked was told so already. */
static void taken_in(struct charm_take *take, struct command *command) {
        struct request *q = take->arg;

        for (size_t i = 0; i < take->count; i++) {
                struct charm_choice *c = take->items[i].owner;

                c->copied = take->items[i].r > 0;
                if (take->items[i].r >= 0)
                        continue;
                charm_choice_deinit(c);
                charm_choice_missing(c, true, err_text(&take->items[i].err));
        }
        charm_take_deinit(take);
        if (q->gone)
                previewing_release(command);
        else
                request_try(q, command, previewing_release, previewing_show);
        request_unref(q);
}

/* ---- bundles */

struct deploying {
        struct command_bundle command;
        struct request *request;
        struct job parsing;
        struct bundle *bundle;
        struct charm_choice *choices;
        struct charm_take take;
};

static void release_bundle(struct command *c) {
        struct deploying *d = container_of(container_of(c, struct command_bundle, head),
                                           struct deploying, command);

        for (size_t i = 0; i < d->bundle->application_count; i++)
                charm_choice_deinit(&d->choices[i]);
        free(d->choices);
        bundle_free(d->bundle);
        free(d);
}

struct bundle *deploy_parse(const struct models_bundle_body *b) {
        size_t n = json_array_size(b->sources), i;
        cleanup_(freep) struct bundle_source *sources = mem_array(struct bundle_source, n);
        json_t *s;

        json_array_foreach(b->sources, i, s) {
                sources[i].file = json_get_str(s, "file", "bundle");
                sources[i].text = json_get_str(s, "text", "");
                sources[i].len = strlen(sources[i].text);
        }
        return bundle_parse(sources, n, b->includes);
}

static void bundle_taken(struct charm_take *take) {
        struct deploying *d = container_of(take, struct deploying, take);

        taken_in(take, &d->command.head);
}

static void choose_charms(struct request *q, struct deploying *d) {
        const struct models_bundle_body *b = q->data;

        d->choices = mem_array(struct charm_choice, d->bundle->application_count);
        for (size_t i = 0; i < d->bundle->application_count; i++) {
                const struct bundle_application *a = &d->bundle->applications[i];

                if (a->charm)
                        choose(q, &d->take, &d->choices[i], a->charm, a->channel, a->revision);
        }
        d->command =
                (struct command_bundle){ .head = { .run = command_deploy_bundle,
                                                   .dry_run = request_query_bool(q, "dry-run") },
                                         .model = request_param(q, 0),
                                         .bundle = d->bundle,
                                         .choices = d->choices,
                                         .attach_storage = b->attach_storage };
        previewing_attach(q, &d->command.head, d->command.model, NULL, release_bundle);
        take_in(q, &d->take, bundle_taken);
}

static void parse_work(void *arg) {
        struct deploying *d = arg;

        d->bundle = deploy_parse(d->request->data);
}

static void parse_done(void *arg) {
        struct deploying *d = arg;
        struct request *q = d->request;

        if (q->gone) {
                bundle_free(d->bundle);
                free(d);
        } else {
                choose_charms(q, d);
        }
        request_unref(q);
}

/* YAML of megabytes takes longer than anything else may wait. */
void deploy_bundle(struct request *q) {
        struct deploying *d;
        struct err err = { 0 };

        if (charm_host_scan(q->admin->options.host, &err) < 0)
                return request_fail(q, -EIO, &err);
        d = mem_new(struct deploying);
        d->request = request_ref(q);
        d->parsing = (struct job){ .loop = q->admin->options.loop,
                                   .work = parse_work,
                                   .done = parse_done,
                                   .arg = d,
                                   .name = "bundle" };
        job_start(&d->parsing);
}

/* ---- one charm */

struct deploying_charm {
        struct command_charm command;
        struct charm_choice choice;
        struct charm_take take;
};

static void release_charm(struct command *c) {
        struct deploying_charm *d = container_of(container_of(c, struct command_charm, head),
                                                 struct deploying_charm, command);

        charm_choice_deinit(&d->choice);
        free(d);
}

static void charm_taken(struct charm_take *take) {
        struct deploying_charm *d = container_of(take, struct deploying_charm, take);

        taken_in(take, &d->command.head);
}

void deploy_charm(struct request *q) {
        const struct deploy_charm_body *b = q->data;
        struct deploying_charm *d = mem_new(struct deploying_charm);
        bool has_scale = json_object_get(q->json, "scale"),
             has_revision = json_object_get(q->json, "revision");
        struct err err = { 0 };

        if (charm_host_scan(q->admin->options.host, &err) < 0) {
                free(d);
                return request_fail(q, -EIO, &err);
        }
        choose(q, &d->take, &d->choice, b->charm, b->channel, has_revision ? b->revision : -1);
        d->command = (struct command_charm){
                .head = { .run = command_deploy_charm,
                          .dry_run = request_query_bool(q, "dry-run") },
                .model = request_param(q, 0),
                .application = b->application,
                .charm = b->charm,
                .channel = b->channel,
                .revision = has_revision ? b->revision : -1,
                .scale = has_scale ? b->scale : -1,
                .trust = json_object_get(q->json, "trust") ? b->trust : -1,
                .options = b->options,
                .constraints = b->constraints,
                .storage = b->storage,
                .resources = b->resources,
                .choice = &d->choice,
                .attach_storage = b->attach_storage,
                .force = request_query_bool(q, "force"),
        };
        previewing_attach(q, &d->command.head, d->command.model, NULL, release_charm);
        take_in(q, &d->take, charm_taken);
}

/* ---- another content of an application's charm */

struct refreshing {
        struct command_refresh command;
        struct charm_choice choice;
        struct charm_take take;
};

const struct json_field deploy_refresh_fields[] = {
        { "channel", JSON_FIELD_STRING, offsetof(struct deploy_refresh_body, channel), JSON_NULL_OK,
          1, 100, NULL },
        { "revision", JSON_FIELD_INT, offsetof(struct deploy_refresh_body, revision), 0, 0, 0,
          NULL },
        { "resources", JSON_FIELD_OBJECT, offsetof(struct deploy_refresh_body, resources), 0, 0, 0,
          NULL },
        { "path", JSON_FIELD_STRING, offsetof(struct deploy_refresh_body, path), JSON_NULL_OK, 1,
          4000, NULL },
        {}
};

static struct refreshing *refreshing_of(struct command *c) {
        return container_of(container_of(c, struct command_refresh, head), struct refreshing,
                            command);
}

static void release_refresh(struct command *c) {
        struct refreshing *f = refreshing_of(c);

        charm_choice_deinit(&f->choice);
        free(f);
}

static void refresh_taken(struct charm_take *take) {
        struct refreshing *f = container_of(take, struct refreshing, take);

        taken_in(take, &f->command.head);
}

static int read_pinned(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        const struct q_application_row *a;
        const struct q_model_row *m;
        int r = lookup_model(tx, request_param(q, 0), &m, err);

        if (r >= 0)
                r = lookup_application(tx, m, request_param(q, 1), &a, err);
        if (r >= 0)
                *ret = json_pack("{s:s, s:s}", "charm", a->charm_name, "channel", a->channel);
        return r < 0 ? r : 0;
}

/* A folder of this machine, as one that is on offer would be taken. */
static int choose_folder(struct refreshing *f, const char *folder, const char *charm,
                         struct err *err) {
        struct charm_offer offer = {};
        int r = folder[0] == '/' ? charm_host_read(folder, &offer, err)
                                 : err_set(err, -EINVAL, "--path: \"%s\" is not absolute", folder);

        if (r >= 0 && !str_eq(offer.meta->name, charm))
                r = err_set(err, -EINVAL, "charm in %s is %s, the application's is %s", folder,
                            offer.meta->name, charm);
        if (r >= 0) {
                charm_choice_found(&f->choice, offer.sha256, offer.meta);
                charm_take_add(&f->take, &offer, &f->choice);
        }
        charm_host_clear(&offer);
        return r;
}

static void choose_refresh(struct request *q, json_t *pinned) {
        const struct deploy_refresh_body *b = q->data;
        struct refreshing *f = mem_new(struct refreshing);
        struct err err = { 0 };
        const char *channel = json_get_str(pinned, "channel", "");
        int64_t revision = json_object_get(q->json, "revision") ? b->revision : -1;

        if (b->path && choose_folder(f, b->path, json_get_str(pinned, "charm", ""), &err) < 0)
                charm_choice_missing(&f->choice, true, err_text(&err));
        else if (!b->path)
                choose(q, &f->take, &f->choice, json_get_str(pinned, "charm", ""),
                       b->channel   ? b->channel
                       : channel[0] ? channel
                                    : NULL,
                       revision);
        f->choice.refused |= !f->choice.meta;
        f->take.load = charm_host_spec(q->admin->options.host);
        f->command =
                (struct command_refresh){ .head = { .run = command_deploy_refresh,
                                                    .dry_run = request_query_bool(q, "dry-run") },
                                          .model = request_param(q, 0),
                                          .application = request_param(q, 1),
                                          .channel = b->channel,
                                          .revision = revision,
                                          .resources = b->resources,
                                          .choice = &f->choice };
        previewing_attach(q, &f->command.head, f->command.model, f->command.application,
                          release_refresh);
        take_in(q, &f->take, refresh_taken);
        json_decref(pinned);
}

void deploy_refresh(struct request *q) {
        struct err err = { 0 };

        if (charm_host_scan(q->admin->options.host, &err) < 0)
                return request_fail(q, -EIO, &err);
        request_look(q, read_pinned, choose_refresh);
}

/* ---- of all applications */

struct refreshing_all {
        struct command_refresh_all command;
        struct charm_take take;
};

static void release_all(struct command *c) {
        struct refreshing_all *f = container_of(container_of(c, struct command_refresh_all, head),
                                                struct refreshing_all, command);

        for (size_t i = 0; i < f->command.count; i++) {
                free(f->command.items[i].application);
                charm_choice_deinit(&f->command.items[i].choice);
        }
        free(f->command.items);
        free(f);
}

static void all_taken(struct charm_take *take) {
        struct refreshing_all *f = container_of(take, struct refreshing_all, take);

        taken_in(take, &f->command.head);
}

static int add_pinned(struct tx *tx, const struct q_application_row *a, void *arg,
                      struct err *err) {
        struct q_charm_row *charm;
        size_t n = 0;
        int r = 0;

        if (a->charm_sha256 && str_eq(a->life, "alive"))
                r = q_charm_by_sha256(tx,
                                      &(struct q_charm_by_sha256_in){ .sha256 = a->charm_sha256 },
                                      &charm, &n, err);
        if (r >= 0 && n)
                json_array_append_new(arg, json_pack("{s:s, s:s, s:s, s:s, s:I}", "name", a->name,
                                                     "charm-name", a->charm_name, "charm-channel",
                                                     a->channel, "charm-sha256", a->charm_sha256,
                                                     "charm-rev", (json_int_t)charm->revision));
        return r < 0 ? r : 0;
}

static int read_all_pinned(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *all = json_array();
        const struct q_model_row *m;
        int r = lookup_model(tx, request_param(q, 0), &m, err);

        if (r >= 0)
                r = lookup_each_application(tx, m->id, add_pinned, all, err);
        if (r >= 0)
                *ret = take_ptr(all);
        return r < 0 ? r : 0;
}

/* What status calls "upgrade available". */
static void choose_all(struct request *q, json_t *pinned) {
        struct charm_host *host = q->admin->options.host;
        struct refreshing_all *f = mem_new(struct refreshing_all);
        struct command_refresh_all *c = &f->command;
        json_t *a;
        size_t i;

        c->items = mem_array(struct refresh_all_item, json_array_size(pinned) + 1);
        json_array_foreach(pinned, i, a) {
                const struct charm_offer *offer = models_upgrade(host, a);

                if (!offer)
                        continue;
                c->items[c->count].application = str_dup(json_get_str(a, "name", ""));
                charm_choice_found(&c->items[c->count].choice, offer->sha256, offer->meta);
                charm_take_add(&f->take, offer, &c->items[c->count++].choice);
        }
        f->take.load = charm_host_spec(host);
        c->head = (struct command){ .run = command_refresh_all,
                                    .dry_run = request_query_bool(q, "dry-run") };
        c->model = request_param(q, 0);
        previewing_attach(q, &c->head, c->model, NULL, release_all);
        take_in(q, &f->take, all_taken);
        json_decref(pinned);
}

void deploy_refresh_all(struct request *q) {
        struct err err = { 0 };

        if (charm_host_scan(q->admin->options.host, &err) < 0)
                return request_fail(q, -EIO, &err);
        request_look(q, read_all_pinned, choose_all);
}
