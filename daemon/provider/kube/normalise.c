/* SPDX-License-Identifier: Apache-2.0 */
/* normalise.c - documents between our form and the server's
 *
 * Out: what only a server writes is taken off (some upstream manifests carry status and
 * creationTimestamp: null), the rules of an aggregated ClusterRole too (they are its
 * controller's; declaring them would be drift for ever), stringData of a Secret becomes data
 * (the server does the same, and then no field set names what was sent), and our labels are
 * added, and to a Secret which revisions it holds.
 *
 * Tokens: in stringData a value's text is filled in as it is and made base64 after; in data the
 * value is base64 already, and a token in it uses form base64. No other kind of object may hold
 * one.
 *
 * In: what a Secret holds becomes keyed hashes, when the object says that it is one or was asked
 * for as one. */
#include "normalise.h"

#include "identify.h"
#include "kinds.h"
#include "project.h"
#include "secret-stamp.h"

#include <errno.h>

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

static const char *const server_metadata[] = {
        "managedFields",
        "resourceVersion",
        "uid",
        "creationTimestamp",
        "generation",
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        NULL,
};

/* ---- out */

/* The member as an object of our own: a copy, or a new one when there is none. */
static json_t *own_member(json_t *object, const char *member) {
        json_t *value = json_get(object, member);

        value = json_is_object(value) ? json_copy(value) : json_object();
        json_object_set_new(object, member, value);
        return value;
}

static void set_text(json_t *object, const char *member, const char *value) {
        if (value && *value)
                json_object_set_new(object, member, json_string(value));
}

static void put_marks(json_t *metadata, const json_t *marks) {
        json_t *labels = own_member(metadata, "labels");

        set_text(labels, LABEL_MODEL, json_get_str(marks, "model", NULL));
        set_text(labels, LABEL_APPLICATION, json_get_str(marks, "application", NULL));
        set_text(labels, LABEL_CONTROLLER, json_get_str(marks, "controller", NULL));
}

/* Copies along the pointer, so that the caller's tree stays as it is. */
static void mark_pods(json_t *document, const char *pointer, const json_t *marks) {
        json_t *at = document;

        while (*pointer) {
                size_t n = strcspn(pointer + 1, "/");
                cleanup_(freep) char *member = str_ndup(pointer + 1, n);

                if (!json_is_object(json_get(at, member)))
                        return;
                at = own_member(at, member);
                pointer += 1 + n;
        }
        put_marks(own_member(at, "metadata"), marks);
}

/* What of our secrets is in it. */
static void put_stamp(json_t *metadata, const json_t *wanted) {
        cleanup_(freep) char *text = secret_stamp_text(wanted);

        if (text)
                set_text(own_member(metadata, "annotations"), ANNOTATION_REVISIONS, text);
}

static void strip_last_applied(json_t *metadata) {
        if (json_get(json_get(metadata, "annotations"), LAST_APPLIED))
                json_object_del(own_member(metadata, "annotations"), LAST_APPLIED);
}

static json_t *marked_copy(const json_t *wanted, const char *type, const char *path,
                           const json_t *marks) {
        const struct kind_row *row = kinds_find(type);
        json_t *document = json_copy((json_t *)wanted);
        json_t *metadata = own_member(document, "metadata");
        size_t namespace_len;
        const char *name = identify_split(path, &namespace_len);

        json_object_del(document, "status");
        for (const char *const *m = server_metadata; *m; m++)
                json_object_del(metadata, *m);
        strip_last_applied(metadata);
        set_text(metadata, "name", name);
        json_object_del(metadata, "namespace");
        if (namespace_len)
                json_object_set_new(metadata, "namespace", json_stringn(path, namespace_len));
        put_marks(metadata, marks);
        set_text(json_get(metadata, "labels"), LABEL_MANAGED_BY, MANAGED_BY);
        if (row && row->pod && *row->pod)
                mark_pods(document, row->pod, marks);
        if (str_eq(type, "Secret"))
                put_stamp(metadata, wanted);
        if (str_eq(type, "ClusterRole.rbac.authorization.k8s.io") &&
            json_get(document, "aggregationRule"))
                json_object_del(document, "rules");
        return document;
}

/* FILLED is base64 text or it is an error; so nothing in it needs an escape. */
static int put_data(struct buf *body, const char *key, const struct buf *filled, struct err *err) {
        cleanup_(buf_wipe) struct buf plain = BUF_INIT;

        if (digest_unbase64(buf_str(filled), filled->len, &plain, NULL) < 0)
                return err_set(err, -EINVAL,
                               "data.%s is not base64 (use stringData for plain text)", key);
        digest_base64(buf_str(&plain), plain.len, body);
        return 0;
}

static int put_member(struct buf *body, const char *key, const json_t *value, bool base64,
                      const struct secret_values *values, struct err *err) {
        cleanup_(buf_wipe) struct buf filled = BUF_INIT;
        cleanup_(json_freep) json_t *name = json_string(key);
        int r;

        if (!json_is_string(value) && !json_is_null(value))
                return err_set(err, -EINVAL, "%s.%s must be a text, is %s",
                               base64 ? "data" : "stringData", key, json_type_name(value));
        r = secret_values_fill(values, json_is_null(value) ? "" : json_string_value(value), &filled,
                               err);
        if (r < 0)
                return r;
        json_canonical(name, body);
        buf_puts(body, ":\"");
        if (base64)
                r = put_data(body, key, &filled, err);
        else
                digest_base64(buf_str(&filled), filled.len, body);
        buf_putc(body, '"');
        return r;
}

