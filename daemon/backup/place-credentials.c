/* SPDX-License-Identifier: Apache-2.0 */
/* place-credentials.c - from a place's name and a file of credentials to the target of an object
 * store; see place.h
 *
 * The files are those that other tools take as well: AWS' "credentials" (its section [default], or
 * none), and the connection string that Azure's portal shows. What is not known in them is passed
 * over, as those tools do. */
#include "place.h"

#include "arena.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX 16384
#define CA_MAX (256u << 10) /* as s3-config.c takes */
#define S3_SCHEME "s3://"
#define AZURE_SCHEME "azblob://"
#define AZURE_IDENTITY "ManagedIdentity"
#define AZURE_SUFFIX "core.windows.net"

/* ---- files */

/* SECRET: nobody else may read it. RET's LEN is what was read. */
static int read_file(const char *path, bool secret, size_t max, struct secret_text *ret,
                     struct err *err) {
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        cleanup_(secret_text_free) struct secret_text text = { arena_alloc(max + 1), max };
        struct stat st;
        size_t n;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        if (secret && (st.st_mode & 077))
                return err_set(err, -EPERM,
                               "%s holds credentials and can be read by others: "
                               "chmod 600 %s",
                               path, path);
        r = file_read_all(fd, text.data, max, &n);
        if (r < 0)
                return err_set(err, r, "%s: %s", path, strerror(-r));
        secret_text_set(ret, text.data, n);
        return 0;
}

/* ---- words of them */

/* The value of NAME among words that END ends, "=" between; of [default] alone where there are
 * sections. The caller's; wiped by it. */
static char *word(const struct secret_text *text, const char *name, char between) {
        size_t len = strlen(name);
        bool ours = true;

        for (const char *p = text->data, *stop = p + text->len; p < stop;) {
                const char *next = memchr(p, between, (size_t)(stop - p)),
                           *end = next ? next : stop;
                const char *eq = memchr(p, '=', (size_t)(end - p)), *last = eq;

                while (p < end && strchr(" \t\r\n", *p))
                        p++;
                if (p < end && *p == '[')
                        ours = str_starts(p, "[default]");
                while (last && last > p && strchr(" \t", last[-1]))
                        last--;
                if (ours && eq && (size_t)(last - p) == len && memcmp(p, name, len) == 0) {
                        const char *value = eq + 1, *tail = end;

                        while (value < tail && strchr(" \t", *value))
                                value++;
                        while (tail > value && strchr(" \t\r\n", tail[-1]))
                                tail--;
                        return str_ndup(value, (size_t)(tail - value));
                }
                p = next ? next + 1 : stop;
        }
        return NULL;
}

/* ---- S3 */

static int s3_target(const char *file, json_t *config, struct err *err) {
        cleanup_(secret_text_free) struct secret_text text = {};
        cleanup_(freep) char *id = NULL, *region = NULL, *endpoint = NULL, *session = NULL;
        cleanup_(wipep) char *key = NULL;
        cleanup_(freep) char *usual = NULL;
        int r = read_file(file, true, FILE_MAX, &text, err);

        if (r < 0)
                return r;
        id = word(&text, "aws_access_key_id", '\n');
        key = word(&text, "aws_secret_access_key", '\n');
        session = word(&text, "aws_session_token", '\n');
        region = word(&text, "region", '\n');
        endpoint = word(&text, "endpoint_url", '\n');
        if (!id || !key)
                return err_set(err, -EINVAL,
                               "%s: needs lines aws_access_key_id = … and aws_secret_access_key = "
                               "…, in [default] or without sections",
                               file);
        if (session)
                return err_set(err, -EINVAL,
                               "%s: aws_session_token: what it belongs to ends within hours, and "
                               "backups with it; an access key of its own for them is wanted",
                               file);
        usual = str_format("https://s3.%s.amazonaws.com", region ? region : "us-east-1");
        json_object_set_new(config, "engine", json_string("s3"));
        json_object_set_new(config, "endpoint", json_words(endpoint ? endpoint : usual));
        json_object_set_new(config, "access-key", json_words(id));
        json_object_set_new(config, "secret-key", json_words(key));
        if (region)
                json_object_set_new(config, "region", json_words(region));
        return 0;
}

