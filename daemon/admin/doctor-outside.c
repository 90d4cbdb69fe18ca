/* SPDX-License-Identifier: Apache-2.0 */
/* doctor-outside.c - checks of clusters, databases and object stores; see doctor.h
 *
 * What only the cluster can say was asked for this very request. Whatever it did not answer is
 * told by could-not-look, so that silence never means well. */
#include "doctor.h"

#include "clock.h"

#include <stdlib.h>

#define SKEW_WARN_MS 5000    /* a Date header has whole seconds */
#define SKEW_ERROR_MS 300000 /* certificates and tokens are refused */
#define SLOW_MS 1000         /* one small question */
#define LOST_WARN_MS 15000   /* a server that restarts is back sooner */
#define LOST_ERROR_MS 120000
#define SILENT_WARN_MS 150000 /* a sign of life comes each minute */

#define EACH_TARGET(d, i, t) json_array_foreach(doctor_targets(d), i, t)

char *doctor_target_subject(const json_t *target) {
        return str_format("%s%s", json_get_bool(target, "operators", true) ? "cluster " : "",
                          json_get_str(target, "name", ""));
}

/* What a person types for a TARGET. */
static char *next_of(const json_t *target, const char *command) {
        if (str_eq(command, "update-cluster"))
                return str_format("mooringctl update-cluster %s --kubeconfig FILE",
                                  json_get_str(target, "name", ""));
        return str_format("mooringctl %s", command);
}

/* A target that a plan made is MODEL/APPLICATION/LABEL. */
static char *why_of(const json_t *target) {
        const char *name = json_get_str(target, "name", "");
        size_t model = strcspn(name, "/");
        const char *application = name[model] ? name + model + 1 : "";

        if (json_get_bool(target, "operators", true) || !application[0])
                return next_of(target, "clusters");
        return str_format("mooringctl why %.*s --model %.*s", (int)strcspn(application, "/"),
                          application, (int)model, name);
}

char *doctor_target_renew(const json_t *target) {
        return json_get_bool(target, "operators", true) ? next_of(target, "update-cluster")
                                                        : why_of(target);
}

void doctor_unreachable(struct doctor *d) {
        const json_t *t;
        size_t i;

        EACH_TARGET(d, i, t) {
                bool open = json_get_bool(t, "open", false);
                const char *why = json_get_str(t, "why", "");
                cleanup_(freep) char *subject = doctor_target_subject(t);
                cleanup_(freep) char *next = why_of(t);

                if (json_get_bool(t, "readable", false) ||
                    (open && !json_get_bool(t, "known", false)))
                        continue;
                doctor_find(d, DOCTOR_ERROR,
                            DOCTOR_SUBJECT(subject, json_get_int(t, "since", 0), next), "%s: %s",
                            open ? "it cannot be read" : "it is not open",
                            why[0] ? why : "no reason is known yet");
        }
}

/* ---- what the cluster answered */

void doctor_clock_skew(struct doctor *d) {
        const json_t *t;
        size_t i;
        char span[CLOCK_TEXT_MAX];

        EACH_TARGET(d, i, t) {
                const json_t *asked = doctor_asked(d, t);
                int64_t date = json_get_int(asked, "date", 0);
                int64_t off = json_get_int(asked, "at", 0) - date;
                cleanup_(freep) char *subject = doctor_target_subject(t);

                if (date && llabs(off) >= SKEW_WARN_MS)
                        doctor_find(d, llabs(off) >= SKEW_ERROR_MS ? DOCTOR_ERROR : DOCTOR_WARNING,
                                    DOCTOR_SUBJECT(subject, 0, "timedatectl"),
                                    "our clock is %s %s of its API server's",
                                    clock_span(llabs(off), span), off > 0 ? "ahead" : "behind");
        }
}

void doctor_latency(struct doctor *d) {
        const json_t *t;
        size_t i;

        EACH_TARGET(d, i, t) {
                int64_t took = json_get_int(doctor_asked(d, t), "took-ms", -1);
                cleanup_(freep) char *subject = doctor_target_subject(t);

                if (took >= SLOW_MS)
                        doctor_find(d, DOCTOR_WARNING,
                                    DOCTOR_SUBJECT(subject, 0, "kubectl get --raw /readyz?verbose"),
                                    "it took %lld ms to say its version", (long long)took);
                else if (took >= 0)
                        doctor_find(d, DOCTOR_OK, DOCTOR_SUBJECT(subject),
                                    "it answered within %lld ms", (long long)took);
        }
}

