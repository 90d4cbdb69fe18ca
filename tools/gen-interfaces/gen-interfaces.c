/* SPDX-License-Identifier: Apache-2.0 */
/* gen-interfaces.c - at build time: schema/interfaces/NAME.yaml into the table of
 * daemon/model/interface.c
 *
 *   gen-interfaces OUT.c FILE...
 *
 * A schema with an unknown word, a missing member or another name than its file's breaks the
 * build. */
#include "yaml.h"

#include <errno.h>
#include <stdlib.h>

#define SCHEMA_MAX (64u << 10)

static const char *const types[] = { "text", "int", "number", "bool", "list", "map", "any", NULL };
static const char *const writers[] = { "provides", "requires", "both", NULL };
static const char *const secrets[] = { "never", "maybe", "always", NULL };

struct field {
        const char *name, *meaning;
        int type, writer, secret;
        bool required;
};

static const struct json_field field_fields[] = {
        { "name", JSON_FIELD_STRING, offsetof(struct field, name), JSON_REQUIRED, 1, 100, NULL },
        { "type", JSON_FIELD_ENUM, offsetof(struct field, type), JSON_REQUIRED, 0, 0, types },
        { "writer", JSON_FIELD_ENUM, offsetof(struct field, writer), JSON_REQUIRED, 0, 0, writers },
        { "required", JSON_FIELD_BOOL, offsetof(struct field, required), JSON_REQUIRED, 0, 0,
          NULL },
        { "secret", JSON_FIELD_ENUM, offsetof(struct field, secret), 0, 0, 0, secrets },
        { "meaning", JSON_FIELD_STRING, offsetof(struct field, meaning), JSON_REQUIRED, 1, 300,
          NULL },
        {},
};

struct schema {
        const char *interface, *summary, *note;
        json_t *fields;
};

static const struct json_field schema_fields[] = {
        { "interface", JSON_FIELD_STRING, offsetof(struct schema, interface), JSON_REQUIRED, 1, 100,
          NULL },
        { "summary", JSON_FIELD_STRING, offsetof(struct schema, summary), JSON_REQUIRED, 1, 300,
          NULL },
        { "note", JSON_FIELD_STRING, offsetof(struct schema, note), 0, 1, 300, NULL },
        { "fields", JSON_FIELD_LIST, offsetof(struct schema, fields), JSON_REQUIRED, 0, 0, NULL },
        {},
};

static int read_file(const char *path, struct buf *out, struct err *err) {
        cleanup_(fclosep) FILE *f = fopen(path, "re");
        char part[4096];
        size_t n;

        if (!f)
                return err_set(err, -ENOENT, "%s: cannot be opened", path);
        while ((n = fread(part, 1, sizeof(part), f)) > 0 && out->len < SCHEMA_MAX)
                buf_add(out, part, n);
        return out->len < SCHEMA_MAX ? 0 : err_set(err, -E2BIG, "%s: too large", path);
}

/* A C string is written as a JSON string: what our names and sentences hold is the same in both. */
static void put_string(FILE *out, const char *text) {
        cleanup_(json_freep) json_t *j = json_string(text);
        cleanup_(freep) char *quoted = json_text(j);

        fputs(quoted, out);
}

static int write_fields(const struct schema *s, size_t index, const struct json_where *where,
                        FILE *out, struct err *err) {
        json_t *j;
        size_t i;

        fprintf(out, "static const struct interface_field fields_%zu[] = {\n", index);
        json_array_foreach(s->fields, i, j) {
                struct field f = {};
                int r = json_decode(j, field_fields, false, &f, where, err);

                if (r < 0)
                        return r;
                fputs("        { ", out);
                put_string(out, f.name);
                fprintf(out, ", %d, %d, %d, %s },\n", f.type, f.writer, f.secret,
                        f.required ? "true" : "false");
        }
        fputs("};\n", out);
        return 0;
}

static int write_schema(const char *path, size_t index, FILE *out, struct buf *table,
                        struct err *err) {
        cleanup_(yaml_stream_free) struct yaml_stream y = {};
        cleanup_(buf_free) struct buf text = BUF_INIT;
        cleanup_(freep) char *expected = NULL;
        struct json_where where = { path, NULL, "" };
        struct schema s = {};
        int r = read_file(path, &text, err);

        if (r >= 0)
                r = yaml_parse(text.data, text.len, path, YAML_CORE, &y, err);
        if (r >= 0 && y.count != 1)
                r = err_set(err, -EINVAL, "%s: wants one document", path);
        if (r < 0)
                return r;
        where.lines = y.documents[0].lines;
        r = json_decode(y.documents[0].root, schema_fields, false, &s, &where, err);
        if (r < 0)
                return r;
        expected = str_format("/%s.yaml", s.interface);
        if (!str_ends(path, expected))
                return err_set(err, -EINVAL, "%s: calls itself %s", path, s.interface);
        buf_printf(table, "        { \"%s\", fields_%zu, %zu },\n", s.interface, index,
                   json_array_size(s.fields));
        return write_fields(&s, index, &where, out, err);
}

static int write_all(FILE *out, int argc, char **argv, struct err *err) {
        cleanup_(buf_free) struct buf table = BUF_INIT;
        int r = 0;

        fputs("/* Made by gen-interfaces from schema/interfaces. */\n#include "
              "\"interface-table.h\"\n\n",
              out);
        for (int i = 2; r >= 0 && i < argc; i++)
                r = write_schema(argv[i], (size_t)i, out, &table, err);
        fprintf(out, "const struct interface_schema interface_table[] = {\n%s};\n",
                buf_str(&table));
        fprintf(out, "const size_t interface_table_count = %d;\n", argc - 2);
        return r;
}

int main(int argc, char **argv) {
        struct err err = {};
        FILE *out = argc >= 3 ? fopen(argv[1], "we") : NULL;
        int r;

        if (!out) {
                fprintf(stderr, "Usage: gen-interfaces OUT.c FILE...\n");
                return 2;
        }
        r = write_all(out, argc, argv, &err);
        if (fclose(out) != 0)
                r = -EIO;
        if (r < 0) {
                fprintf(stderr, "gen-interfaces: %s\n", err_text(&err));
                remove(argv[1]);
        }
        return r < 0 ? 1 : 0;
}
