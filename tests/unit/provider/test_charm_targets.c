/* SPDX-License-Identifier: Apache-2.0 */
/* test_charm_targets.c - what the charms of this tree plan for sql and s3 is what those
 * providers take
 *
 * Reads the expected plans of the charms' own tests (argument: the charms' folder). A charm and
 * a provider are written apart; here they meet without a server. */
#include "provider.h"

#include <glob.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

static const char *folder;
static int targets, documents, tokens;

static json_t *plan_of(const char *path) {
        cleanup_(fclosep) FILE *f = fopen(path, "re");
        cleanup_(buf_free) struct buf text = BUF_INIT;
        struct err err = { 0 };
        char piece[4096];
        json_t *j = NULL;
        size_t n;

        assert_non_null(f);
        while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
                buf_add(&text, piece, n);
        if (json_parse(text.data, text.len, &j, &err) < 0)
                fail_msg("%s: %s", path, err_text(&err));
        return j;
}

struct place {
        const struct provider *provider;
        const json_t *document;
        const char *path;
};

static int check_token(void *arg, const struct secret_ref *ref, const char *pointer, bool in_name,
                       struct err *err) {
        const struct place *p = arg;

        tokens++;
        if (in_name || !p->provider->secret_place(p->document, pointer))
                fail_msg("%s: a secret at %s", p->path, pointer);
        return 0;
}

static void check_tokens(const struct provider *p, const json_t *j, const char *path) {
        struct place place = { p, j, path };

        assert_true(secret_token_walk(j, check_token, &place, NULL) >= 0);
}

static const struct provider *provider_of(const json_t *config) {
        const char *engine = json_get_str(config, "engine", NULL);

        if (!engine)
                return NULL;
        return provider_find(str_eq(engine, "mysql") || str_eq(engine, "postgresql") ? "sql"
                                                                                     : "s3");
}

static const struct provider *check_target(const json_t *plan, const char *path) {
        const struct provider *p = NULL;
        const char *label;
        json_t *target;
        struct err err = { 0 };

        json_object_foreach(json_get(plan, "targets"), label, target) {
                const json_t *config = json_get(target, "config");

                p = provider_of(config);
                if (!p)
                        continue;
                assert_string_equal(json_get_str(target, "provider", p->name), p->name);
                if (p->check(config, NULL, &err) < 0)
                        fail_msg("%s: target %s: %s", path, label, err_text(&err));
                check_tokens(p, config, path);
                targets++;
        }
        return p;
}

static void check_plan(const char *path) {
        cleanup_(json_freep) json_t *plan = plan_of(path);
        const struct provider *p = check_target(plan, path);
        struct err err = { 0 };
        json_t *item;
        size_t i;

        json_array_foreach(json_get(plan, "documents"), i, item) {
                const json_t *document = json_get(item, "document");
                cleanup_(identity_free) struct identity id = { 0 };

                if (!p || !document || json_get(document, "apiVersion"))
                        continue;
                if (p->identify(document, "model", &id, &err) < 0)
                        fail_msg("%s: %s: %s", path, json_get_str(item, "label", "?"),
                                 err_text(&err));
                check_tokens(p, document, path);
                documents++;
        }
}

static void every_plan_fits(void **state) {
        cleanup_(freep) char *pattern = str_format("%s/*/tests/*.plan.json", folder);
        glob_t found;

        assert_int_equal(glob(pattern, 0, NULL, &found), 0);
        for (size_t i = 0; i < found.gl_pathc; i++)
                check_plan(found.gl_pathv[i]);
        globfree(&found);
        print_message("%d targets, %d documents, %d tokens\n", targets, documents, tokens);
        assert_true(targets > 0 && documents > 0 && tokens > 0);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(every_plan_fits) };

        folder = argc > 1 ? argv[1] : "charms";
        return cmocka_run_group_tests(tests, NULL, NULL);
}