void doctor_version(struct doctor *d) {
        const json_t *t;
        size_t i;

        EACH_TARGET(d, i, t) {
                const json_t *asked = doctor_asked(d, t);
                const char *version = json_get_str(asked, "version", NULL);
                bool tested = json_get_bool(asked, "tested", false);
                cleanup_(freep) char *subject = doctor_target_subject(t);

                if (version)
                        doctor_find(d, tested ? DOCTOR_OK : DOCTOR_WARNING,
                                    DOCTOR_SUBJECT(subject, 0, tested ? NULL : "mooringctl plan"),
                                    "it runs Kubernetes %s%s%s", version,
                                    tested ? "" : "; this program is tested with ",
                                    tested ? "" : json_get_str(asked, "tested-with", ""));
        }
}

/* ---- rights */

static bool holds(const json_t *list, const char *text) {
        const json_t *item;
        size_t i;

        json_array_foreach(list, i, item) {
                const char *s = json_string_value(item);

                if (str_eq(s, text) || str_eq(s, "*"))
                        return true;
        }
        return false;
}

/* "pods/portforward" is also allowed by the resource "*" followed by its subresource. */
static bool holds_resource(const json_t *list, const char *resource) {
        const char *sub = strchr(resource, '/');
        cleanup_(freep) char *any = sub ? str_format("*%s", sub) : NULL;

        return holds(list, resource) || (any && holds(list, any));
}

static bool is_allowed(const json_t *rules, const char *group, const char *resource,
                       const char *verb) {
        const json_t *rule;
        size_t i;

        json_array_foreach(rules, i, rule)
                if (json_array_size(json_get(rule, "resourceNames")) == 0 &&
                    holds(json_get(rule, "verbs"), verb) &&
                    holds(json_get(rule, "apiGroups"), group) &&
                    holds_resource(json_get(rule, "resources"), resource))
                        return true;
        return false;
}

struct missing {
        struct buf verbs;
        const char *scope; /* the first in which one is missing */
        size_t scopes;
};

/* Those verbs of NEED that REVIEW does not allow, each once over all namespaces. */
static bool add_missing(struct missing *m, const json_t *need, const json_t *review) {
        const json_t *verb;
        size_t i, before = m->verbs.len;
        bool any = false;

        json_array_foreach(json_get(need, "verbs"), i, verb) {
                const char *name = json_string_value(verb);

                if (is_allowed(json_get(review, "rules"), json_get_str(need, "group", ""),
                               json_get_str(need, "resource", ""), name))
                        continue;
                any = true;
                if (!m->scopes)
                        buf_printf(&m->verbs, "%s%s", m->verbs.len > before ? ", " : "", name);
        }
        return any;
}

static void judge_need(struct doctor *d, const char *subject, const json_t *need, json_t *rights) {
        struct missing m = { .verbs = BUF_INIT };
        const char *scope, *group = json_get_str(need, "group", "");
        const char *why = json_string_value(json_array_get(json_get(need, "why"), 0));
        json_t *review;
        /* Without it only doctor sees less. */
        bool small = str_eq(json_get_str(need, "resource", ""), "persistentvolumes");

        json_object_foreach(rights, scope, review) {
                if (!json_get(review, "rules") || json_get_bool(review, "incomplete", false) ||
                    !add_missing(&m, need, review))
                        continue;
                if (!m.scopes++)
                        m.scope = scope;
        }
        if (m.scopes)
                doctor_find(
                        d, small ? DOCTOR_WARNING : DOCTOR_ERROR,
                        DOCTOR_SUBJECT(subject, 0, "mooringctl cluster-role | kubectl apply -f -"),
                        "in namespace %s%s: may not %s %s%s%s: %s", m.scope,
                        m.scopes > 1 ? " and others" : "", buf_str(&m.verbs),
                        json_get_str(need, "resource", ""), group[0] ? "." : "", group,
                        why ? why : "");
        buf_free(&m.verbs);
}

void doctor_permission_missing(struct doctor *d) {
        const json_t *t, *need;
        size_t i, k;

        EACH_TARGET(d, i, t) {
                json_t *rights = json_get(doctor_asked(d, t), "rights");
                cleanup_(freep) char *subject = doctor_target_subject(t);

                json_array_foreach(json_get(d->facts, "needed"), k, need)
                        judge_need(d, subject, need, rights);
        }
}

