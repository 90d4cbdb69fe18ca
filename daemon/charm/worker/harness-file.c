/* SPDX-License-Identifier: Apache-2.0 */
/* harness-file.c - the files that the harness compares with; see harness-file.h */
#include "harness-file.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#define FILE_MAX (64u << 20)

static int read_file(const char *path, struct buf *out, struct err *err) {
        cleanup_(fclosep) FILE *f = fopen(path, "re");
        char part[16384];
        size_t n;

        if (!f)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        while ((n = fread(part, 1, sizeof(part), f)) > 0) {
                buf_add(out, part, n);
                if (out->len > FILE_MAX)
                        return err_set(err, -E2BIG, "%s: more than %u bytes", path, FILE_MAX);
        }
        return 0;
}

int harness_read_json(const char *path, json_t **ret, struct err *err) {
        cleanup_(buf_free) struct buf text = BUF_INIT;
        int r = read_file(path, &text, err);

        if (r < 0)
                return r;
        r = json_parse(buf_str(&text), text.len, ret, err);
        return r < 0 ? err_add(err, r, "%s", path) : 0;
}

char *harness_pretty(const json_t *j) {
        /* check-style: banned: a file for people, indented */
        char *text = json_dumps(j, JSON_INDENT(2) | JSON_SORT_KEYS),
             *line = str_format("%s\n", text);

        free(text);
        return line;
}

int harness_write(const char *path, const json_t *j, struct err *err) {
        cleanup_(freep) char *text = harness_pretty(j);
        cleanup_(fclosep) FILE *f = fopen(path, "we");

        if (!f || fputs(text, f) < 0)
                return err_set(err, -EIO, "%s cannot be written: %s", path, strerror(errno));
        return 0;
}

static size_t line_length(const char *p) {
        const char *end = strchr(p, '\n');

        return end ? (size_t)(end + 1 - p) : strlen(p);
}

static void print_lines(char mark, const char *from, const char *to) {
        for (const char *p = from; p < to; p += line_length(p))
                printf("  %c %.*s\n", mark, (int)(line_length(p) - (strchr(p, '\n') != NULL)), p);
}

/* Whole lines that both begin with and both end with are left out; a charm's plans differ in one
 * place mostly. */
void harness_print_difference(const char *want, const char *got) {
        const char *want_end = want + strlen(want), *got_end = got + strlen(got), *a, *b;

        while (*want && *got && line_length(want) == line_length(got) &&
               strncmp(want, got, line_length(want)) == 0) {
                size_t n = line_length(want);

                want += n;
                got += n;
        }
        while (want_end > want && got_end > got && want_end[-1] == got_end[-1]) {
                want_end--;
                got_end--;
        }
        for (a = want_end; *a && a > want && a[-1] != '\n'; a++)
                ;
        for (b = got_end; *b && b > got && b[-1] != '\n'; b++)
                ;
        print_lines('-', want, a);
        print_lines('+', got, b);
}

json_t *harness_list(const char *folder, const char *end) {
        struct dirent **list = NULL;
        json_t *names = json_array();
        int n = scandir(folder, &list, NULL, alphasort);

        for (int i = 0; i < n; i++) {
                const char *name = list[i]->d_name;

                if (*name != '.' && str_ends(name, end))
                        json_array_append_new(names,
                                              json_stringn(name, strlen(name) - strlen(end)));
                free(list[i]);
        }
        free(list);
        return names;
}

int harness_hold(const char *path, const json_t *got, bool update, struct err *err) {
        cleanup_(json_freep) json_t *want = NULL;
        cleanup_(freep) char *want_text = NULL, *got_text = NULL;
        int r = update ? harness_write(path, got, err) : harness_read_json(path, &want, err);

        if (r < 0)
                return update ? r : err_add(err, r, "(--update writes it)");
        if (update || json_equal(want, got))
                return 0;
        want_text = harness_pretty(want);
        got_text = harness_pretty(got);
        harness_print_difference(want_text, got_text);
        return err_set(err, -EINVAL, "it says something else than in %s", path);
}
