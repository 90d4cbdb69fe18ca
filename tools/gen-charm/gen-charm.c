/* SPDX-License-Identifier: Apache-2.0 */
/* gen-charm.c - at build time: charm.yaml into charm.gen.h, and a charm's folder made ready
 *
 *   gen-charm header CHARM.YAML OUT.H
 *   gen-charm stage SOURCE MODULE OUT STAMP DEPFILE
 *
 * charm.gen.h holds the charm's name, the SHA-256 of charm.yaml that the worker compares, and a
 * constant for every name that C code may use (OPTION_, ENDPOINT_, RESOURCE_, STORAGE_, ACTION_):
 * a misspelt one does not compile. */
#include "gen-charm.h"

#include "digest.h"
#include "yaml.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#define CHARM_YAML_MAX (1u << 20)

int gen_charm_read_file(const char *path, struct buf *out, struct err *err) {
        cleanup_(fclosep) FILE *f = fopen(path, "re");
        char part[65536];
        size_t n;

        if (!f)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        while ((n = fread(part, 1, sizeof(part), f)) > 0)
                buf_add(out, part, n);
        return ferror(f) ? err_set(err, -EIO, "%s: cannot be read", path) : 0;
}

static bool name_valid(const char *name) {
        for (const char *p = name; *p; p++)
                if (!isalnum((unsigned char)*p) && !strchr("-_.", *p))
                        return false;
        return isalpha((unsigned char)*name);
}

static int put_constant(FILE *out, const char *prefix, const char *name, struct err *err) {
        if (!name_valid(name))
                return err_set(err, -EINVAL, "\"%s\" is no name: letters, digits, '-', '_', '.'",
                               name);
        fprintf(out, "#define %s", prefix);
        for (const char *p = name; *p; p++)
                fputc(isalnum((unsigned char)*p) ? toupper((unsigned char)*p) : '_', out);
        fprintf(out, " \"%s\"\n", name);
        return 0;
}

static int put_names(FILE *out, const char *prefix, const json_t *section, struct err *err) {
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)section, name, value) {
                int r = put_constant(out, prefix, name, err);

                if (r < 0)
                        return r;
        }
        return 0;
}

static void put_hash(FILE *out, const struct buf *text) {
        uint8_t sha256[DIGEST_SIZE];

        digest_sha256(text->data, text->len, sha256);
        fputs("static const uint8_t charm_gen_metadata[32] = {", out);
        for (size_t i = 0; i < sizeof(sha256); i++)
                fprintf(out, "%s0x%02x,", i % 8 ? " " : "\n        ", sha256[i]);
        fputs("\n};\n", out);
}

static int put_header(FILE *out, const struct buf *text, const json_t *j, struct err *err) {
        static const struct {
                const char *section, *prefix;
        } parts[] = { { "provides", "ENDPOINT_" },
                      { "requires", "ENDPOINT_" },
                      { "peers", "ENDPOINT_" },
                      { "resources", "RESOURCE_" },
                      { "storage", "STORAGE_" },
                      { "actions", "ACTION_" } };
        const char *name = json_get_str(j, "name", NULL);
        int r = name && name_valid(name) ? 0 : err_set(err, -EINVAL, "there is no proper \"name\"");

        if (r < 0)
                return r;
        fprintf(out, "/* Made by gen-charm from charm.yaml. */\n#pragma once\n\n#include "
                     "\"charm.h\"\n\n");
        fprintf(out, "#define CHARM_GEN_NAME \"%s\"\n", name);
        put_hash(out, text);
        r = put_names(out, "OPTION_", json_dig(j, "config", "options", NULL), err);
        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(parts); i++)
                r = put_names(out, parts[i].prefix, json_get(j, parts[i].section), err);
        return r;
}

static int make_header(const char *path, const char *out_path, struct err *err) {
        cleanup_(yaml_stream_free) struct yaml_stream y = {};
        cleanup_(buf_free) struct buf text = BUF_INIT;
        cleanup_(fclosep) FILE *out = NULL;
        int r = gen_charm_read_file(path, &text, err);

        if (r >= 0 && text.len > CHARM_YAML_MAX)
                r = err_set(err, -E2BIG, "%s: more than %u bytes", path, CHARM_YAML_MAX);
        if (r >= 0)
                r = yaml_parse(buf_str(&text), text.len, path, YAML_CORE, &y, err);
        if (r < 0)
                return r;
        if (y.count != 1 || !json_is_object(y.documents[0].root))
                return err_set(err, -EINVAL, "%s is not one map", path);
        out = fopen(out_path, "we");
        if (!out)
                return err_set(err, -errno, "%s: %s", out_path, strerror(errno));
        r = put_header(out, &text, y.documents[0].root, err);
        if (r < 0)
                remove(out_path);
        return r < 0 ? err_add(err, r, "%s", path) : 0;
}

int main(int argc, char **argv) {
        struct err err = {};
        int r;

        if (argc == 4 && str_eq(argv[1], "header")) {
                r = make_header(argv[2], argv[3], &err);
        } else if (argc == 7 && str_eq(argv[1], "stage")) {
                r = gen_charm_stage(argv[2], argv[3], argv[4], argv[5], argv[6], &err);
        } else {
                fprintf(stderr, "Usage: gen-charm header CHARM.YAML OUT.H\n"
                                "       gen-charm stage SOURCE MODULE OUT STAMP DEPFILE\n");
                return 2;
        }
        if (r < 0)
                fprintf(stderr, "gen-charm: %s\n", err_text(&err));
        return r < 0 ? 1 : 0;
}