/* ---- watches */

static void judge_watch(struct doctor *d, const char *subject, const json_t *w) {
        int64_t lost = json_get_int(w, "lost-ms", 0), silent = json_get_int(w, "silent-ms", 0);
        const char *type = json_get_str(w, "type", "");
        char span[CLOCK_TEXT_MAX];

        if (lost >= LOST_WARN_MS)
                doctor_find(d, lost >= LOST_ERROR_MS ? DOCTOR_ERROR : DOCTOR_WARNING,
                            DOCTOR_SUBJECT(subject, d->now - lost,
                                           "mooringctl debug-log --level warning"),
                            "%s has not been watched for %s: changes are found by the daily look "
                            "only",
                            type, clock_span(lost, span));
        else if (!lost && silent >= SILENT_WARN_MS)
                doctor_find(d, DOCTOR_WARNING,
                            DOCTOR_SUBJECT(subject, d->now - silent, "mooringctl clusters"),
                            "the watch of %s has been silent for %s", type,
                            clock_span(silent, span));
}

void doctor_watch_lost(struct doctor *d) {
        const json_t *t, *w;
        size_t i, k;

        EACH_TARGET(d, i, t) {
                cleanup_(freep) char *subject = doctor_target_subject(t);

                /* Nothing is watched of what cannot be read: that is told already. */
                if (json_get_bool(t, "readable", false))
                        json_array_foreach(json_get(t, "watches"), k, w)
                                judge_watch(d, subject, w);
        }
}

/* ---- how they are spoken to */

const struct doctor_end doctor_target_ends[] = { { "certificate-ends", "our client certificate" },
                                                 { "ca-ends", "the authority that we know it by" },
                                                 { "token-ends", "our token" },
                                                 {} };

void doctor_certificate(struct doctor *d) {
        const json_t *t;
        size_t i;

        EACH_TARGET(d, i, t) {
                cleanup_(freep) char *subject = doctor_target_subject(t);
                cleanup_(freep) char *next = doctor_target_renew(t);

                for (const struct doctor_end *end = doctor_target_ends; end->member; end++)
                        doctor_ends(d, DOCTOR_SUBJECT(subject, 0, next), end->what,
                                    json_get_int(json_get(t, "manner"), end->member, 0));
        }
}

static bool is_loopback(const char *server) {
        const char *host = strstr(server, "://");

        host = host ? host + 3 : server;
        return str_starts(host, "127.") || str_starts(host, "[::1]") ||
               str_starts(host, "localhost:") || str_eq(host, "localhost");
}

void doctor_tls_mode(struct doctor *d) {
        const json_t *t;
        size_t i;

        EACH_TARGET(d, i, t) {
                const json_t *manner = json_get(t, "manner");
                const char *mode = json_get_str(manner, "tls", NULL);
                const char *server = json_get_str(manner, "server", "");
                bool inside = json_get_bool(manner, "via", false);
                bool good = inside || str_eq(mode, "verify-full") || is_loopback(server);
                cleanup_(freep) char *subject = doctor_target_subject(t);
                cleanup_(freep) char *next = doctor_target_renew(t);

                if (!mode)
                        continue;
                doctor_find(d,
                            good                        ? DOCTOR_OK
                            : str_eq(mode, "verify-ca") ? DOCTOR_WARNING
                                                        : DOCTOR_ERROR,
                            DOCTOR_SUBJECT(subject, 0, good ? NULL : next), "%s to %s%s", mode,
                            server,
                            inside ? ", inside the API server's pipe"
                            : good ? ""
                                   : ": whoever is on the way can read or be the server");
        }
}

/* ---- volumes */

/* A model of ours, in a namespace that nobody else has. */
static bool is_model(const struct doctor *d, const char *target, const char *scope) {
        const json_t *m;
        size_t i;

        json_array_foreach(json_dig(d->facts, "loop", "models", NULL), i, m)
                if (str_eq(json_get_str(m, "name", ""), scope) &&
                    str_eq(json_get_str(m, "target", ""), target))
                        return !json_is_true(json_get(m, "foreign")) &&
                               !json_is_true(json_get(m, "blocked"));
        return false;
}

char *doctor_keep_volume(const char *volume) {
        return str_format("kubectl patch pv %s -p "
                          "'{\"spec\":{\"persistentVolumeReclaimPolicy\":\"Retain\"}}'",
                          volume);
}

