/* SPDX-License-Identifier: Apache-2.0 */
/* target.c - one cluster: opened, found out about, followed, closed
 *
 *   open -> credential -> identity (uid of namespace kube-system) -> discovery -> watches
 *
 * Each step is tried again with back-off while it fails, and again when the credential changes.
 * "Reachable" is told once the identity and the kinds are known; "lost" when nobody answers, TLS
 * fails or our credentials are refused. That one kind may not be listed is a warning about that
 * kind: the others go on. */
#include "target.h"

#include "clock.h"
#include "identify.h"
#include "kinds.h"
#include "normalise.h"
#include "observe.h"
#include "operation.h"
#include "poke.h"

#include <errno.h>
#include <stdlib.h>

#define DISCOVER_SOON_MS 150   /* CRDs come in heaps: one read for all of them */
#define DISCOVER_PARKED_MS 500 /* a kind is served a moment after its CRD is established */
#define DISCOVER_PARKED_MAX_MS 15000

struct follow {
        struct target *target;
        char *type; /* NULL: pods, as units */
        struct watch *watch;
        bool warned;       /* that it may not be listed was said */
        struct map listed; /* pods seen in this list: "ns/name" */
        int64_t began;     /* clock_mono */
};

static void begin_follows(struct target *t);

/* ---- discovery */

static void unpark(struct target *t) {
        struct map_entry *e;
        bool again = true;

        while (again) {
                again = false;
                for (size_t i = 0; (e = map_next(&t->parked, &i));)
                        if (discovery_find(t->discovery.table, e->key)) {
                                map_remove(&t->parked, e->key);
                                again = true;
                                break;
                        }
        }
}

static int64_t parked_pause(struct target *t) {
        int64_t ms = DISCOVER_PARKED_MS;

        for (int i = 0; i < t->discover_tries && ms < DISCOVER_PARKED_MAX_MS; i++)
                ms *= 2;
        t->discover_tries++;
        return MIN_OF(ms, DISCOVER_PARKED_MAX_MS);
}

static void discovered(void *arg, bool changed, int r, const struct err *err) {
        struct target *t = arg;

        if (r < 0) {
                timer_after(&t->discover_timer, target_back_off(&t->discover_tries));
                target_lost(t, err_text(err));
                return;
        }
        unpark(t);
        if (changed)
                t->discover_tries = 0;
        if (t->parked.count || t->discovery.table->stale_groups)
                timer_after(&t->discover_timer, parked_pause(t));
        target_reached(t);
        begin_follows(t);
        if (changed)
                t->observer.changed(t->observer.arg);
}

void target_begin_discovery(void *arg) {
        struct target *t = arg;

        t->discovery.http = t->http;
        t->discovery.server = t->server;
        t->discovery.done = discovered;
        t->discovery.arg = t;
        if (t->identity)
                discovery_start(&t->discovery, t->loop);
}

void target_discover_soon(struct target *t) {
        t->discover_tries = 0;
        timer_after(&t->discover_timer, DISCOVER_SOON_MS);
}

void target_park(struct target *t, const char *type) {
        if (map_find(&t->parked, type))
                return;
        map_set(&t->parked, type, t);
        target_discover_soon(t);
}

/* ---- watches */

static void tell_unlisted(const struct follow *f) {
        const struct observer *o = &f->target->observer;

        if (f->type && o->unlisted)
                o->unlisted(o->arg, f->type);
}

static void on_health(void *arg, const struct watch_health *h) {
        struct follow *f = arg;
        struct target *t = f->target;
        cleanup_(freep) char *text = NULL;

        if (h->good) {
                f->warned = false;
                if (h->anew || !t->identity_sure)
                        target_ask_who(t);
                target_reached(t);
                return;
        }
        if (h->credential)
                credential_refused(t->credential);
        if (h->connection) {
                target_lost(t, h->why);
                return;
        }
        if (h->status == 403 || h->status == 404 || h->status == 405)
                tell_unlisted(f);
        if (h->status == 404) /* its definition went away, or another version took over */
                target_park(t, f->type ? f->type : "Pod");
        if (f->warned || h->status == 429) /* busy, or a new kind's store is being made: it comes */
                return;
        f->warned = true;
        text = str_format("not watching %s: %s", f->type ? f->type : "pods", h->why);
        t->observer.warning(t->observer.arg, f->type ? f->type : "Pod", NULL, text);
}

