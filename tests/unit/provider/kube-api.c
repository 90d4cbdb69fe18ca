/* SPDX-License-Identifier: Apache-2.0 */
/* kube-api.c - see kube-api.h */
#include "kube-api.h"

#include "clock.h"

#include <stdlib.h>

json_t *kube_api_json(const char *text) {
        json_t *j = NULL;

        assert_int_equal(json_parse(text, strlen(text), &j, NULL), 0);
        return j;
}

/* ---- the server */

static void serve_identity(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL, "{\"metadata\":{\"uid\":\"cluster\"}}");
}

static void serve_core(struct server_call *c, void *arg) {
        const struct kube_api *k = arg;

        server_reply(c, 200, NULL, k->core);
}

static void serve_groups(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL, "{\"kind\":\"APIGroupDiscoveryList\",\"items\":[]}");
}

void kube_api_init(struct kube_api *k, const char *kind) {
        *k = (struct kube_api){ 0 };
        k->core = str_format("{\"kind\":\"APIGroupDiscoveryList\",\"items\":[{\"metadata\":{},"
                             "\"versions\":[{\"version\":\"v1\",\"resources\":[%s]}]}]}",
                             kind);
        assert_int_equal(loop_new(&k->loop, NULL), 0);
        assert_int_equal(http_new(k->loop, &k->http, NULL), 0);
        k->server = server_new(NULL);
        server_route(k->server, "GET", "/api", serve_core, k);
        server_route(k->server, "GET", "/apis", serve_groups, NULL);
}

/* ---- the target */

static const struct interest *no_interest(void *arg, const char *type, const char *path) {
        return NULL;
}

static void on_observed(void *arg, const char *type, const char *path, struct observation *o) {
}

static void on_unit(void *arg, const struct unit_seen *u) {
}

static void on_listed(void *arg, const char *type, bool begin) {
}

static void on_reach(void *arg, bool reachable, const char *identity, const char *why) {
        struct kube_api *k = arg;

        k->reachable = reachable;
        if (reachable)
                assert_string_equal(identity, "cluster");
}

static void on_warning(void *arg, const char *type, const char *path, const char *text) {
}

static void on_changed(void *arg) {
}

void kube_api_open(struct kube_api *k, const struct observer *tells, json_t *(*options)(void)) {
        static const uint8_t key[DIGEST_SIZE];
        static struct observer o; /* borrowed by the target; one at a time */
        cleanup_(freep) char *text = str_format("{\"server\":\"%s\"}", server_url(k->server));
        cleanup_(json_freep) json_t *config = kube_api_json(text);
        cleanup_(json_freep) json_t *marks = kube_api_json("{\"controller\":\"c\"}");
        struct target_config c = { .id = 1,
                                   .name = "t",
                                   .marks = marks,
                                   .hash_key = key,
                                   .config = config,
                                   .http = k->http,
                                   .loop = k->loop,
                                   .options = options };

        o = (struct observer){ .arg = k,
                               .interest = no_interest,
                               .observed = on_observed,
                               .unit = on_unit,
                               .listed = on_listed,
                               .reach = on_reach,
                               .warning = on_warning,
                               .changed = on_changed };
        if (tells && tells->interest)
                o.interest = tells->interest;
        if (tells && tells->listed)
                o.listed = tells->listed;
        if (tells && tells->reach)
                o.reach = tells->reach;
        else
                server_route(k->server, "GET", "/api/v1/namespaces/kube-system", serve_identity,
                             NULL);
        assert_int_equal(provider_kube.open(&c, &o, &k->target, NULL), 0);
}

int kube_api_until_reachable(struct kube_api *k) {
        for (int64_t end = clock_mono() + KUBE_API_WAIT_MS; !k->reachable && clock_mono() < end;)
                loop_step(k->loop, 50);
        return k->reachable ? 0 : -1;
}

void kube_api_deinit(struct kube_api *k) {
        provider_kube.close(k->target);
        http_free(k->http);
        loop_free(k->loop);
        server_free(k->server);
        free(k->core);
        *k = (struct kube_api){ 0 };
}
