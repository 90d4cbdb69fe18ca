/* SPDX-License-Identifier: Apache-2.0 */
/* doctor.c - GET /v1/doctor: rows and files, then what the loop knows, then the clusters are asked,
 * then all of it is judged; see doctor.h
 *
 * The clusters are asked by operations with a deadline, because a person waits; the loop goes on
 * meanwhile, and a cluster that does not answer is a finding. It is judged in a thread: rights of
 * many models, volumes and bundles of certificates would hold the loop, for whoever may read. */
#include "doctor.h"

#include "admin-internal.h"
#include "charm-host.h"
#include "clock.h"
#include "metrics-server.h"
#include "routes.h"

#include <stdlib.h>

struct looking {
        struct job job;
        struct request *request;
        json_t *facts, *judged;
        bool all;
};

static void add_host(struct request *q, json_t *facts) {
        struct admin *a = q->admin;
        int64_t now = clock_wall(), moved = now - clock_mono() - a->clock_offset;
        struct charm_host_deaths deaths;

        charm_host_deaths(a->options.host, &deaths);
        json_object_set_new(facts, "now", json_integer(now));
        json_object_set_new(facts, "clock-moved-ms", json_integer(moved));
        json_object_set_new(facts, "read-only", json_boolean(store_is_readonly(a->options.store)));
        json_object_set_new(facts, "metrics-certificate-ends",
                            json_integer(metrics_server_expiry() * 1000));
        json_object_set_new(facts, "deaths",
                            json_pack("{s:I, s:I, s:I}", "total", (json_int_t)deaths.total, "last",
                                      (json_int_t)deaths.last, "fifth", (json_int_t)deaths.fifth));
}

static void add_upgrades(struct request *q, json_t *facts) {
        json_t *application;
        size_t i;

        json_array_foreach(json_get(facts, "applications"), i, application)
                models_add_upgrade(q->admin->options.host, application);
}

static void add_ends(json_t *loop) {
        json_t *target;
        size_t i;

        json_array_foreach(json_get(loop, "targets"), i, target) {
                json_t *manner = json_get(target, "manner");
                const char *own = json_get_str(manner, "certificate", NULL);
                const char *ca = json_get_str(manner, "ca", NULL);

                if (own)
                        json_object_set_new(manner, "certificate-ends",
                                            json_integer(doctor_certificate_ends(own, false)));
                if (ca)
                        json_object_set_new(manner, "ca-ends",
                                            json_integer(doctor_certificate_ends(ca, true)));
        }
}

static void looking_free(struct looking *l) {
        json_decref(l->facts);
        request_unref(l->request);
        free(l);
}

/* FACTS are nobody else's meanwhile. */
static void judge(void *arg) {
        struct looking *l = arg;

        add_ends(json_get(l->facts, "loop"));
        l->judged = doctor_judge(l->facts, l->all);
}

static void judged(void *arg) {
        struct looking *l = arg;

        request_reply_long(l->request, l->judged);
        looking_free(l);
}

static void finish(void *arg, json_t *asked) {
        struct looking *l = arg;

        if (!asked)
                return looking_free(l);
        json_object_set_new(l->facts, "asked", asked);
        l->job = (struct job){ .loop = l->request->admin->options.loop,
                               .work = judge,
                               .done = judged,
                               .arg = l,
                               .name = "doctor" };
        job_start(&l->job);
}

static int read_facts(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        *ret = doctor_rows(tx, q);
        return 0;
}

static void ask(struct request *q, json_t *facts) {
        struct reconcile *rec = q->admin->options.reconcile;
        struct looking *l = mem_new(struct looking);
        json_t *loop = reconcile_facts(rec);
        struct err err = { 0 };

        l->request = request_ref(q);
        l->all = request_query_bool(q, "all");
        l->facts = facts;
        if (charm_host_scan(q->admin->options.host, &err) < 0)
                json_object_set_new(facts, "offers-failed", json_words(err_text(&err)));
        add_host(q, facts);
        add_upgrades(q, facts);
        json_object_set_new(facts, "loop", loop);
        reconcile_examine(rec, finish, l);
}

void doctor_show(struct request *q) {
        struct err err = { 0 };

        cluster_role_prepare(q, &err); /* what fails there is told after the read */
        request_read(q, read_facts, ask);
}