static void on_object(void *arg, enum watch_event event, struct scan_slice object) {
        struct follow *f = arg;
        cleanup_(freep) char *path = observe_path(object);

        if (!path)
                return;
        /* Gone, or without our labels: only the object itself can say. */
        if (event == WATCH_DELETED)
                poke_soon(f->target, f->type, path, 0);
        else
                observe_tell(f->target, f->type, path, object);
}

static void on_listed(void *arg, bool begin) {
        struct follow *f = arg;
        struct target *t = f->target;

        if (!begin)
                target_reached(t);
        t->observer.listed(t->observer.arg, f->type, begin);
}

static void on_went_back(void *arg) {
        struct follow *f = arg;
        const struct observer *o = &f->target->observer;

        if (!f->type)
                return; /* pods are counted anew with each list */
        o->warning(o->arg, f->type, NULL,
                   "the versions of the API server went back: its etcd was restored to an older "
                   "state, or another one answers; all is read anew");
        if (o->went_back)
                o->went_back(o->arg, f->type);
}

struct watch *target_new_watch(struct target *t, const char *type, const char *selector,
                               const struct watch_config *how) {
        const struct discovery_kind *kind = discovery_find(t->discovery.table, type);
        const struct discovery_version *version = kind ? discovery_version(kind, NULL) : NULL;
        cleanup_(buf_free) struct buf path = BUF_INIT;
        struct watch_config c = *how;
        struct watch *w;

        if (!version || !version->listable)
                return NULL;
        discovery_path(kind, version, NULL, &path);
        c.loop = t->loop;
        c.http = t->http;
        c.server = t->server;
        c.path = buf_str(&path);
        c.selector = selector;
        c.silence_ms = t->silence_ms;
        w = watch_new(&c);
        watch_start(w);
        return w;
}

static void begin_objects(struct follow *f) {
        struct target *t = f->target;
        cleanup_(freep) char *selector = str_format(
                LABEL_MANAGED_BY "=" MANAGED_BY "," LABEL_CONTROLLER "=%s", t->controller);
        struct watch_config how = { .item = on_object,
                                    .listed = on_listed,
                                    .went_back = on_went_back,
                                    .health = on_health,
                                    .arg = f };

        f->watch = target_new_watch(t, f->type, selector, &how);
        if (f->watch)
                return;
        tell_unlisted(f);
        target_park(t, f->type);
}

/* ---- pods */

static void pod_free(void *p) {
        units_clear(p);
        free(p);
}

/* The workload that PATH's pod stands for: its ReplicaSet's Deployment, or its controller
 * itself. */
static char *workload_of(const struct units_pod *u, const char **ret_type) {
        const char *dash = u->owner ? strrchr(u->owner, '-') : NULL;

        *ret_type = NULL;
        if (!u->owner)
                return NULL;
        if (str_eq(u->owner_kind, "ReplicaSet") && dash) {
                *ret_type = "Deployment.apps";
                return str_ndup(u->owner, (size_t)(dash - u->owner));
        }
        if (str_eq(u->owner_kind, "StatefulSet"))
                *ret_type = "StatefulSet.apps";
        else if (str_eq(u->owner_kind, "DaemonSet"))
                *ret_type = "DaemonSet.apps";
        else if (str_eq(u->owner_kind, "Job"))
                *ret_type = "Job.batch";
        return *ret_type ? str_dup(u->owner) : NULL;
}

/* Its trouble is its controller's reason, which no event of the controller will bring. */
static void poke_workload(struct target *t, const char *path, const struct units_pod *u) {
        const char *type;
        cleanup_(freep) char *name = workload_of(u, &type);
        cleanup_(freep) char *full = NULL;
        size_t namespace_len;

        if (!name)
                return;
        identify_split(path, &namespace_len);
        full = str_format("%.*s/%s", (int)namespace_len, path, name);
        poke_soon(t, type, full, 0);
}

