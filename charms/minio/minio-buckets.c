/* SPDX-License-Identifier: Apache-2.0 */
/* minio-buckets.c - versioning and lifecycle of buckets, as the options say
 *
 * An option that is not set says nothing: whatever the bucket has stays. One that is set says it of
 * all buckets: those that it does not name are suspended, or have no rules. */
#include "minio.h"

#include "charm.gen.h"

#include <stdlib.h>

#define ALL "*"

struct charm_hole minio_versioning(const struct charm_view *v, const char *bucket) {
        const char *list = charm_option(v, OPTION_VERSIONING);
        bool on = charm_list_has(list, ALL) || charm_list_has(list, bucket);

        if (!charm_option_set(v, OPTION_VERSIONING))
                return (struct charm_hole){ "versioning", CHARM_NONE, NULL, 0 };
        return (struct charm_hole){ "versioning", CHARM_TEXT, on ? "enabled" : "suspended", 0 };
}

/* BUCKET[/PREFIX]=DAYS of a list */
struct entry {
        const char *bucket, *prefix, *days;
};

static struct entry read_entry(struct charm_plan *p, const char *list) {
        char *text = (char *)charm_list_first(p, list), *days = strrchr(text, '='),
             *slash = strchr(text, '/');
        struct entry e = { text, "", "0" };

        if (days) {
                *days = '\0';
                e.days = days + 1;
        }
        if (slash) {
                *slash = '\0';
                e.prefix = slash + 1;
        }
        return e;
}

static const char *add_rules(const struct charm_view *v, struct charm_plan *p, const char *option,
                             const char *bucket, const char *rules) {
        const char *list = charm_option(v, option);

        for (; *list; list = charm_list_rest(list)) {
                struct entry e = read_entry(p, list);

                if (strcmp(e.bucket, ALL) != 0 && strcmp(e.bucket, bucket) != 0)
                        continue;
                rules = charm_text(p, "%s%s{\"prefix\":%s,%s:%lld}", rules, *rules ? "," : "",
                                   charm_quote(p, e.prefix), charm_quote(p, option),
                                   strtoll(e.days, NULL, 10));
        }
        return rules;
}

struct charm_hole minio_lifecycle(const struct charm_view *v, struct charm_plan *p,
                                  const char *bucket) {
        const char *rules = "";

        if (!charm_option_set(v, OPTION_EXPIRE_DAYS) &&
            !charm_option_set(v, OPTION_NONCURRENT_EXPIRE_DAYS))
                return (struct charm_hole){ "lifecycle", CHARM_NONE, NULL, 0 };
        rules = add_rules(v, p, OPTION_EXPIRE_DAYS, bucket, rules);
        rules = add_rules(v, p, OPTION_NONCURRENT_EXPIRE_DAYS, bucket, rules);
        return (struct charm_hole){ "lifecycle", CHARM_JSON, charm_text(p, "[%s]", rules), 0 };
}

void minio_check_rules(const struct charm_view *v, struct charm_plan *p, const char *list) {
        static const char *const options[] = { OPTION_VERSIONING, OPTION_EXPIRE_DAYS,
                                               OPTION_NONCURRENT_EXPIRE_DAYS };

        for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
                const char *entries = charm_option(v, options[i]);

                for (; *entries; entries = charm_list_rest(entries)) {
                        const char *bucket = read_entry(p, entries).bucket;

                        if (strcmp(bucket, ALL) != 0 && !charm_list_has(list, bucket))
                                charm_status(p, CHARM_ACTIVE,
                                             "%s names the bucket %.64s, which nobody has asked "
                                             "for",
                                             options[i], bucket);
                }
        }
}
