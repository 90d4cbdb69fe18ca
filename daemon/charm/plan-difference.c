/* SPDX-License-Identifier: Apache-2.0 */
/* plan-difference.c - see plan-difference.h */
#include "plan-difference.h"

#include <stdlib.h>

static void say(json_t *to, char *sentence) {
        json_array_append_new(to, json_words(sentence));
        free(sentence);
}

static const char *status_of(const struct plan *p) {
        return p->status ? p->status : "what its objects are";
}

static void compare_status(const struct plan *before, const struct plan *after, json_t *to) {
        if (str_eq(status_of(before), status_of(after)) &&
            str_eq(before->message ? before->message : "", after->message ? after->message : ""))
                return;
        say(to, str_format("say \"%s%s%s\" where the content before says \"%s%s%s\"",
                           status_of(after), after->message ? ": " : "",
                           after->message ? after->message : "", status_of(before),
                           before->message ? ": " : "", before->message ? before->message : ""));
}

static void compare_version(const struct plan *before, const struct plan *after, json_t *to) {
        if (!str_eq(before->version ? before->version : "", after->version ? after->version : ""))
                say(to, str_format("run version %s instead of %s",
                                   after->version ? after->version : "(none)",
                                   before->version ? before->version : "(none)"));
}

/* Names in which two maps differ, with a word for how; NULL: in none. */
static char *names_that_differ(const json_t *before, const json_t *after) {
        struct buf names = BUF_INIT;
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)after, name, value) {
                const json_t *was = json_get(before, name);

                if (!was || !json_equal(was, value))
                        buf_printf(&names, "%s%s%s", names.len ? ", " : "", was ? "" : "new ",
                                   name);
        }
        json_object_foreach((json_t *)before, name, value)
                if (!json_get(after, name))
                        buf_printf(&names, "%sno %s", names.len ? ", " : "", name);
        return names.len ? buf_take(&names) : NULL;
}

static void compare_told(const struct plan *before, const struct plan *after,
                         const json_t *relations, json_t *to) {
        const json_t *relation;
        size_t i;

        json_array_foreach(relations, i, relation) {
                cleanup_(freep) char *id =
                        str_format("%lld", (long long)json_get_int(relation, "id", 0));
                cleanup_(freep) char *names =
                        names_that_differ(json_get(before->tell, id), json_get(after->tell, id));

                if (names)
                        say(to, str_format("tell %s something else over %s: %s",
                                           json_get_str(relation, "application", "?"),
                                           json_get_str(relation, "endpoint", "?"), names));
        }
}

static void compare_members(const json_t *before, const json_t *after, const char *fresh,
                            const char *gone, const char *other, json_t *to) {
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)after, name, value) {
                const json_t *was = json_get(before, name);

                if (!was)
                        say(to, str_format("%s %s", fresh, name));
                else if (!json_equal(was, value))
                        say(to, str_format("%s %s", other, name));
        }
        json_object_foreach((json_t *)before, name, value)
                if (!json_get(after, name))
                        say(to, str_format("%s %s", gone, name));
}

static void cut(json_t *sentences) {
        size_t n = json_array_size(sentences);
        char *rest;

        if (n <= PLAN_DIFFERENCES_MAX)
                return;
        while (json_array_size(sentences) > PLAN_DIFFERENCES_MAX - 1)
                json_array_remove(sentences, json_array_size(sentences) - 1);
        rest = str_format("differ in %zu more ways from the content before",
                          n - PLAN_DIFFERENCES_MAX + 1);
        say(sentences, rest);
}

json_t *plan_differences(const struct plan *before, const struct plan *after,
                         const json_t *relations) {
        json_t *to = json_array();

        compare_status(before, after, to);
        compare_version(before, after, to);
        compare_told(before, after, relations, to);
        compare_members(before->secrets, after->secrets, "ask for a new secret",
                        "ask no more for the secret", "ask in another way for the secret", to);
        compare_members(before->targets, after->targets, "open a new target",
                        "open no more the target", "open in another way the target", to);
        cut(to);
        return to;
}

static const struct plan_doc *find_doc(const struct plan *p, const char *label) {
        for (size_t i = 0; i < p->doc_count; i++)
                if (str_eq(p->docs[i].label, label))
                        return &p->docs[i];
        return NULL;
}

bool plan_same_document(const struct plan *before, const struct plan *after, const char *label) {
        const struct plan_doc *a = find_doc(before, label), *b = find_doc(after, label);

        return a && b && memcmp(a->sha256, b->sha256, DIGEST_SIZE) == 0;
}
