/* SPDX-License-Identifier: Apache-2.0 */
/* backup-read.c - what reads a backup: its metadata, all of its dump to nowhere, or into a command
 *
 * For restore and verify-backup, which both have steps of the names "nearest" and "verify". */
#include "backup.h"

#define ID_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:._-"

const char *backup_noted(const struct charm_world *w, struct charm_ask *a, const char *name) {
        const char *text = backup_meta(a, charm_state(w, "meta"), name, 0);

        return text ? text : "";
}

bool backup_is_sealed(const struct charm_world *w, struct charm_ask *a) {
        return !strcmp(backup_noted(w, a, "sealed"), "yes");
}

const char *backup_wanted(const struct charm_world *w) {
        const char *chosen = charm_state(w, "id");

        return chosen ? chosen : charm_param(w, "backup-id");
}

/* ---- find */

static bool is_id(const char *id) {
        return *id && strlen(id) <= 64 && id[0] != '.' && strspn(id, ID_LETTERS) == strlen(id);
}

static bool is_whole(struct charm_ask *a, const char *text) {
        static const char *const names[] = { "id", "sealed", "bytes", "sha256", "database" };
        const char *format = backup_meta(a, text, "format", 0);
        size_t length = strlen(text);

        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
                if (!backup_meta(a, text, names[i], 0))
                        return false;
        return format && !strcmp(format, backup_format) && length > 5 &&
               !strcmp(text + length - 5, "\nend\n") &&
               strlen(backup_meta(a, text, "sha256", 0)) == 64;
}

static void take_meta(const struct charm_world *w, struct charm_ask *a) {
        const char *text = charm_answer(w, "/body"), *id = backup_wanted(w);
        bool given = backup_passphrase(w) != NULL;

        if (!text || !is_whole(a, text) || strcmp(backup_meta(a, text, "id", 0), id) != 0)
                return charm_give_up(a,
                                     "the metadata of %s is cut off, or was changed; nothing was "
                                     "touched",
                                     id);
        if (!strcmp(backup_meta(a, text, "sealed", 0), "yes") && !given)
                return charm_give_up(a,
                                     "%s is encrypted: its passphrase is needed; nothing was "
                                     "touched",
                                     id);
        charm_set(a, "meta", text);
        charm_log(a, "%s, of %s in %s, server %s: %s bytes, %s of SQL", id,
                  backup_meta(a, text, "application", 0), backup_meta(a, text, "model", 0),
                  backup_meta(a, text, "server", 0), backup_meta(a, text, "bytes", 0),
                  backup_meta(a, text, "plain-bytes", 0));
        charm_goto(a, "verify");
}

void backup_find(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *id = backup_wanted(w);

        if (!is_id(id))
                return charm_give_up(a, "Invalid backup-id: %.64s", id);
        if (!outcome)
                return backup_ask_object(w, a, "get-object", id, BACKUP_METADATA, "");
        if (!strcmp(outcome, "gone"))
                return charm_goto(a, "nearest");
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "the bucket: %s: %s", outcome, charm_error(w));
        take_meta(w, a);
}

/* ---- nearest: what else there is */

static size_t alike(const char *a, const char *b) {
        size_t n = 0;

        for (; *a && *b; a++, b++)
                n += *a == *b;
        return n;
}

struct nearest {
        const char *wanted, *best;
};

static void take_nearer(void *arg, const struct backup_entry *e) {
        struct nearest *n = arg;

        if (e->noted && alike(e->id, n->wanted) >= alike(n->best, n->wanted))
                n->best = e->id;
}

void backup_offer_nearest(const struct charm_world *w, struct charm_ask *a) {
        const char *near = charm_state(w, "near");
        struct nearest n = { backup_wanted(w), near ? near : "" };

        if (!backup_walk(w, a, take_nearer, &n))
                return charm_set(a, "near", n.best);
        charm_give_up(a, "Invalid backup-id: there is no %s%s%s", n.wanted,
                      *n.best ? "; the nearest is " : ", and no other backup", n.best);
}

