/* SPDX-License-Identifier: Apache-2.0 */
/* bundle-application.c - the keys of one application in a bundle: a table, one function a key
 *
 * Juju's keys are all known: those that mean something are taken, those that mean nothing on
 * Kubernetes are kept and noted, those that would need machines are refused. Others are faults
 * with the nearest known key. */
#include "bundle-internal.h"

#include "channel.h"
#include "constraint.h"
#include "digest.h"
#include "name.h"
#include "opt.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

#define SCALE_MAX 10000  /* as charm.yaml's */
#define ENTRIES_MAX 1000 /* options, resources: as charm.yaml's */

/* One key on its way into the struct. */
struct key {
        struct bundle_reader *reader;
        struct bundle_application *application;
        const json_t *body; /* the application's */
        const char *name;   /* the key */
        const json_t *value;
        struct bundle_place at;
};

static void fault(const struct key *k, const char *text) {
        bundle_fault(k->reader, k->at, "application %s: %s: %s", k->application->name, k->name,
                     text);
}

static void fault_err(const struct key *k, const struct err *err) {
        fault(k, err_text(err));
}

static void wrong_type(const struct key *k, const char *wanted) {
        cleanup_(freep) char *number = json_is_number(k->value) ? json_text(k->value) : NULL;

        bundle_fault(k->reader, k->at, "application %s: %s: must be %s, is %s",
                     k->application->name, k->name, wanted,
                     number ? number : json_type_name(k->value));
}

static const char *text_of(const struct key *k) {
        if (!json_is_string(k->value))
                wrong_type(k, json_is_number(k->value) ? "a text (put it in quotes)" : "a text");
        return json_string_value(k->value);
}

/* ---- keys that mean something */

/* ch:amd64/jammy/minio-45, minio: the name, and the revision where one stands at the end of a
 * ch: URL. */
static void take_charm(const struct key *k) {
        struct bundle_application *a = k->application;
        const char *text = text_of(k), *slash;
        cleanup_(freep) char *name = NULL;
        struct err err = {};
        char *dash;
        int64_t n;

        a->charm_at = k->at;
        if (!text)
                return;
        if (str_starts(text, "cs:")) {
                fault(k, "the charm store of old (cs:) is gone: name the charm alone");
                return;
        }
        if (text[0] == '.' || text[0] == '/' || str_ends(text, ".charm")) {
                fault(k,
                      "a charm's file cannot be deployed: modules lie in the charm directory and "
                      "are named");
                return;
        }
        slash = strrchr(text, '/');
        name = str_dup(slash ? slash + 1 : str_starts(text, "ch:") ? text + 3 : text);
        dash = strrchr(name, '-');
        if (str_starts(text, "ch:") && dash && str_to_int(dash + 1, &n) && n >= 0) {
                *dash = '\0';
                a->revision = a->revision < 0 ? n : a->revision;
        }
        if (name_check_charm(name, &err) < 0) {
                fault_err(k, &err);
                return;
        }
        str_set(&a->charm, name);
}

static void take_channel(const struct key *k) {
        const char *text = text_of(k);
        char full[CHANNEL_MAX];
        struct err err = {};

        if (!text)
                return;
        if (channel_parse(text, full, &err) < 0) {
                fault_err(k, &err);
                return;
        }
        str_set(&k->application->channel, full);
        k->application->channel_at = k->at;
}

static void take_revision(const struct key *k) {
        if (json_is_integer(k->value) && json_integer_value(k->value) >= 0)
                k->application->revision = json_integer_value(k->value);
        else
                wrong_type(k, "a whole number from 0");
}

static void take_scale(const struct key *k) {
        struct bundle_application *a = k->application;
        int64_t n = json_integer_value(k->value);

        if (!json_is_integer(k->value) || n < 0 || n > SCALE_MAX) {
                wrong_type(k, "a whole number between 0 and 10000");
                return;
        }
        if (a->scale >= 0 && a->scale_at.file == k->at.file && json_get(k->body, "scale") &&
            json_get(k->body, "num_units") && a->scale != n) {
                fault(k, "says something else than scale");
                return;
        }
        a->scale = n;
        a->scale_at = k->at;
}

static void take_trust(const struct key *k) {
        if (json_is_boolean(k->value))
                k->application->trust = json_is_true(k->value);
        else
                wrong_type(k, "true or false");
}

