/* SPDX-License-Identifier: Apache-2.0 */
/* s3.c - the provider of object stores: buckets anywhere, policies and users on MinIO
 *
 * Not watched: see polled.h. See s3-config.h for a target's document, s3-document.c
 * for what may be wanted. */
#include "s3-object.h"
#include "s3-stream.h"

#define POLL_MS 30000 /* damage is put right within a minute; two or three requests a resource */

static int projection_parse(const char *fields, struct projection **ret, struct err *err) {
        return polled_projection_parse(S3_FIELDS, fields, ret, err);
}

static bool secret_place(const json_t *wanted, const char *pointer) {
        return str_eq(pointer, "/secret-key") || str_eq(pointer, "/access-key");
}

static void look(struct target *t, const struct apply_request *r, struct op *op) {
        s3_target_start(t, S3_LOOK, r, op);
}

static void apply(struct target *t, const struct apply_request *r, struct op *op) {
        s3_target_start(t, S3_APPLY, r, op);
}

static void remove_it(struct target *t, const struct apply_request *r, struct op *op) {
        s3_target_start(t, S3_REMOVE, r, op);
}

static int compare(const struct apply_request *r, const struct observation *o,
                   struct drift_list *ret, struct err *err) {
        return polled_compare(r, o, NULL, ret, err);
}

extern const struct provider provider_s3;
const struct provider provider_s3 = {
        .name = "s3",
        .poll_every_ms = POLL_MS,
        .check = s3_config_check,
        .identify = s3_document_identify,
        .secret_place = secret_place,
        .open = s3_target_open,
        .close = s3_target_close,
        .look = look,
        .apply = apply,
        .remove = remove_it,
        .cancel = s3_target_cancel,
        .compare = compare,
        .manner = s3_target_manner,
        .projection_parse = projection_parse,
        .projection_free = polled_projection_free,
        .act = s3_object_act,
        .bytes = s3_stream_open,
};
