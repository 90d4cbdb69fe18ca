/* SPDX-License-Identifier: Apache-2.0 */
/* polled-cases.c - see polled-cases.h */
#include "polled-cases.h"

#include <errno.h>
#include <stdlib.h>

json_t *polled_json(const char *text) {
        cleanup_(freep) char *copy = str_dup(text);
        struct err err = { 0 };
        json_t *j = NULL;

        for (char *p = copy; *p; p++)
                if (*p == '\'')
                        *p = '"';
        if (json_parse(copy, strlen(copy), &j, &err) < 0)
                fail_msg("%s: %s", text, err_text(&err));
        return j;
}

static void check_said(const struct polled_case *c, int r, const struct err *err) {
        if (r != (c->word ? -EINVAL : 0))
                fail_msg("%s: %d %s", c->text, r, err->text);
        if (r < 0 && !strstr(err->text, c->word))
                fail_msg("%s: \"%s\" does not name %s", c->text, err->text, c->word);
}

void polled_check_documents(const struct provider *p, const struct polled_case *cases, size_t n) {
        for (size_t i = 0; i < n; i++) {
                cleanup_(json_freep) json_t *j = polled_json(cases[i].text);
                cleanup_(identity_free) struct identity id = { 0 };
                struct err err = { 0 };

                check_said(&cases[i], p->identify(j, "model", &id, &err), &err);
                if (cases[i].word)
                        assert_null(id.type);
        }
}

void polled_check_targets(const struct provider *p, const struct polled_case *cases, size_t n) {
        for (size_t i = 0; i < n; i++) {
                cleanup_(json_freep) json_t *j = polled_json(cases[i].text);
                struct err err = { 0 };

                check_said(&cases[i], p->check(j, NULL, &err), &err);
        }
}

static char *drift_of(const struct provider *p, const char *was, const char *is) {
        cleanup_(json_freep) json_t *baseline = polled_json(was);
        cleanup_(drift_list_free) struct drift_list list = { 0 };
        struct apply_request r = { .type = "user", .path = "u", .baseline = baseline };
        struct observation o = { .presence = PRESENCE_PRESENT, .found = polled_json(is) };
        struct buf b = BUF_INIT;

        assert_int_equal(p->compare(&r, &o, &list, NULL), 0);
        for (size_t i = 0; i < list.count; i++) {
                const struct drift *d = &list.items[i];
                cleanup_(freep) char *wanted = d->wanted ? json_text(d->wanted) : str_dup("-");
                cleanup_(freep) char *found = d->found ? json_text(d->found) : str_dup("-");

                assert_null(d->who);
                buf_printf(&b, "%s:%s:%s ", d->field, wanted, found);
        }
        observation_clear(&o);
        return buf_take(&b);
}

void polled_check_differences(const struct provider *p, const struct polled_difference *cases,
                              size_t n) {
        for (size_t i = 0; i < n; i++) {
                cleanup_(freep) char *told = drift_of(p, cases[i].was, cases[i].is);

                assert_string_equal(told, cases[i].want);
        }
}