static void judge_volume(struct doctor *d, const char *target, const json_t *v) {
        const char *volume = json_get_str(v, "volume", ""), *scope = json_get_str(v, "scope", "");
        const char *claim = json_get_str(v, "claim", "");
        cleanup_(freep) char *subject = str_format("%s/%s", scope, claim);
        cleanup_(freep) char *next = doctor_keep_volume(volume);

        if (str_eq(json_get_str(v, "policy", ""), "Delete") && is_model(d, target, scope) &&
            str_eq(json_get_str(v, "phase", "Bound"), "Bound"))
                doctor_find(d, DOCTOR_WARNING, DOCTOR_SUBJECT(subject, 0, next),
                            "its volume %s in cluster %s has reclaimPolicy Delete: who deletes the "
                            "claim deletes the data",
                            volume, target);
}

void doctor_volume_reclaim(struct doctor *d) {
        const json_t *t, *v;
        size_t i, k;

        EACH_TARGET(d, i, t)
        json_array_foreach(json_get(doctor_asked(d, t), "volumes"), k, v)
                judge_volume(d, json_get_str(t, "name", ""), v);
}

/* ---- what could not be seen */

static void blind(struct doctor *d, const char *subject, const char *next, const char *what,
                  const char *why) {
        if (why)
                doctor_find(d, DOCTOR_WARNING, DOCTOR_SUBJECT(subject, 0, next),
                            "could not look: %s: %s", what, why);
}

static void blind_rights(struct doctor *d, const char *subject, json_t *rights) {
        const char *scope;
        json_t *review;

        json_object_foreach(rights, scope, review) {
                cleanup_(freep) char *what = str_format("rights in namespace %s", scope);
                cleanup_(freep) char *next = str_format("kubectl auth can-i --list -n %s", scope);

                blind(d, subject, next, what, json_get_str(review, "failed", NULL));
                if (json_get_bool(review, "incomplete", false))
                        blind(d, subject, next, what,
                              "the server's list is not complete, as with a webhook that decides");
        }
}

/* A server that could not answer is not helped by more rights. */
static const char *remedy_of(const char *failed) {
        return failed && (strstr(failed, "403") || strcasestr(failed, "forbidden"))
                       ? "mooringctl cluster-role | kubectl apply -f -"
                       : "mooringctl clusters";
}

static void blind_target(struct doctor *d, const json_t *t) {
        const json_t *asked = doctor_asked(d, t);
        const char *volumes = json_get_str(asked, "volumes-failed", NULL);
        cleanup_(freep) char *subject = doctor_target_subject(t);

        if (!json_get_bool(t, "examined", false))
                return;
        if (!asked)
                return blind(d, subject, "mooringctl clusters",
                             "clock, version, rights and volumes",
                             json_get_bool(t, "readable", false) ? "it was not asked"
                             : json_get_bool(t, "known", false)  ? "it cannot be read"
                                                                 : "it has not answered yet");
        blind(d, subject, "mooringctl clusters", "clock, version, rights and volumes",
              json_get_str(asked, "failed", NULL));
        blind(d, subject, "kubectl version", "version",
              json_get_str(asked, "version-failed", NULL));
        blind(d, subject, remedy_of(volumes), "whether volumes go with their claims", volumes);
        blind(d, subject, "kubectl auth can-i --list -n NAMESPACE", "rights",
              json_get_str(asked, "rights-failed", NULL));
        blind_rights(d, subject, json_get(asked, "rights"));
}

void doctor_could_not_look(struct doctor *d) {
        static const char *const parts[][3] = {
                { "rows-failed", "models, applications and leftovers", "mooringctl status" },
                { "needed-failed", "which rights are needed", "mooringctl cluster-role" },
                { "disk-failed", "free space", "df -h" },
                { "offers-failed", "charms on offer", "mooringctl charms" },
        };
        int64_t unknown = json_get_int(d->facts, "needed-unknown", 0);
        const json_t *t;
        size_t i;

        for (i = 0; i < ARRAY_SIZE(parts); i++)
                blind(d, "", parts[i][2], parts[i][1], json_get_str(d->facts, parts[i][0], NULL));
        if (unknown)
                doctor_find(d, DOCTOR_WARNING, DOCTOR_SUBJECT("", 0, "mooringctl plan"),
                            "could not look: which rights %lld objects need that are being "
                            "planned again",
                            (long long)unknown);
        EACH_TARGET(d, i, t)
        blind_target(d, t);
}