static void pod_seen(struct target *t, const char *path, struct scan_slice object) {
        cleanup_(json_freep) json_t *tree = normalise_found("Pod", object, NULL);
        struct units_pod *u = mem_new(struct units_pod);
        struct units_pod *before;
        bool worse, ready;

        units_read(tree, u);
        before = map_set(&t->unit_pods, path, u);
        worse = (u->bad || (before && before->bad)) &&
                !(before && str_eq(before->message, u->message));
        ready = u->ready && !(before && before->ready);
        if (before)
                pod_free(before);
        units_tell(u, &t->observer, false);
        if (worse)
                poke_workload(t, path, u);
        if (ready) /* what it serves may be waited for: a webhook, an API service */
                t->observer.changed(t->observer.arg);
}

static void pod_gone(struct target *t, const char *path) {
        struct units_pod *u = map_remove(&t->unit_pods, path);

        if (!u)
                return;
        units_tell(u, &t->observer, true);
        pod_free(u);
}

static void on_pod(void *arg, enum watch_event event, struct scan_slice object) {
        struct follow *f = arg;
        cleanup_(freep) char *path = observe_path(object);

        if (!path)
                return;
        if (event == WATCH_LISTED)
                map_set(&f->listed, path, f);
        if (event == WATCH_DELETED)
                pod_gone(f->target, path);
        else
                pod_seen(f->target, path, object);
}

/* Pods that went while nobody watched. */
static void forget_unlisted(struct follow *f) {
        struct target *t = f->target;
        struct map_entry *e;
        bool again = true;

        while (again) {
                again = false;
                for (size_t i = 0; (e = map_next(&t->unit_pods, &i));)
                        if (!map_find(&f->listed, e->key)) {
                                cleanup_(freep) char *path = str_dup(e->key);

                                pod_gone(t, path);
                                again = true;
                                break;
                        }
        }
        map_free(&f->listed);
}

static void on_pods_listed(void *arg, bool begin) {
        struct follow *f = arg;

        if (begin)
                map_free(&f->listed);
        else
                forget_unlisted(f);
        f->target->observer.listed(f->target->observer.arg, NULL, begin);
}

static void begin_pods(struct target *t) {
        cleanup_(freep) char *selector =
                str_format(LABEL_CONTROLLER "=%s," LABEL_APPLICATION, t->controller);
        struct watch_config how = { .item = on_pod,
                                    .listed = on_pods_listed,
                                    .went_back = on_went_back,
                                    .health = on_health,
                                    .arg = t->pods };

        t->pods->watch = target_new_watch(t, "Pod", selector, &how);
}

/* A pod whose controller is the workload; a Deployment's are its ReplicaSets'. */
static bool is_of(const struct units_pod *u, const char *type, const char *name) {
        const char *owner_type;
        cleanup_(freep) char *workload = workload_of(u, &owner_type);

        return workload && str_eq(owner_type, type) && str_eq(workload, name);
}

char *target_pod_reason(struct target *t, const char *type, const char *path) {
        size_t namespace_len, n;
        const char *name = identify_split(path, &namespace_len);
        const struct units_pod *worst = NULL;
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&t->unit_pods, &i));) {
                const struct units_pod *u = e->value;

                identify_split(e->key, &n);
                if (u->ready || n != namespace_len || strncmp(e->key, path, n) != 0 ||
                    !is_of(u, type, name))
                        continue;
                if (!worst || (u->bad && !worst->bad))
                        worst = u;
        }
        return worst && *worst->message ? str_format("pod %s: %s", worst->name, worst->message)
                                        : NULL;
}

void target_end_watches(struct target *t) {
        struct map_entry *e;

        for (size_t i = 0; i < ARRAY_SIZE(t->kinds); i++)
                t->kinds[i].watch = watch_free(t->kinds[i].watch);
        t->pods->watch = watch_free(t->pods->watch);
        for (size_t i = 0; (e = map_next(&t->follows, &i));) {
                struct follow *f = e->value;

                f->watch = watch_free(f->watch);
        }
}

struct woken {
        bool any, stands;
};

static void each_watch(struct target *t, void (*call)(struct watch *w, void *arg), void *arg) {
        struct map_entry *e;

        if (t->pods->watch)
                call(t->pods->watch, arg);
        for (size_t i = 0; i < ARRAY_SIZE(t->kinds); i++)
                if (t->kinds[i].watch)
                        call(t->kinds[i].watch, arg);
        for (size_t i = 0; (e = map_next(&t->follows, &i));) {
                struct follow *f = e->value;

                if (f->watch)
                        call(f->watch, arg);
        }
}

