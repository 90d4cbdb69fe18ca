/* SPDX-License-Identifier: Apache-2.0 */
/* limit.c - pure; see limit.h */
#include "limit.h"

#include <stdlib.h>

#define SHARE_MAX 100
#define COUNT_MAX 1000000

static const char *const names[] = { "limit-change-free", "limit-change-share",
                                     "limit-delete-free", "limit-delete-share",
                                     "limit-delete-most", NULL };

static const int64_t *member(const struct limits *l, const char *option) {
        const int64_t *const members[] = { &l->change_free, &l->change_share, &l->delete_free,
                                           &l->delete_share, &l->delete_most };

        for (size_t i = 0; names[i]; i++)
                if (str_eq(option, names[i]))
                        return members[i];
        return NULL;
}

const char *limit_check(const char *option, const json_t *value) {
        size_t n = strlen(option);
        bool share = n > 6 && str_eq(option + n - 6, "-share");
        json_int_t number = json_integer_value(value);

        if (json_is_integer(value) && number >= share && number <= (share ? SHARE_MAX : COUNT_MAX))
                return NULL;
        return share ? "a percentage, 1 to 100" : "a number of objects, 0 to 1,000,000";
}

json_t *limit_value(const struct limits *l, const char *option) {
        const int64_t *value = member(l, option);

        return value ? json_integer(*value) : NULL;
}

bool limit_override(struct limits *l, const char *option, const json_t *value) {
        int64_t *to = (int64_t *)member(l, option);

        if (to && !limit_check(option, value))
                *to = json_integer_value(value);
        return to;
}

bool limit_is_passing(const char *type) {
        return str_eq(type, "CertificateRequest.cert-manager.io");
}

static bool deletes_too_much(const struct limits *l, const struct limit_count *c) {
        if (!c->removed)
                return false;
        /* An empty plan from a charm that had resources is its bug more often than its will. */
        if (c->empty)
                return true;
        if (c->removed > (size_t)l->delete_free &&
            c->removed * 100 > c->wants * (size_t)l->delete_share)
                return true;
        return c->removed_all > (size_t)l->delete_most;
}

unsigned limit_over(const struct limits *l, const struct limit_count *c) {
        unsigned over = deletes_too_much(l, c) ? LIMIT_DELETE : 0;

        if (c->changed && c->changed_all > (size_t)l->change_free &&
            c->changed_all * 100 > c->objects * (size_t)l->change_share)
                over |= LIMIT_CHANGE;
        return over;
}

char *limit_text(const struct limits *l, const struct limit_count *c, unsigned over) {
        cleanup_(buf_free) struct buf out = BUF_INIT;

        if (over & LIMIT_DELETE && c->empty)
                buf_puts(&out, "turns empty: "); /* held whatever the limits are */
        if (over & LIMIT_DELETE)
                buf_printf(&out, "deletes %zu of %zu", c->removed, c->wants);
        if (over & LIMIT_DELETE && c->removed_all > c->removed)
                buf_printf(&out, ", %zu in %lld minutes", c->removed_all,
                           (long long)l->window_ms / 60000);
        if (over & LIMIT_CHANGE)
                buf_printf(&out, "%schanges %zu", out.len ? " and " : "", c->changed);
        if (over & LIMIT_CHANGE && c->changed_all > c->changed)
                buf_printf(&out, ", %zu in %lld minutes,", c->changed_all,
                           (long long)l->window_ms / 60000);
        if (over & LIMIT_CHANGE)
                buf_printf(&out, " of the model's %zu objects", c->objects);
        return buf_take(&out);
}

void limit_name(int64_t application, const char *content, char ret[LIMIT_NAME_SIZE]) {
        uint8_t digest[DIGEST_SIZE];

        digest_hmac(&application, sizeof(application), content, strlen(content), digest);
        digest_text(digest, DIGEST_READABLE, LIMIT_NAME_SIZE - 1, ret);
}

const char *limit_content(const uint8_t removal[DIGEST_SIZE], const uint8_t changes[DIGEST_SIZE],
                          char ret[LIMIT_CONTENT_SIZE]) {
        char hex[DIGEST_HEX_SIZE];

        str_copy(ret, LIMIT_CONTENT_SIZE, digest_hex(removal, DIGEST_SIZE, hex));
        str_copy(ret + 2 * DIGEST_SIZE, LIMIT_CONTENT_SIZE - 2 * DIGEST_SIZE,
                 digest_hex(changes, DIGEST_SIZE, hex));
        return ret;
}

bool limit_content_read(const char *content, uint8_t removal[DIGEST_SIZE],
                        uint8_t changes[DIGEST_SIZE]) {
        cleanup_(freep) char *first = NULL;

        if (strlen(content) != (size_t)4 * DIGEST_SIZE)
                return false;
        first = str_ndup(content, (size_t)2 * DIGEST_SIZE);
        return digest_unhex(first, removal, DIGEST_SIZE) &&
               digest_unhex(content + (size_t)2 * DIGEST_SIZE, changes, DIGEST_SIZE);
}
