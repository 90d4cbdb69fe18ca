/* SPDX-License-Identifier: Apache-2.0 */
/* secret-token.h - the token that stands for a secret value, and putting values in at the last
 * moment
 *
 * A token is text: {{secret:URI:REVISION:FORM}}. It may stand alone or inside other text. A new
 * revision is a new token, so the document's digest changes and who uses it rolls. Forms: plain,
 * base64, url (percent-encoded), yaml (a quoted YAML scalar), bcrypt, pem-bundle. Values are
 * looked up in a struct secret_values that lives only for one request.
 *
 * Pure text work: no store, no loop. */
#pragma once

#include "buf.h"
#include "err.h"
#include "json.h"

/* What a person writes of a secret: secret:NAME, secret:ID. */
#define USER_SECRET_SCHEME "secret:"
#define SECRET_URI_SIZE 27 /* 26 base32 characters (130 bits) and NUL */
#define SECRET_TOKEN_MAX 128

enum secret_form {
        SECRET_PLAIN,
        SECRET_BASE64,
        SECRET_URL,
        SECRET_YAML,
        SECRET_BCRYPT,
        SECRET_PEM_BUNDLE,
        SECRET_FORM_MAX
};
const char *secret_form_name(enum secret_form f);
int secret_form_find(const char *name); /* -1: none */
/* Appends VALUE in FORM, which is not bcrypt. */
void secret_form_put(enum secret_form form, const void *value, size_t len, struct buf *out);

struct secret_ref {
        char uri[SECRET_URI_SIZE];
        int64_t revision;
        enum secret_form form;
        size_t start, end; /* its place in the text */
};

/* Writes a token into RET (SECRET_TOKEN_MAX). Returns RET. */
const char *secret_token_write(const char *uri, int64_t revision, enum secret_form form, char *ret);
/* The next token in TEXT at or after FROM. False: none. A text that only looks like one
 * ("{{secret:" without a proper rest) is -EBADMSG in *RET_BAD when that is not NULL. */
bool secret_token_next(const char *text, size_t from, struct secret_ref *ret);
bool secret_token_in(const char *text);
/* Calls FN with each token in any text (members' names too) of J and the JSON pointer of the
 * text. FN returns <0 to stop. */
int secret_token_walk(const json_t *j,
                      int (*fn)(void *arg, const struct secret_ref *r, const char *pointer,
                                bool in_name, struct err *err),
                      void *arg, struct err *err);

/* Values for tokens; the bytes lie in the secret arena. */
struct secret_values;
struct secret_values *secret_values_new(void);
struct secret_values *secret_values_free(struct secret_values *v); /* wipes */
void secret_values_add(struct secret_values *v, const char *uri, int64_t revision, const void *data,
                       size_t len);
/* Makes the text of a form that takes long (bcrypt) now, in this thread; filling only copies it.
 * The value must be among them. */
int secret_values_form(struct secret_values *v, const struct secret_ref *ref, struct err *err);
/* NULL: not among them. */
const void *secret_values_get(const struct secret_values *v, const char *uri, int64_t revision,
                              size_t *ret_len);
/* Appends TEXT with its tokens replaced. -ENOKEY: a value is missing (which, in ERR, by URI
 * only). */
int secret_values_fill(const struct secret_values *v, const char *text, struct buf *out,
                       struct err *err);