/* Both maps as one; stringData wins, as on the server. */
static int put_secret_data(struct buf *body, const json_t *data, const json_t *texts,
                           const struct secret_values *values, struct err *err) {
        const char *comma = "";
        const char *key;
        json_t *value;
        int r = 0;

        json_object_foreach((json_t *)data, key, value) {
                if (json_get(texts, key) || r < 0)
                        continue;
                buf_puts(body, comma);
                r = put_member(body, key, value, true, values, err);
                comma = ",";
        }
        json_object_foreach((json_t *)texts, key, value) {
                if (r < 0)
                        continue;
                buf_puts(body, comma);
                r = put_member(body, key, value, false, values, err);
                comma = ",";
        }
        return r;
}

static int refuse_token(void *arg, const struct secret_ref *ref, const char *pointer, bool in_name,
                        struct err *err) {
        return err_set(
                err, -EINVAL,
                "a secret's token stands in %s: only data and stringData of a Secret may hold one",
                pointer);
}

static int secret_body(json_t *document, const struct secret_values *values, struct buf *body,
                       struct err *err) {
        cleanup_(json_freep) json_t *data = json_incref(json_get(document, "data"));
        cleanup_(json_freep) json_t *texts = json_incref(json_get(document, "stringData"));
        int r;

        json_object_del(document, "data");
        json_object_del(document, "stringData");
        r = secret_token_walk(document, refuse_token, NULL, err);
        if (r < 0)
                return r;
        json_canonical(document, body);
        if (!data && !texts)
                return 0;
        body->len--; /* the closing brace */
        buf_puts(body, ",\"data\":{");
        r = put_secret_data(body, data, texts, values, err);
        buf_puts(body, "}}");
        return r;
}

int normalise_body(const json_t *wanted, const char *type, const char *path, const json_t *marks,
                   const char *version, const struct secret_values *values, struct buf *body,
                   struct err *err) {
        cleanup_(json_freep) json_t *document = marked_copy(wanted, type, path, marks);

        if (version)
                json_object_set_new(json_get(document, "metadata"), "resourceVersion",
                                    json_string(version));
        if (str_eq(type, "Secret"))
                return secret_body(document, values, body, err);
        json_canonical(document, body);
        /* One look at the text first: walking every tree of every apply would cost more than the
         * apply. */
        if (strstr(buf_str(body), "{{secret:"))
                return secret_token_walk(document, refuse_token, NULL, err);
        return 0;
}

/* ---- in */

const uint8_t *normalise_secret_key(const char *type, struct scan_slice object,
                                    const uint8_t *key) {
        return str_eq(type, "Secret") || scan_says(scan_get(object, "kind"), "Secret") ? key : NULL;
}

bool normalise_is_ours(struct scan_slice object, const char *controller, const char *model) {
        struct scan_slice labels = scan_dig(object, "metadata", "labels", NULL);

        return scan_says(scan_get(labels, LABEL_MANAGED_BY), MANAGED_BY) &&
               scan_says(scan_get(labels, LABEL_CONTROLLER), controller) &&
               (!model || scan_says(scan_get(labels, LABEL_MODEL), model));
}

static bool says_other(struct scan_slice label, const char *ours) {
        return !scan_is_null(label) && ours && !scan_says(label, ours);
}

bool normalise_is_foreign(struct scan_slice object, const char *controller, const char *model) {
        struct scan_slice labels = scan_dig(object, "metadata", "labels", NULL);

        return says_other(scan_get(labels, LABEL_CONTROLLER), controller) ||
               says_other(scan_get(labels, LABEL_MODEL), model);
}

static json_t *found_metadata(struct scan_slice metadata) {
        struct scan_slice name, value;
        struct scan_cursor c;
        json_t *out = json_object();

        if (!scan_object(metadata, &c))
                return out;
        while (scan_member(&c, &name, &value)) {
                cleanup_(buf_free) struct buf plain = BUF_INIT;

                scan_name(name, &plain);
                if (!str_eq(buf_str(&plain), "managedFields"))
                        json_object_set_new(out, buf_str(&plain), scan_json(value));
        }
        json_object_del(json_get(out, "annotations"), LAST_APPLIED);
        return out;
}

static json_t *found_secrets(struct scan_slice map, bool base64, const uint8_t *key) {
        struct scan_slice name, value;
        struct scan_cursor c;
        json_t *out = json_object();

        if (!scan_object(map, &c))
                return out;
        while (scan_member(&c, &name, &value)) {
                cleanup_(buf_free) struct buf plain = BUF_INIT;
                cleanup_(buf_free) struct buf hidden = BUF_INIT;

                scan_name(name, &plain);
                project_hide(value, base64, key, &hidden);
                json_object_set_new(out, buf_str(&plain), json_string(buf_str(&hidden)));
        }
        return out;
}

json_t *normalise_found(const char *type, struct scan_slice object, const uint8_t *key) {
        const uint8_t *secret = normalise_secret_key(type, object, key);
        struct scan_slice name, value;
        struct scan_cursor c;
        json_t *out = json_object();

        if (!scan_object(object, &c))
                return out;
        while (scan_member(&c, &name, &value)) {
                cleanup_(buf_free) struct buf plain = BUF_INIT;
                const char *member;
                json_t *to;

                scan_name(name, &plain);
                member = buf_str(&plain);
                if (str_eq(member, "metadata"))
                        to = found_metadata(value);
                else if (secret && (str_eq(member, "data") || str_eq(member, "stringData")))
                        to = found_secrets(value, str_eq(member, "data"), secret);
                else
                        to = scan_json(value);
                json_object_set_new(out, member, to);
        }
        return out;
}
