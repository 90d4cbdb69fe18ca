/* SPDX-License-Identifier: Apache-2.0 */
/* root.c - the daemon itself: who it is, what it offers, its own description */
#include "admin-internal.h"
#include "routes.h"

#include "charm-host.h"
#include "charm-meta.h"
#include "openapi.gen.h"

#include <errno.h>
#include <unistd.h>

void root_info(struct request *q) {
        const struct admin_options *o = &q->admin->options;
        json_t *j = json_object();

        json_object_set_new(j, "name", json_string(o->name));
        json_object_set_new(j, "version", json_string(MOORING_VERSION));
        json_object_set_new(j, "uuid", json_string(o->controller));
        json_object_set_new(j, "user", json_string(q->user));
        json_object_set_new(j, "role", json_string(request_role_name(q->role)));
        json_object_set_new(j, "pid", json_integer(getpid()));
        json_object_set_new(j, "generation", json_integer(store_generation(o->store)));
        json_object_set_new(j, "waiting", json_integer((json_int_t)store_waiting(o->store)));
        json_object_set_new(j, "read-only", json_boolean(store_is_readonly(o->store)));
        json_object_set_new(j, "idle", json_boolean(reconcile_idle(o->reconcile)));
        json_object_set_new(j, "workers", json_integer((json_int_t)charm_host_workers(o->host)));
        request_reply(q, 200, j);
}

/* Also to who has no role: the name of the controller, and what a refusal tells. */
void root_whoami(struct request *q) {
        const struct admin_options *o = &q->admin->options;
        json_t *groups = json_object();

        for (enum role role = ROLE_VIEWER; role < ROLE_MAX; role++)
                json_object_set_new(groups, request_role_name(role),
                                    json_string(server_group_of(o, role)));
        request_reply(q, 200,
                      json_pack("{s:s, s:s, s:s, s:o}", "name", o->name, "user", q->user, "role",
                                request_role_name(q->role), "groups", groups));
}

void root_openapi(struct request *q) {
        request_reply_text(q, 200, "application/yaml", str_ndup(openapi_text, openapi_len));
}

/* ---- charms on offer */

static json_t *channels_of(const struct charm_meta *m) {
        json_t *list = json_array();

        for (size_t i = 0; m->channels && m->channels[i]; i++)
                json_array_append_new(list, json_string(m->channels[i]));
        return list;
}

static json_t *offer_json(const struct charm_offer *o, bool all) {
        json_t *j = json_object();

        json_object_set_new(j, "folder", json_string(o->folder));
        if (o->refused)
                json_object_set_new(j, "refused", json_string(o->refused));
        if (!o->meta)
                return j;
        json_object_set_new(j, "name", json_string(o->meta->name));
        json_object_set_new(j, "summary", json_string(o->meta->summary ? o->meta->summary : ""));
        json_object_set_new(j, "revision", json_integer(o->meta->revision));
        json_object_set_new(j, "channels", channels_of(o->meta));
        json_object_set_new(j, "sha256", json_string(o->sha256));
        json_object_set_new(j, "scale-max", json_integer(o->meta->scale_max));
        if (all)
                json_object_set(j, "metadata", o->meta->json);
        return j;
}

void root_charms(struct request *q) {
        struct charm_host *h = q->admin->options.host;
        const char *name = request_query(q, "charm");
        const struct charm_offer *offers;
        json_t *j, *list;
        struct err err = { 0 };
        size_t n;

        if (charm_host_scan(h, &err) < 0)
                return request_fail(q, -EIO, &err);
        offers = charm_host_offers(h, &n);
        list = json_array();
        for (size_t i = 0; i < n; i++)
                if (!name || (offers[i].meta && str_eq(offers[i].meta->name, name)))
                        json_array_append_new(list, offer_json(&offers[i], name != NULL));
        if (name && json_array_size(list) == 0) {
                json_decref(list);
                err_set(&err, -ENOENT, "no charm %s is on offer; mooringctl charms lists them",
                        name);
                return request_fail(q, -ENOENT, &err);
        }
        j = json_object();
        json_object_set_new(j, "charms", list);
        request_reply(q, 200, j);
}
