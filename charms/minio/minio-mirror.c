/* SPDX-License-Identifier: Apache-2.0 */
/* minio-mirror.c - the action mirror-buckets: objects copied to the store of s3-parameters, or to
 * the one that its parameters name
 *
 *   BUCKET/PATH/NAME-OF-OURS/KEY   at the other store
 *
 * A page of a bucket after the other, each one ask that passes over what is there. So whoever is
 * killed, or runs it again tomorrow, copies what is new. */
#include "minio.h"

#include "charm.gen.h"

#include "s3-endpoint.h"

#include <stdlib.h>

#define TARGET "mirror"         /* the store of s3-parameters */
#define ASKED "mirror-asked"    /* the one that the action's parameters name */
#define PAGE 20000              /* objects of one ask: an operation may ask for a thousand things */
#define PAGE_SECONDS (6 * 3600) /* with all tries; one object may have 100 GB */
#define BUCKETS_MAX 1000        /* list-buckets' */

/* ---- the other store */

/* The action's parameters are options meanwhile, so that a plan declares the target. */
static struct s3_store asked(const struct charm_view *v) {
        return (struct s3_store){ .endpoint = charm_option(v, OPTION_MIRROR_ENDPOINT),
                                  .region = charm_option(v, OPTION_MIRROR_REGION),
                                  .bucket = charm_option(v, OPTION_MIRROR_BUCKET),
                                  .path = charm_option(v, OPTION_MIRROR_PATH),
                                  .access_key = charm_option(v, OPTION_MIRROR_ACCESS_KEY),
                                  .secret_key = charm_option(v, OPTION_MIRROR_SECRET_KEY),
                                  .ca = charm_option(v, OPTION_MIRROR_CA) };
}

void minio_mirror_plan(const struct charm_view *v, struct charm_plan *p) {
        struct s3_store s = asked(v);

        s3_endpoint_plan(
                v, p, ENDPOINT_S3_PARAMETERS,
                &(struct s3_endpoint_use){ TARGET, "mirror-target.yaml", "mirror", "objects" });
        if (s3_endpoint_whole(&s))
                s3_endpoint_want(p, OPTION_MIRROR_ENDPOINT, &s,
                                 &(struct s3_endpoint_use){ ASKED, "mirror-target.yaml", "mirror",
                                                            "objects" });
}

static bool is_asked(const struct charm_world *w) {
        return charm_param(w, "endpoint") != NULL;
}

/* False: it has told nothing (yet). */
static bool other(const struct charm_world *w, struct charm_ask *a, struct s3_store *ret) {
        const struct charm_view *v = charm_world_view(w);

        *ret = is_asked(w) ? asked(v)
                           : s3_endpoint_store(charm_paper(a),
                                               charm_relation(v, ENDPOINT_S3_PARAMETERS, 0));
        return s3_endpoint_whole(ret);
}

/* A Service's first pod: our own? Then it would copy its copies. */
static bool is_own(const struct charm_view *v, struct charm_plan *p, const struct s3_endpoint *e) {
        return e->via &&
               !strcmp(e->via, charm_text(p, "%s/%s-0", charm_model(v), charm_application(v)));
}

/* ---- want, and away: for as long as the action runs */

/* What is wrong with the parameters; NULL: nothing. */
static const char *wrong(const struct charm_world *w, struct charm_ask *a) {
        struct s3_store s = { .endpoint = charm_param(w, "endpoint") };
        struct s3_endpoint e;

        if (!s.endpoint || !charm_param(w, "bucket") || !charm_param(w, "secret"))
                return "endpoint, bucket and secret name another store together; without any of "
                       "them, and of path, region and ca, it is that of s3-parameters";
        s3_endpoint_read(charm_paper(a), &s, &e);
        return e.tls || e.via ? NULL
                              : "endpoint: objects and keys would go in the open: https://, or a "
                                "Service of the cluster (NAME.NAMESPACE.svc.cluster.local)";
}

static const char *key_of(const struct charm_world *w, struct charm_ask *a, const char *key) {
        return charm_text(charm_paper(a), "%s#%s", charm_param(w, "secret"), key);
}

static void want(const struct charm_world *w, struct charm_ask *a) {
        static const char *const names[] = {
                "endpoint", "bucket", "secret", "path", "region", "ca"
        };
        bool any = false;

        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
                any = any || charm_param(w, names[i]);
        if (!any || charm_state(w, "wanted"))
                return charm_next(a);
        if (wrong(w, a))
                return charm_give_up(a, "%s", wrong(w, a));
        if (charm_outcome(w)) {
                charm_set(a, "wanted", "1");
                return charm_ask_settled(a);
        }
        charm_ask_options(a, CHARM_VALUES({ OPTION_MIRROR_ENDPOINT, charm_param(w, "endpoint") },
                                          { OPTION_MIRROR_BUCKET, charm_param(w, "bucket") },
                                          { OPTION_MIRROR_ACCESS_KEY, key_of(w, a, "access-key") },
                                          { OPTION_MIRROR_SECRET_KEY, key_of(w, a, "secret-key") },
                                          { OPTION_MIRROR_PATH, charm_param(w, "path") },
                                          { OPTION_MIRROR_REGION, charm_param(w, "region") },
                                          { OPTION_MIRROR_CA, charm_param(w, "ca") }));
}

static void away(const struct charm_world *w, struct charm_ask *a) {
        if (!is_asked(w) || charm_outcome(w))
                return charm_next(a);
        charm_ask_options(
                a, CHARM_VALUES({ OPTION_MIRROR_ENDPOINT, NULL }, { OPTION_MIRROR_BUCKET, NULL },
                                { OPTION_MIRROR_ACCESS_KEY, NULL },
                                { OPTION_MIRROR_SECRET_KEY, NULL }, { OPTION_MIRROR_PATH, NULL },
                                { OPTION_MIRROR_REGION, NULL }, { OPTION_MIRROR_CA, NULL }));
}