/* ---- verify: all of it, to nowhere */

/* {"from": the dump, "to": TO, ...}: as it was packed. */
static const char *unpacking(const struct charm_world *w, struct charm_ask *a, const char *to) {
        struct charm_plan *p = charm_paper(a);
        bool sealed = backup_is_sealed(w, a);
        const char *from = backup_object(w, a, backup_wanted(w), backup_dump_file(sealed),
                                         ",\"target\":\"" BACKUP_TARGET "\"");

        if (!from)
                return NULL;
        return charm_text(p, "{\"from\":%s%s%s,\"undo\":true,\"gzip\":true,\"sha256\":%s%s%s}",
                          from, to ? ",\"to\":" : "", to ? to : "",
                          charm_quote(p, backup_noted(w, a, "sha256")), sealed ? ",\"key\":" : "",
                          sealed ? charm_quote(p, backup_passphrase(w)) : "");
}

static void ask_unpacking(struct charm_ask *a, const char *ask) {
        if (ask)
                charm_ask_verb(a, NULL, "stream", ask);
}

void backup_ask_unpack(const struct charm_world *w, struct charm_ask *a, const char *command) {
        ask_unpacking(a, unpacking(w, a, command));
}

/* As it is stored, for its hash alone: what a seal refuses is broken, or the key is another one. */
static void ask_stored(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *from = backup_object(w, a, backup_wanted(w), backup_dump_file(true),
                                         ",\"target\":\"" BACKUP_TARGET "\"");

        if (from)
                charm_ask_verb(a, NULL, "stream",
                               charm_text(p, "{\"from\":%s,\"sha256\":%s}", from,
                                          charm_quote(p, backup_noted(w, a, "sha256"))));
}

/* The answer to that. */
static enum backup_read tell_apart(const struct charm_world *w) {
        if (!strcmp(charm_outcome(w), "done"))
                return BACKUP_OTHER_KEY;
        return !strcmp(charm_outcome(w), "refused") ? BACKUP_BROKEN : BACKUP_NOT_READ;
}

enum backup_read backup_read(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (outcome && charm_state(w, "seal-refused"))
                return tell_apart(w);
        if (outcome && !strcmp(outcome, "done")) {
                charm_log(a, "its %s bytes have the hash that was noted",
                          charm_answer(w, "/bytes"));
                return BACKUP_READ;
        }
        if (outcome && strcmp(outcome, "refused") != 0)
                return BACKUP_NOT_READ;
        if (outcome && !backup_is_sealed(w, a))
                return BACKUP_BROKEN;
        if (outcome) {
                charm_set(a, "seal-refused", "1");
                ask_stored(w, a);
        } else {
                ask_unpacking(a, unpacking(w, a, NULL));
        }
        return BACKUP_ASKED;
}

void backup_read_through(const struct charm_world *w, struct charm_ask *a) {
        switch (backup_read(w, a)) {
        case BACKUP_ASKED:
                return;
        case BACKUP_READ:
                return charm_next(a);
        case BACKUP_OTHER_KEY:
                return charm_give_up(a,
                                     "%s cannot be restored: it is as it was stored, and the "
                                     "passphrase is not the one that it was sealed with; nothing "
                                     "was touched",
                                     backup_wanted(w));
        default:
                charm_give_up(a, "%s cannot be restored: %s: %s; nothing was touched",
                              backup_wanted(w), charm_outcome(w), charm_error(w));
        }
}

void backup_loaded(const struct charm_world *w, struct charm_ask *a, const char *left) {
        if (strcmp(charm_outcome(w), "done") != 0)
                return charm_give_up(a, "it broke off: %s: %s. %s", charm_outcome(w),
                                     charm_error(w), left);
        charm_log(a, "%s bytes of SQL are read back", charm_answer(w, "/plain-bytes"));
        charm_next(a);
}