static void wake(struct watch *w, void *arg) {
        struct woken *to = arg;

        watch_again(w);
        to->any = true;
        to->stands |= watch_state(w) == WATCH_WATCHING;
}

bool target_wake_watches(struct target *t) {
        struct woken woken = { 0 };

        each_watch(t, wake, &woken);
        return woken.stands || !woken.any;
}

static void doubt(struct watch *w, void *arg) {
        watch_doubt(w);
}

void target_doubt_watches(struct target *t) {
        each_watch(t, doubt, NULL);
}

static void tell_follow(const struct follow *f, void (*tell)(void *arg, const struct watch_seen *w),
                        void *arg) {
        struct watch_seen seen = { .type = f->type ? f->type : "Pod",
                                   .news_at = f->began,
                                   .lost_at = f->began };

        if (f->watch)
                watch_times(f->watch, &seen.news_at, &seen.lost_at);
        tell(arg, &seen);
}

void target_watches(const struct target *t, void (*tell)(void *arg, const struct watch_seen *w),
                    void *arg) {
        struct map_entry *e;

        tell_follow(t->pods, tell, arg);
        for (size_t i = 0; (e = map_next(&t->follows, &i));)
                tell_follow(e->value, tell, arg);
}

static void begin_follows(struct target *t) {
        struct map_entry *e;

        http_expect(t->http, HTTP_WATCHES, t->follows.count + 3);
        target_begin_kinds(t);
        if (!t->pods->watch)
                begin_pods(t);
        for (size_t i = 0; (e = map_next(&t->follows, &i));) {
                struct follow *f = e->value;

                if (!f->watch)
                        begin_objects(f);
        }
}

static struct follow *follow_new(struct target *t, const char *type) {
        struct follow *f = mem_new(struct follow);

        f->target = t;
        f->type = str_dup(type);
        f->began = clock_mono();
        return f;
}

static void follow_free(void *p) {
        struct follow *f = p;

        watch_free(f->watch);
        map_free(&f->listed);
        free(f->type);
        free(f);
}

void target_follow(struct target *t, const char *type) {
        struct follow *f = map_find(&t->follows, type);

        if (!f) {
                f = follow_new(t, type);
                map_set(&t->follows, type, f);
        }
        if (!f->watch && t->discovery.table)
                begin_objects(f);
}

json_t *target_manner(const struct target *t) {
        const char *key, *plugins = credential_certificate(t->credential, &key);
        const char *tls = "verify-full";

        if (!str_starts(t->how.url, "https://"))
                tls = "plain";
        else if (t->how.insecure)
                tls = "encrypt";
        return json_pack("{s:s, s:s, s:b, s:s?, s:s?, s:I}", "server", t->how.url, "tls", tls,
                         "via", 0, "certificate", plugins ? plugins : t->certificate, "ca",
                         t->how.ca_pem, "token-ends",
                         (json_int_t)credential_token_ends(t->credential));
}

/* ---- life */

static void to_server(struct watch *w, void *arg) {
        watch_to(w, arg);
}

/* A plugin's certificate is part of the connection: from the next request on it is another one. */
static int use_certificate(struct target *t, struct err *err) {
        struct http_server_config how = t->how;
        struct http_server *server;
        int r;

        how.cert_pem = credential_certificate(t->credential, &how.key_pem);
        if (!how.cert_pem)
                return 0;
        r = http_server_new(&how, &server, err);
        if (r < 0)
                return r;
        each_watch(t, to_server, server);
        t->discovery.server = server;
        http_server_unref(t->server);
        t->server = server;
        return 0;
}

static void credential_changed(void *arg, int r, const struct err *err) {
        struct target *t = arg;
        struct err why = { 0 };

        if (r == 0 && use_certificate(t, &why) < 0) {
                target_lost(t, err_text(&why));
                return;
        }
        if (r < 0) {
                target_lost(t, err_text(err));
                return;
        }
        if (!t->identity_sure)
                target_ask_who(t);
}

/* Of LOGS ("CLUSTER=FILE") this cluster's. */
static struct audit_trail *open_trail(struct target *t, const json_t *logs) {
        size_t i, len = strlen(t->name);
        const json_t *log;

        json_array_foreach(logs, i, log) {
                const char *text = json_string_value(log);

                if (strncmp(text, t->name, len) == 0 && text[len] == '=')
                        return audit_trail_new(t->loop, t->name, text + len + 1);
        }
        return NULL;
}

