/* SPDX-License-Identifier: Apache-2.0 */
/* charm-meta-refresh.c - see charm-meta-refresh.h */
#include "charm-meta-refresh.h"

#include <stdlib.h>

#define ITEMS_MAX 20 /* a person reads them all before a refresh */
#define WHAT_MAX 500

struct item {
        const char *what;
        int64_t since;
        bool loses_data;
};

static const struct json_field item_fields[] = {
        { "what", JSON_FIELD_STRING, offsetof(struct item, what), JSON_REQUIRED, 1, WHAT_MAX,
          NULL },
        { "since", JSON_FIELD_INT, offsetof(struct item, since), 0, 1, INT32_MAX, NULL },
        { "loses-data", JSON_FIELD_BOOL, offsetof(struct item, loses_data), 0, 0, 0, NULL },
        {}
};

struct refresh {
        const char *check;
        json_t *one_way;
};

static const struct json_field fields[] = {
        { "check", JSON_FIELD_STRING, offsetof(struct refresh, check), 0, 1, 63, NULL },
        { "cannot-go-back", JSON_FIELD_LIST, offsetof(struct refresh, one_way), 0, 0, 0, NULL },
        {}
};

static int check_items(const json_t *list, const char *file, const struct json_lines *lines,
                       struct err *err) {
        struct json_where where = { file, lines, "refresh" };
        const json_t *j;
        size_t i;

        if (json_array_size(list) > ITEMS_MAX)
                return json_error(err, &where, list, NULL, "has more than %d items", ITEMS_MAX);
        json_array_foreach((json_t *)list, i, j) {
                cleanup_(freep) char *path = str_format("refresh.cannot-go-back[%zu]", i);
                struct json_where at = { file, lines, path };
                struct item item = {};
                int r = json_decode(j, item_fields, false, &item, &at, err);

                if (r < 0)
                        return r;
        }
        return 0;
}

int charm_meta_refresh_read(struct charm_meta *m, json_t *refresh, const char *file,
                            const struct json_lines *lines, struct err *err) {
        struct json_where where = { file, lines, "refresh" };
        const struct meta_action *check;
        struct refresh read = {};
        int r = refresh ? json_decode(refresh, fields, false, &read, &where, err) : 0;

        if (r >= 0)
                r = check_items(read.one_way, file, lines, err);
        if (r < 0)
                return r;
        check = read.check ? charm_meta_action(m, read.check) : NULL;
        if (read.check && (!check || check->destructive))
                return json_error(err, &where, refresh, "check",
                                  check ? "action %s is destructive" : "there is no action %s",
                                  read.check);
        m->refresh_check = str_dup(read.check);
        m->one_way = json_array_size(read.one_way) ? json_incref(read.one_way) : NULL;
        return 0;
}
