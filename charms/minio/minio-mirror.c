/* SPDX-License-Identifier: Apache-2.0 */
/* minio-mirror.c - the action mirror-buckets: objects copied to the store of s3-parameters
 *
 *   BUCKET/PATH/NAME-OF-OURS/KEY   at the other store
 *
 * A page of a bucket after the other, each one ask that passes over what is there. So whoever is
 * killed, or runs it again tomorrow, copies what is new. */
#include "minio.h"

#include "charm.gen.h"

#include "s3-endpoint.h"

#include <stdlib.h>

#define TARGET "mirror"
#define PAGE 20000              /* objects of one ask: an operation may ask for a thousand things */
#define PAGE_SECONDS (6 * 3600) /* with all tries; one object may have 100 GB */
#define BUCKETS_MAX 1000        /* list-buckets' */

static const struct charm_relation *other(const struct charm_view *v) {
        return charm_relation(v, ENDPOINT_S3_PARAMETERS, 0);
}

/* A Service's first pod: our own? Then it would copy its copies. */
static bool is_own(const struct charm_view *v, struct charm_plan *p, const struct s3_endpoint *e) {
        return e->via &&
               !strcmp(e->via, charm_text(p, "%s/%s-0", charm_model(v), charm_application(v)));
}

void minio_mirror_plan(const struct charm_view *v, struct charm_plan *p) {
        s3_endpoint_plan(
                v, p, ENDPOINT_S3_PARAMETERS,
                &(struct s3_endpoint_use){ TARGET, "mirror-target.yaml", "mirror", "objects" });
}

/* ---- mirror-buckets */

static void add_bucket(const struct charm_world *w, struct charm_ask *a, const char *bucket,
                       const char **list) {
        const struct charm_view *v = charm_world_view(w);
        struct charm_plan *p = charm_paper(a);
        struct s3_endpoint e;

        s3_endpoint_read(p, other(v), &e);
        if (is_own(v, p, &e) && !strcmp(bucket, charm_told(other(v), "bucket")))
                return charm_log(a, "%.64s is left out: the copies are in it", bucket);
        if (!charm_list_has(*list, bucket))
                *list = charm_text(p, "%s%s%s", *list, **list ? "," : "", bucket);
}

static void choose(const struct charm_world *w, struct charm_ask *a) {
        const char *given = charm_param(w, "buckets"), *list = "", *bucket;
        const struct charm_relation *r = other(charm_world_view(w));
        struct charm_plan *p = charm_paper(a);

        if (!r || !s3_endpoint_told(r))
                return charm_give_up(a,
                                     "s3-parameters: %s: mooringctl deploy s3-integrator, and "
                                     "integrate it with s3-parameters",
                                     r ? "no bucket and keys were told yet" : "not related");
        if (!given && !charm_outcome(w))
                return charm_ask_verb(a, MINIO_SERVER, "list-buckets", "{}");
        for (; given && *given; given = charm_list_rest(given))
                add_bucket(w, a, charm_list_first(p, given), &list);
        for (size_t i = 0; charm_outcome(w) && i < BUCKETS_MAX; i++) {
                bucket = charm_answer(w, charm_text(p, "/buckets/%zu", i));
                if (!bucket)
                        break;
                add_bucket(w, a, bucket, &list);
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
        const struct charm_relation *r = other(charm_world_view(w));
        struct charm_plan *p = charm_paper(a);

        if (!r || !s3_endpoint_told(r))
                return charm_give_up(a, "s3-parameters went away meanwhile; what was copied stays");
        charm_ask_verb(a, MINIO_SERVER, "mirror",
                       charm_text(p,
                                  "{\"bucket\":%s%s%s,\"limit\":%d,\"to\":{\"target\":\"" TARGET
                                  "\",\"bucket\":%s,\"prefix\":%s}}",
                                  charm_quote(p, bucket), after ? ",\"after\":" : "",
                                  after ? charm_quote(p, after) : "", PAGE,
                                  charm_quote(p, charm_told(r, "bucket")),
                                  charm_quote(p, charm_text(p, "%s%s/", s3_endpoint_prefix(p, r),
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
        { "choose", choose, 0, 0 }, { "page", page, PAGE_SECONDS, 0 }, { "tell", tell, 0, 0 }, {}
};
