/* SPDX-License-Identifier: Apache-2.0 */
/* token.c - SQL as words, texts and signs, and the words that are not allowed
 *
 * Enough of a lexer to tell a keyword from the same letters in a comment or in quotes. */
#include "gen-sql.h"

#include <ctype.h>
#include <strings.h>

static const struct {
        const char *word;
        bool call; /* only where a bracket follows */
        const char *instead;
} forbidden[] = {
        {"RETURNING",          false, "read the row with a query of its own"         },
        { "VACUUM",            false, "files are the engine's"                       },
        { "ATTACH",            false, "files are the engine's"                       },
        { "DETACH",            false, "files are the engine's"                       },
        { "PRAGMA",            false, "settings are the engine's"                    },
        { "COMMIT",            false, "transactions are the store's"                 },
        { "ROLLBACK",          false, "transactions are the store's"                 },
        { "SAVEPOINT",         false, "transactions are the store's"                 },
        { "last_insert_rowid", true,  "take the id from tx_id before"                },
        { "changes",           true,  "the write function returns it"                },
        { "total_changes",     true,  "the write function returns it"                },
        { "random",            true,  "a transaction may run twice; make it an input"},
        { "randomblob",        true,  "a transaction may run twice; make it an input"},
        { "date",              true,  "make the time an input (tx_now)"              },
        { "time",              true,  "make the time an input (tx_now)"              },
        { "datetime",          true,  "make the time an input (tx_now)"              },
        { "julianday",         true,  "make the time an input (tx_now)"              },
        { "unixepoch",         true,  "make the time an input (tx_now)"              },
        { "strftime",          true,  "make the time an input (tx_now)"              },
        { "CURRENT_TIMESTAMP", false, "make the time an input (tx_now)"              },
        { "CURRENT_DATE",      false, "make the time an input (tx_now)"              },
        { "CURRENT_TIME",      false, "make the time an input (tx_now)"              },
};

static const char *skip_blanks(const char *p) {
        for (;;) {
                while (isspace((unsigned char)*p))
                        p++;
                if (p[0] == '-' && p[1] == '-') {
                        p += strcspn(p, "\n");
                } else if (p[0] == '/' && p[1] == '*') {
                        const char *end = strstr(p + 2, "*/");

                        p = end ? end + 2 : p + strlen(p);
                } else {
                        return p;
                }
        }
}

static const char *skip_quoted(const char *p) {
        char quote = *p++;

        while (*p && !(*p == quote && p[1] != quote))
                p += *p == quote ? 2 : 1;
        return *p ? p + 1 : p;
}

bool gen_token_next(const char **p, struct gen_token *ret) {
        const char *s = skip_blanks(*p);

        *ret = (struct gen_token){ .start = s, .kind = *s, .len = 1 };
        if (!*s)
                return false;
        *p = s + 1;
        if (isalnum((unsigned char)*s) || *s == '_') {
                while (isalnum((unsigned char)**p) || **p == '_')
                        (*p)++;
                ret->kind = 'w';
        } else if (*s == '\'' || *s == '"') {
                *p = skip_quoted(s);
                ret->kind = 's';
        }
        ret->len = *p - s;
        return true;
}

bool gen_token_is(const struct gen_token *t, const char *word) {
        return t->kind == 'w' && t->len == strlen(word) && !strncasecmp(t->start, word, t->len);
}

bool gen_forbidden(struct gen *g, const char *file, int line, const char *sql) {
        const char *p = sql;
        struct gen_token t;
        int before = g->faults;

        while (gen_token_next(&p, &t)) {
                for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++) {
                        if (!gen_token_is(&t, forbidden[i].word))
                                continue;
                        if (forbidden[i].call && *skip_blanks(p) != '(')
                                continue;
                        gen_fault(g, file, gen_line_of(sql, t.start - sql, line),
                                  "%s is not allowed: %s", forbidden[i].word, forbidden[i].instead);
                }
        }
        return g->faults > before;
}