static void take_constraints(const struct key *k) {
        const char *text = json_is_null(k->value) ? "" : text_of(k);
        json_t *parsed = NULL;
        struct err err = {};

        if (!text)
                return;
        if (constraint_parse(text, &parsed, &err) < 0) {
                fault_err(k, &err);
                return;
        }
        json_decref(k->application->constraints);
        k->application->constraints = parsed;
}

/* ---- keys with entries */

/* The text of a file that an option includes. NULL: a fault was told. */
static json_t *include(const struct key *k, const char *name, const char *text) {
        bool base64 = str_starts(text, "include-base64://");
        const char *path = strstr(text, "://") + 3;
        const char *content = json_get_str(k->reader->includes, path, NULL);
        cleanup_(buf_free) struct buf out = BUF_INIT;

        if (!content) {
                bundle_fault(k->reader, k->at,
                             "application %s: %s.%s: the file \"%.200s\" was not sent along",
                             k->application->name, k->name, name, path);
                return NULL;
        }
        if (strlen(content) > BUNDLE_INCLUDE_MAX) {
                bundle_fault(k->reader, k->at,
                             "application %s: %s.%s: the file \"%.200s\" is too large",
                             k->application->name, k->name, name, path);
                return NULL;
        }
        if (!base64)
                return json_string(content);
        digest_base64(content, strlen(content), &out);
        return json_string(buf_str(&out));
}

static bool is_include(const json_t *value) {
        const char *text = json_string_value(value);

        return text &&
               (str_starts(text, "include-file://") || str_starts(text, "include-base64://"));
}

/* What may stand in an entry; takes no reference. NULL: a fault was told. */
typedef json_t *(*entry_fn)(const struct key *k, const char *name, const json_t *value);

static void take_entries(const struct key *k, struct bundle_values *into, entry_fn fn) {
        const char *name;
        json_t *value;

        if (json_is_null(k->value))
                return;
        if (!json_is_object(k->value)) {
                wrong_type(k, "an object of names and values");
                return;
        }
        if (json_object_size(k->value) > ENTRIES_MAX) {
                fault(k, "has too many entries");
                return;
        }
        json_object_foreach((json_t *)k->value, name, value) {
                struct key entry = *k;
                json_t *taken;

                entry.at = bundle_place_of(k->reader, k->value, name, 0);
                taken = fn(&entry, name, value);
                if (taken)
                        bundle_set(into, name, taken, entry.at);
        }
}

static json_t *option_entry(const struct key *k, const char *name, const json_t *value) {
        if (json_is_object(value) || json_is_array(value)) {
                bundle_fault(k->reader, k->at,
                             "application %s: option %s: must be a text, a number or true or "
                             "false, is %s",
                             k->application->name, name, json_type_name(value));
                return NULL;
        }
        return is_include(value) ? include(k, name, json_string_value(value))
                                 : json_incref((json_t *)value);
}

static void take_options(const struct key *k) {
        take_entries(k, &k->application->options, option_entry);
}

static json_t *storage_entry(const struct key *k, const char *name, const json_t *value) {
        cleanup_(freep) char *number = json_is_integer(value) ? json_text(value) : NULL;
        const char *text = number ? number : json_string_value(value);
        json_t *parsed = NULL;
        struct err err = {};

        if (!text)
                err_set(&err, -1, "must be a text such as 10G, is %s", json_type_name(value));
        if (text && bundle_read_storage(text, &parsed, &err) == 0)
                return parsed;
        bundle_fault(k->reader, k->at, "application %s: storage.%s: %s", k->application->name, name,
                     err_text(&err));
        return NULL;
}

static void take_storage(const struct key *k) {
        take_entries(k, &k->application->storage, storage_entry);
}

static json_t *resource_entry(const struct key *k, const char *name, const json_t *value) {
        if (json_is_integer(value)) {
                bundle_note(k->reader, k->at,
                            "application %s: resources.%s: a revision at Charmhub means nothing "
                            "here, the "
                            "charm's own is used",
                            k->application->name, name);
                return NULL;
        }
        if (!json_is_string(value) || !*json_string_value(value)) {
                bundle_fault(k->reader, k->at,
                             "application %s: resources.%s: must be an image reference, is %s",
                             k->application->name, name, json_type_name(value));
                return NULL;
        }
        return json_incref((json_t *)value);
}

static void take_resources(const struct key *k) {
        take_entries(k, &k->application->resources, resource_entry);
}

/* ---- placement */