/* ---- choose: of which buckets */

static void add_bucket(const struct charm_world *w, struct charm_ask *a, const struct s3_store *s,
                       const char *bucket, const char **list) {
        struct charm_plan *p = charm_paper(a);
        struct s3_endpoint e;

        s3_endpoint_read(p, s, &e);
        if (is_own(charm_world_view(w), p, &e) && !strcmp(bucket, s->bucket))
                return charm_log(a, "%.64s is left out: the copies are in it", bucket);
        if (!charm_list_has(*list, bucket))
                *list = charm_text(p, "%s%s%s", *list, **list ? "," : "", bucket);
}

static void give_up_untold(const struct charm_world *w, struct charm_ask *a) {
        bool related = charm_relations(charm_world_view(w), ENDPOINT_S3_PARAMETERS) > 0;

        if (is_asked(w))
                return charm_give_up(a,
                                     "the options mirror-… were changed meanwhile: run it again");
        charm_give_up(a,
                      "s3-parameters: %s: mooringctl deploy s3-integrator, and integrate it with "
                      "s3-parameters; or name another store: endpoint, bucket and secret",
                      related ? "no bucket and keys were told yet" : "not related");
}

static void choose(const struct charm_world *w, struct charm_ask *a) {
        const char *given = charm_param(w, "buckets"), *list = "", *bucket;
        struct charm_plan *p = charm_paper(a);
        struct s3_store s;

        if (!other(w, a, &s))
                return give_up_untold(w, a);
        if (!given && !charm_outcome(w))
                return charm_ask_verb(a, MINIO_SERVER, "list-buckets", "{}");
        for (; given && *given; given = charm_list_rest(given))
                add_bucket(w, a, &s, charm_list_first(p, given), &list);
        for (size_t i = 0; charm_outcome(w) && i < BUCKETS_MAX; i++) {
                bucket = charm_answer(w, charm_text(p, "/buckets/%zu", i));
                if (!bucket)
                        break;
                add_bucket(w, a, &s, bucket, &list);
        }
        charm_set(a, "buckets", list);
        charm_next(a);
}

/* ---- counts */

static const char *const counts[] = { "looked", "same", "copied", "bytes", "missed" };

static int64_t number(const char *text) {
        return text ? strtoll(text, NULL, 10) : 0;
}

static int64_t count_of(const struct charm_world *w, struct charm_ask *a, const char *name) {
        int64_t answered =
                charm_outcome(w) ? number(charm_answer(w, charm_text(charm_paper(a), "/%s", name)))
                                 : 0;

        return number(charm_state(w, name)) + answered;
}

static void count(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *missed = charm_answer(w, "/first-missed");

        for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
                charm_set(a, counts[i],
                          charm_text(p, "%lld", (long long)count_of(w, a, counts[i])));
        if (missed && !charm_state(w, "first-missed"))
                charm_set(a, "first-missed", missed);
}

/* ---- pages */

static void ask_page(const struct charm_world *w, struct charm_ask *a, const char *bucket,
                     const char *after) {
        struct charm_plan *p = charm_paper(a);
        struct s3_store s;

        if (!other(w, a, &s))
                return charm_give_up(a, "%s went away meanwhile; what was copied stays",
                                     is_asked(w) ? "the store" : "s3-parameters");
        charm_ask_verb(a, MINIO_SERVER, "mirror",
                       charm_text(p,
                                  "{\"bucket\":%s%s%s,\"limit\":%d,\"to\":{\"target\":\"%s\","
                                  "\"bucket\":%s,\"prefix\":%s}}",
                                  charm_quote(p, bucket), after ? ",\"after\":" : "",
                                  after ? charm_quote(p, after) : "", PAGE,
                                  is_asked(w) ? ASKED : TARGET, charm_quote(p, s.bucket),
                                  charm_quote(p, charm_text(p, "%s%s/", s3_endpoint_prefix(p, &s),
                                                            bucket))));
}

static void page(const struct charm_world *w, struct charm_ask *a) {
        const char *left = charm_state(w, "buckets"), *after = charm_state(w, "after");
        const char *bucket = charm_list_first(charm_paper(a), left);

        if (charm_outcome(w)) {
                count(w, a);
                after = charm_answer(w, "/after");
                charm_log(a, "%s: %lld copied, %lld there before%s", bucket,
                          (long long)number(charm_answer(w, "/copied")),
                          (long long)number(charm_answer(w, "/same")), after ? ", more" : "");
                left = after ? left : charm_list_rest(left);
                bucket = charm_list_first(charm_paper(a), left);
        }
        charm_set(a, "after", after);
        charm_set(a, "buckets", left);
        if (!*left)
                return charm_next(a);
        ask_page(w, a, bucket, after);
}

static void tell(const struct charm_world *w, struct charm_ask *a) {
        for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
                charm_result(a, counts[i],
                             charm_text(charm_paper(a), "%lld",
                                        (long long)number(charm_state(w, counts[i]))));
        if (number(charm_state(w, "missed")))
                return charm_give_up(a, "%s objects were not copied: %.300s; the others were",
                                     charm_state(w, "missed"), charm_state(w, "first-missed"));
        charm_done(a);
}

const struct charm_step minio_mirror_steps[] = {
        { "want", want, 0, 0 },
        { "choose", choose, 0, 0 },
        { "page", page, PAGE_SECONDS, 0 },
        { "tell", tell, 0, 0 },
        { "away", away, 0, CHARM_CLEANUP },
        {},
};