/* ---- Azure */

/* What lets in: one of three. */
static int azure_way_in(const char *file, const struct secret_text *text, json_t *config,
                        struct err *err) {
        cleanup_(wipep) char *key = word(text, "AccountKey", ';');
        cleanup_(wipep) char *signature = word(text, "SharedAccessSignature", ';');
        cleanup_(freep) char *manner = word(text, "Authentication", ';');
        cleanup_(freep) char *client = word(text, "ClientId", ';');
        cleanup_(freep) char *address = word(text, "IdentityEndpoint", ';');

        if (manner && !str_eq(manner, AZURE_IDENTITY))
                return err_set(err, -EINVAL, "%s: Authentication=%s: only " AZURE_IDENTITY, file,
                               manner);
        if (!key + !signature + !manner != 2)
                return err_set(
                        err, -EINVAL,
                        "%s: needs AccountKey=… or SharedAccessSignature=…, parted by \";\", "
                        "as the portal's connection string has it, or "
                        "Authentication=" AZURE_IDENTITY,
                        file);
        if (manner)
                json_object_set_new(
                        config, "identity",
                        json_pack("{s:s*, s:s*}", "client-id", client, "address", address));
        else
                json_object_set_new(config, "secret-key", json_words(key ? key : signature));
        return 0;
}

/* ACCOUNT: as the name has it, *REST from there on. */
static int azure_target(const char *file, const char **rest, json_t *config, struct err *err) {
        cleanup_(secret_text_free) struct secret_text text = {};
        cleanup_(freep) char *account = str_ndup(*rest, strcspn(*rest, "/"));
        cleanup_(freep) char *known = NULL, *suffix = NULL, *endpoint = NULL, *usual = NULL;
        int r = read_file(file, true, FILE_MAX, &text, err);

        if (r < 0)
                return r;
        *rest += strlen(account);
        *rest += **rest == '/';
        known = word(&text, "AccountName", ';');
        suffix = word(&text, "EndpointSuffix", ';');
        endpoint = word(&text, "BlobEndpoint", ';');
        if (known && !str_eq(known, account))
                return err_set(err, -EINVAL, "%s is of the account %s, not of %s", file, known,
                               account);
        usual = str_format("https://%s.blob.%s", account, suffix ? suffix : AZURE_SUFFIX);
        json_object_set_new(config, "engine", json_string("azure"));
        json_object_set_new(config, "endpoint", json_words(endpoint ? endpoint : usual));
        json_object_set_new(config, "access-key", json_words(account));
        return azure_way_in(file, &text, config, err);
}

/* ---- */

static int add_ca(const char *file, json_t *config, struct err *err) {
        cleanup_(secret_text_free) struct secret_text text = {};
        int r = file && *file ? read_file(file, false, CA_MAX, &text, err) : 0;

        if (r == 0 && text.len)
                json_object_set_new(config, "tls",
                                    json_pack("{s:s, s:o}", "mode", "verify-full", "ca",
                                              json_words(text.data)));
        return r;
}

int place_target(const struct place_options *o, const char *name, json_t **ret, char **ret_rest,
                 struct err *err) {
        bool azure = str_starts(name, AZURE_SCHEME);
        const char *file = azure ? o->azure_credentials : o->s3_credentials;
        const char *rest = name + strlen(azure ? AZURE_SCHEME : S3_SCHEME);
        cleanup_(json_freep) json_t *config = json_object();
        int r;

        if (!file || !*file)
                return err_set(err, -ENOKEY, "%s: no credentials: set backup-%s-credentials-file",
                               name, azure ? "azure" : "s3");
        r = azure ? azure_target(file, &rest, config, err) : s3_target(file, config, err);
        if (r >= 0)
                r = add_ca(o->ca, config, err);
        if (r < 0)
                return r;
        *ret = take_ptr(config);
        *ret_rest = str_dup(rest);
        return 0;
}
