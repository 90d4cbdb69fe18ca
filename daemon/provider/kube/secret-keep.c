/* SPDX-License-Identifier: Apache-2.0 */
/* secret-keep.c - what is in a Secret before our first apply to it; see secret-keep.h
 *
 * A controller that lost its state makes new passwords, and the databases that they are for
 * still have the old ones. The Secret is then the only place that knows them. Pure. */
#include "secret-keep.h"
#include "secret-stamp.h"

#include "digest.h"
#include "fieldset.h"

#include <errno.h>

struct keeping {
        const struct apply_request *request;
        struct secret_values *found;
        bool compare;                    /* what cannot be taken is passed over */
        struct scan_slice object, owned; /* compare: it, and our entry of managedFields */
        json_t *revisions;               /* compare: of what is newer; or NULL */
};

/* The token that is all of TEXT, in the form that is put in as it is. */
static bool stands_alone(const char *text, bool base64, struct secret_ref *ret) {
        return secret_token_next(text, 0, ret) && ret->start == 0 && ret->end == strlen(text) &&
               ret->form == (base64 ? SECRET_BASE64 : SECRET_PLAIN);
}

/* What one of our own secrets in TEXT is for ("generated", "option"); NULL: none is ours. */
static const char *own_purpose(const struct keeping *k, const char *text) {
        struct secret_ref ref;

        for (size_t from = 0; secret_token_next(text, from, &ref); from = ref.end) {
                const char *purpose = json_get_str(k->request->own, ref.uri, NULL);

                if (purpose)
                        return purpose;
        }
        return NULL;
}

static int refuse(const struct keeping *k, const char *key, const char *way, struct err *err) {
        if (k->compare)
                return 0;
        return err_set(
                err, -EEXIST,
                "Secret %s was there before and holds another value in %s than ours, perhaps "
                "the only one that opens what is there: %s",
                k->request->path, key, way);
}

static int take(struct keeping *k, const char *key, const struct secret_ref *ref,
                const struct buf *value, struct err *err) {
        size_t len;
        const void *before;

        if (!k->found)
                k->found = secret_values_new();
        before = secret_values_get(k->found, ref->uri, ref->revision, &len);
        if (before && (len != value->len || memcmp(before, value->data, len) != 0))
                return refuse(k, key, "two keys that must be equal differ; make them equal", err);
        if (!before)
                secret_values_add(k->found, ref->uri, ref->revision, value->data, value->len);
        return 0;
}

static bool is_written_by_us(const struct keeping *k, const char *key) {
        cleanup_(freep) char *field = str_format("f:%s", key);

        return scan_dig(k->owned, "fieldsV1", "f:data", field, NULL).text ||
               scan_dig(k->owned, "fieldsV1", "f:stringData", field, NULL).text;
}

/* What people gave is theirs to give again, and an authority has its key here only. */
static bool is_made_here(const char *purpose) {
        return str_eq(purpose, "generated") || str_eq(purpose, "certificate");
}

static bool is_given(const char *purpose) {
        return str_eq(purpose, "option") || str_eq(purpose, "user");
}

/* What our last write put there, and it may be newer than what we know. What people gave may also
 * be older, and only its stamp tells. */
static bool may_be_newer(struct keeping *k, const char *key, const char *text,
                         const char *purpose) {
        struct secret_ref ref;
        enum secret_age age;
        int64_t revision;

        if (!purpose || !is_written_by_us(k, key) || !secret_token_next(text, 0, &ref))
                return false;
        age = secret_stamp_age(k->object, key, &ref, &revision);
        if (age == SECRET_AGE_NEWER) {
                if (!k->revisions)
                        k->revisions = json_object();
                json_object_set_new(k->revisions, ref.uri, json_integer(revision));
                return is_made_here(purpose) || is_given(purpose);
        }
        return age != SECRET_AGE_OLDER && is_made_here(purpose);
}

/* As the server would have it after our apply: without base64. */
static int fill(const struct keeping *k, const char *text, bool base64, struct buf *ret,
                struct err *err) {
        cleanup_(buf_wipe) struct buf filled = BUF_INIT;
        int r = secret_values_fill(k->request->values, text, &filled, err);

        if (r < 0)
                return r;
        if (base64)
                return digest_unbase64(buf_str(&filled), filled.len, ret, err);
        buf_add(ret, buf_str(&filled), filled.len);
        return 0;
}

static int keep_member(struct keeping *k, struct scan_slice data, const char *key, const char *text,
                       bool base64, struct err *err) {
        cleanup_(buf_wipe) struct buf coded = BUF_INIT;
        cleanup_(buf_wipe) struct buf there = BUF_INIT;
        cleanup_(buf_wipe) struct buf ours = BUF_INIT;
        const char *purpose = own_purpose(k, text);
        struct secret_ref ref;
        int r;

        if (k->compare && !may_be_newer(k, key, text, purpose))
                return 0;
        if (!purpose || !scan_text(scan_get(data, key), &coded) || !coded.len ||
            digest_unbase64(buf_str(&coded), coded.len, &there, NULL) < 0 || !there.len)
                return 0;
        r = fill(k, text, base64, &ours, err);
        if (r < 0)
                return r;
        if (there.len == ours.len && memcmp(there.data, ours.data, there.len) == 0)
                return 0;
        if (str_eq(purpose, "option") && !k->compare)
                return refuse(k, key,
                              "give the application's option that value, or delete that key", err);
        if (!stands_alone(text, base64, &ref))
                return refuse(k, key,
                              "it is part of a longer text and cannot be taken over; delete that "
                              "key once its value is not needed",
                              err);
        return take(k, key, &ref, &there, err);
}

static int keep_members(struct keeping *k, struct scan_slice data, const char *member, bool base64,
                        struct err *err) {
        const char *key;
        json_t *value;

        json_object_foreach(json_get(k->request->wanted, member), key, value) {
                int r = json_is_string(value)
                                ? keep_member(k, data, key, json_string_value(value), base64, err)
                                : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

void secret_keep_compare(const struct apply_request *r, struct scan_slice object,
                         struct secret_values **ret_found, json_t **ret_revisions) {
        struct scan_slice data = scan_get(object, "data");
        struct keeping k = {
                .request = r, .compare = true, .object = object, .owned = fieldset_own(object)
        };

        if (keep_members(&k, data, "data", true, NULL) >= 0)
                keep_members(&k, data, "stringData", false, NULL);
        *ret_found = k.found;
        *ret_revisions = k.revisions;
}

int secret_keep(const struct apply_request *r, struct scan_slice object,
                struct secret_values **ret_found, struct err *err) {
        struct scan_slice data = scan_get(object, "data");
        struct keeping k = { .request = r };
        int e = keep_members(&k, data, "data", true, err);

        if (e >= 0)
                e = keep_members(&k, data, "stringData", false, err);
        if (e < 0 || !k.found) {
                secret_values_free(k.found);
                return e;
        }
        *ret_found = k.found;
        return 1;
}
