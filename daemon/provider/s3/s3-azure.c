/* SPDX-License-Identifier: Apache-2.0 */
/* s3-azure.c - see s3-azure.h */
#include "s3-azure.h"

#include "s3-xml.h"

#include "clock.h"
#include "digest.h"

#include <errno.h>
#include <stdlib.h>

#define SAS_VERSION "2021-12-02"
#define SAS_RIGHTS "rcwdl"   /* read, create, write, delete, list: in this order */
#define SAS_BEFORE_MS 900000 /* clocks differ */
#define SAS_AFTER_MS 3600000 /* a request takes ten minutes at most */

bool s3_is_azure(const struct s3_op *s) {
        return s3_config_of(s)->engine == S3_AZURE;
}

/* ---- signatures */

static bool is_signature(const char *key) {
        return strstr(key, "sig=") != NULL;
}

int s3_azure_check(const struct s3_config *c, struct err *err) {
        cleanup_(buf_wipe) struct buf key = BUF_INIT;

        if (c->identity || is_signature(c->secret_key))
                return 0;
        if (digest_unbase64(c->secret_key, strlen(c->secret_key), &key, NULL) < 0 || !key.len)
                return err_set(err, -EINVAL, "the key of account %s is not base64", c->access_key);
        return 0;
}

/* base64 of the HMAC of what is allowed: sixteen lines, of which most say nothing. */
static void sign(const struct s3_config *c, const char *container, const char *from,
                 const char *until, struct buf *ret) {
        cleanup_(freep) char *text = str_format(
                SAS_RIGHTS "\n%s\n%s\n/blob/%s/%s\n\n\nhttps\n" SAS_VERSION "\nc\n\n\n\n\n\n\n",
                from, until, c->access_key, container);
        cleanup_(buf_wipe) struct buf key = BUF_INIT;
        uint8_t digest[DIGEST_SIZE];

        digest_unbase64(c->secret_key, strlen(c->secret_key), &key, NULL);
        digest_hmac(key.data, key.len, text, strlen(text), digest);
        digest_base64(digest, sizeof(digest), ret);
}

static void add_signature(const struct s3_config *c, const char *path, struct buf *out) {
        cleanup_(freep) char *container = str_ndup(path + 1, strcspn(path + 1, "/?"));
        cleanup_(buf_free) struct buf signature = BUF_INIT;
        char from[CLOCK_TEXT_MAX], until[CLOCK_TEXT_MAX];
        int64_t now = clock_wall();

        clock_iso(now - SAS_BEFORE_MS, false, from);
        clock_iso(now + SAS_AFTER_MS, false, until);
        sign(c, container, from, until, &signature);
        buf_puts(out, "sv=" SAS_VERSION "&sr=c&spr=https&sp=" SAS_RIGHTS "&st=");
        http_escape(out, from, false);
        buf_puts(out, "&se=");
        http_escape(out, until, false);
        buf_puts(out, "&sig=");
        http_escape(out, buf_str(&signature), false);
}

char *s3_azure_path(const struct s3_config *c, const char *path) {
        struct buf out = BUF_INIT;

        buf_puts(&out, path);
        if (c->identity)
                return buf_take(&out);
        buf_putc(&out, strchr(path, '?') ? '&' : '?');
        if (is_signature(c->secret_key))
                buf_puts(&out, c->secret_key + (c->secret_key[0] == '?'));
        else
                add_signature(c, path, &out);
        return buf_take(&out);
}

/* ---- blocks */

char *s3_azure_block(const char *upload, int number) {
        cleanup_(freep) char *text = str_format("%s%06d", upload, number);
        struct buf id = BUF_INIT;

        digest_base64(text, strlen(text), &id);
        return buf_take(&id);
}

/* ---- lists */

char *s3_azure_list_query(const json_t *ask, int64_t limit) {
        const char *after = json_get_str(ask, "after", NULL);
        struct buf query = BUF_INIT;

        buf_printf(&query, "restype=container&comp=list&maxresults=%lld&prefix=", (long long)limit);
        http_escape(&query, json_get_str(ask, "prefix", ""), false);
        if (after) {
                buf_puts(&query, "&marker=");
                http_escape(&query, after, false);
        }
        return buf_take(&query);
}

static json_t *entry(struct s3_xml item) {
        cleanup_(freep) char *key = s3_xml_text(item, "Name");
        cleanup_(freep) char *size = s3_xml_text(item, "Content-Length");
        cleanup_(freep) char *etag = s3_xml_text(item, "Etag");
        cleanup_(freep) char *modified = s3_xml_text(item, "Last-Modified");
        int64_t bytes = 0;

        if (size)
                str_to_int(size, &bytes);
        return json_pack("{s:o, s:I, s:o, s:o}", "key", json_words(key), "bytes", (json_int_t)bytes,
                         "etag", json_words(etag), "modified", json_words(modified));
}

void s3_azure_list(struct s3_op *s, const struct ask *a) {
        const struct http_request *r = http_answer(a);
        struct s3_xml in = s3_xml_of(r->reply.data, r->reply.len), item;
        cleanup_(freep) char *next = s3_xml_text(in, "NextMarker");
        json_t *objects = json_array();

        for (size_t at = 0; s3_xml_next(in, "Blob", &at, &item);)
                json_array_append_new(objects, entry(item));
        json_object_set_new(s->told, "objects", objects);
        if (next && *next)
                json_object_set_new(s->told, "after", json_words(next));
}