int target_user(struct target *t, const struct user_question *q, char *text, size_t size) {
        const struct discovery_kind *kind;
        const struct discovery_version *version;

        if (!t->trail)
                return -ENOTSUP;
        kind = discovery_find(t->discovery.table, q->type);
        version = kind ? discovery_version(kind, NULL) : NULL;
        return version && audit_trail_user(t->trail,
                                           &(struct audit_trail_ask){ .group = kind->group,
                                                                      .plural = version->plural,
                                                                      .path = q->path,
                                                                      .since = q->since,
                                                                      .deleted = q->deleted,
                                                                      .manager = q->who },
                                           text, size);
}

static int open_server(struct target *t, const struct kubeconfig *k, const struct target_config *c,
                       struct err *err) {
        cleanup_(json_freep) json_t *options = c->options ? c->options() : NULL;
        struct credential_config login = {
                .loop = t->loop,
                .kubeconfig = k,
                .options = options,
                .changed = credential_changed,
                .arg = t,
        };
        struct http_server_config how;
        int r = credential_new(&login, &t->credential, err);

        if (r < 0)
                return r;
        t->trail = open_trail(t, json_get(options, "audit-logs"));
        t->silence_ms = json_get_int(options, "watch-silence-ms", 0);
        t->pulse_ms = json_get_int(options, "pulse-ms", 0);
        t->how = (struct http_server_config){
                .url = str_dup(k->server),
                .ca_pem = str_dup(k->ca),
                .tls_name = str_dup(k->tls_name),
                .proxy = str_dup(k->proxy),
                .insecure = k->insecure,
                .user_agent = "mooringd/" MOORING_VERSION,
                .authorize = credential_authorize,
                .arg = t->credential,
        };
        t->certificate = str_dup(k->cert);
        how = t->how;
        how.cert_pem = k->cert;
        how.key_pem = k->key;
        return http_server_new(&how, &t->server, err);
}

int target_open(const struct target_config *c, const struct observer *o, struct target **ret,
                struct err *err) {
        struct kubeconfig k;
        struct target *t;
        int r = kubeconfig_read(c->config, c->credential, &k, err);

        if (r == 0 && k.cert)
                r = kubeconfig_check_certificate(k.cert, clock_wall(), err);
        if (r < 0)
                return r;
        t = mem_new(struct target);
        t->id = c->id;
        t->name = str_dup(c->name);
        t->controller = str_dup(json_get_str(c->marks, "controller", ""));
        memcpy(t->hash_key, c->hash_key, DIGEST_SIZE);
        t->loop = c->loop;
        t->http = c->http;
        t->observer = *o;
        list_init(&t->operations);
        timer_init(&t->identity_timer, t->loop, "kube-identity", target_begin_identity, t);
        timer_init(&t->discover_timer, t->loop, "kube-discovery", target_begin_discovery, t);
        t->pods = follow_new(t, NULL);
        t->pokes = poke_queue_new(t);
        r = open_server(t, &k, c, err);
        if (r < 0) {
                target_close(t);
                return r;
        }
        timer_after(&t->identity_timer, 0);
        *ret = t;
        return 0;
}

struct target *target_close(struct target *t) {
        if (!t)
                return NULL;
        timer_cancel(&t->identity_timer);
        timer_cancel(&t->discover_timer);
        http_deinit(&t->identity_request);
        poke_queue_free(t->pokes);
        map_free_with(&t->follows, follow_free);
        for (size_t i = 0; i < ARRAY_SIZE(t->kinds); i++)
                watch_free(t->kinds[i].watch);
        follow_free(t->pods);
        map_free_with(&t->unit_pods, pod_free);
        map_free(&t->parked);
        map_free(&t->leaving);
        discovery_stop(&t->discovery);
        http_server_unref(t->server);
        credential_free(t->credential);
        audit_trail_free(t->trail);
        free(t->certificate);
        free((char *)t->how.url);
        free((char *)t->how.ca_pem);
        free((char *)t->how.tls_name);
        free((char *)t->how.proxy);
        explicit_bzero(t->hash_key, sizeof(t->hash_key));
        free(t->identity);
        free(t->why);
        free(t->controller);
        free(t->name);
        free(t);
        return NULL;
}