static void place(const struct key *k, const json_t *item) {
        const char *text = json_string_value(item), *equals = text ? strchr(text, '=') : NULL;
        cleanup_(freep) char *wanted = NULL;
        json_t *parsed = NULL;
        struct err err = {};

        if (!equals) {
                bundle_fault(
                        k->reader, k->at,
                        "application %s: %s: %s%s%s is a machine or container: this is a machine "
                        "bundle, and there are no machines on Kubernetes (LABEL=VALUE chooses "
                        "nodes)",
                        k->application->name, k->name, text ? "\"" : "",
                        text ? text : json_type_name(item), text ? "\"" : "");
                return;
        }
        wanted = str_format("nodes.%s", text);
        if (constraint_parse(wanted, &parsed, &err) < 0) {
                fault_err(k, &err);
                return;
        }
        if (!k->application->constraints)
                k->application->constraints = json_object();
        json_object_update(k->application->constraints, parsed);
        json_decref(parsed);
}

static void take_placement(const struct key *k) {
        size_t i;
        json_t *item;

        if (json_is_null(k->value))
                return;
        if (!json_is_array(k->value))
                place(k, k->value);
        json_array_foreach(k->value, i, item)
                place(k, item);
}

/* ---- keys without meaning */

static json_t *annotation_entry(const struct key *k, const char *name, const json_t *value) {
        return is_include(value) ? include(k, name, json_string_value(value))
                                 : json_incref((json_t *)value);
}

static void keep(const struct key *k) {
        bundle_set(&k->application->kept, k->name, json_incref((json_t *)k->value), k->at);
}

/* Kept as one object; later documents add to it. */
static void take_annotations(const struct key *k) {
        struct bundle_values entries = {};
        json_t *all = json_object();

        take_entries(k, &entries, annotation_entry);
        for (size_t i = 0; i < entries.count; i++) {
                json_object_set_new(all, entries.items[i].name, entries.items[i].value);
                free(entries.items[i].name);
        }
        free(entries.items);
        bundle_set(&k->application->kept, k->name, all, k->at);
}

static void keep_noted(const struct key *k) {
        bool says = !json_is_false(k->value) && !json_is_null(k->value);

        keep(k);
        if (says)
                bundle_note(k->reader, k->at, "application %s: %s is kept, and means nothing here",
                            k->application->name, k->name);
}

static void refuse_offers(const struct key *k) {
        fault(k, "offers between models are not there yet");
}

static void refuse_plan(const struct key *k) {
        fault(k, "commercial plans do not exist here");
}

/* In the order in which they are taken: scale before num_units, constraints before placement. */
static const struct {
        const char *name;
        void (*take)(const struct key *k);
} keys[] = {
        { "charm", take_charm },
        { "channel", take_channel },
        { "revision", take_revision },
        { "scale", take_scale },
        { "num_units", take_scale },
        { "trust", take_trust },
        { "constraints", take_constraints },
        { "placement", take_placement },
        { "to", take_placement },
        { "options", take_options },
        { "storage", take_storage },
        { "resources", take_resources },
        { "annotations", take_annotations },
        { "expose", keep_noted },
        { "exposed-endpoints", keep_noted },
        { "bindings", keep_noted },
        { "series", keep_noted },
        { "base", keep_noted },
        { "devices", keep_noted },
        { "offers", refuse_offers },
        { "plan", refuse_plan },
};

static bool is_known(const char *name) {
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                if (str_eq(keys[i].name, name))
                        return true;
        }
        return false;
}

static void take_unknown(struct bundle_reader *r, struct bundle_application *a, const json_t *j) {
        const char *names[ARRAY_SIZE(keys) + 1] = {};
        const char *name;
        json_t *value;

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                names[i] = keys[i].name;
        json_object_foreach((json_t *)j, name, value) {
                struct key k = { r, a, j, name, value, bundle_place_of(r, j, name, 0) };
                cleanup_(freep) char *where = NULL;

                if (is_known(name))
                        continue;
                if (name[0] == '_' || str_starts(name, "x-")) {
                        keep(&k);
                        continue;
                }
                where = str_format("application %s", a->name);
                bundle_unknown(r, k.at, where, name, names);
        }
}

void bundle_read_application(struct bundle_reader *r, struct bundle_application *a,
                             const json_t *j) {
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                const json_t *value = json_get(j, keys[i].name);
                struct key k = { r, a, j, keys[i].name, value };

                if (!value)
                        continue;
                k.at = bundle_place_of(r, j, keys[i].name, 0);
                keys[i].take(&k);
        }
        take_unknown(r, a, j);
}
