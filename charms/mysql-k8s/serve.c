/* SPDX-License-Identifier: Apache-2.0 */
/* serve.c - for each relation that asked: a database, a user of its own, a grant
 *
 * What a relation is told it is told when the three are there, and from then on for good: a user
 * that somebody drops is made again, and its clients must not be torn down meanwhile. What was
 * told once, and which databases there are, is noted in the peer relation, the only memory of a
 * pure function. While the credentials of a relation are rotated it has two users (serve.h): both
 * are wanted, and it is told the second once that is there. */
#include "serve.h"

#include "backup.h"
#include "charm.gen.h"
#include "replica.h"
#include "tls.h"
#include "upgrade.h"

#include <stdlib.h>
#include <strings.h>

#define USER_PASSWORD_LENGTH 24
#define USER_MAX 32                /* characters of a MySQL user name */
#define DATABASE_MAX 63            /* the sql provider's, who serves PostgreSQL too */
#define NOTE_DATABASES "databases" /* key in the peer relation */
/* Relations whose labels, with the server's own, are always in the view. */
#define SEEN_UNASKED_MAX 12

/* ---- which users a relation has */

static const struct charm_relation *peers_of(const struct charm_view *v) {
        return charm_relation(v, ENDPOINT_DATABASE_PEERS, 0);
}

/* The number behind MARK at *TEXT, which goes on behind it; 0: there is no such mark. */
static int64_t take_number(const char **text, char mark) {
        char *end;
        int64_t n;

        if (**text != mark)
                return 0;
        n = strtoll(*text + 1, &end, 10);
        *text = end;
        return n;
}

/* The option's pattern has checked it. */
static struct serve_users read_entry(const char *entry) {
        struct serve_users u = { .current = take_number(&entry, ':') };

        u.old = take_number(&entry, '/');
        u.until = take_number(&entry, '@');
        u.refused = take_number(&entry, '#');
        return u;
}

/* The number of the user that it was told last. */
static int64_t noted_user(const struct charm_view *v, struct charm_plan *p, int64_t relation) {
        const struct charm_relation *peers = peers_of(v);
        const char *key = charm_text(p, "relation-%lld-user", (long long)relation);
        const char *noted = peers ? charm_told(peers, key) : NULL;

        return noted ? strtoll(noted, NULL, 10) : 1;
}

struct serve_users serve_users(const struct charm_view *v, struct charm_plan *p, int64_t relation) {
        const char *list = charm_option(v, OPTION_RELATION_USERS);
        struct serve_users u = { .current = 1 };
        int64_t noted = noted_user(v, p, relation);

        for (; *list; list = charm_list_rest(list)) {
                const char *entry = charm_list_first(p, list);
                char *end;

                if (strtoll(entry, &end, 10) == relation)
                        u = read_entry(end);
        }
        /* Somebody has reset the option: what the relation was told stays. */
        return noted > u.current ? (struct serve_users){ .current = noted } : u;
}

static bool is_related(const struct charm_view *v, int64_t relation) {
        for (size_t i = 0; i < charm_relations(v, ENDPOINT_DATABASE); i++)
                if (charm_relation(v, ENDPOINT_DATABASE, i)->id == relation)
                        return true;
        return false;
}

static const char *write_entry(struct charm_plan *p, int64_t relation,
                               const struct serve_users *u) {
        const char *text = charm_text(p, "%lld:%lld", (long long)relation, (long long)u->current);

        if (u->old)
                text = charm_text(p, "%s/%lld", text, (long long)u->old);
        if (u->until)
                text = charm_text(p, "%s@%lld#%lld", text, (long long)u->until,
                                  (long long)u->refused);
        return text;
}

const char *serve_users_option(const struct charm_view *v, struct charm_plan *p, int64_t relation,
                               const struct serve_users *u) {
        const char *list = charm_option(v, OPTION_RELATION_USERS);
        const char *text = write_entry(p, relation, u);

        for (; *list; list = charm_list_rest(list)) {
                const char *entry = charm_list_first(p, list);
                int64_t of = strtoll(entry, NULL, 10);

                if (of != relation && is_related(v, of))
                        text = charm_text(p, "%s,%s", text, entry);
        }
        return text;
}

bool serve_is_told(const struct charm_view *v, struct charm_plan *p, int64_t relation,
                   int64_t user) {
        const struct charm_relation *peers = peers_of(v);
        const char *key = charm_text(p, "relation-%lld", (long long)relation);

        return peers && charm_told(peers, key) && noted_user(v, p, relation) == user;
}

/* "relation-5/user", of later ones "relation-5/user-2". */
const char *serve_label(struct charm_plan *p, int64_t relation, const char *what, int64_t user) {
        const char *label = charm_text(p, "relation-%lld/%s", (long long)relation, what);

        return user == 1 ? label : charm_text(p, "%s-%lld", label, (long long)user);
}

/* "relation-5", of later ones "relation-5-2". */
const char *serve_secret(struct charm_plan *p, int64_t relation, int64_t user) {
        const char *label = charm_text(p, "relation-%lld", (long long)relation);

        return user == 1 ? label : charm_text(p, "%s-%lld", label, (long long)user);
}

const char *serve_user_name(const struct charm_view *v, struct charm_plan *p, int64_t relation,
                            int64_t user) {
        long long id = (long long)relation;
        const char *name = user == 1 ? charm_text(p, "relation-%lld_%s", id, charm_model(v))
                                     : charm_text(p, "relation-%lld-%lld_%s", id, (long long)user,
                                                  charm_model(v));

        return charm_text(p, "%.*s", USER_MAX, name);
}

/* ---- relations */

struct served {
        const struct charm_relation *relation;
        const char *database; /* as asked for */
        const char *note;     /* key in the peer relation */
        const char *database_label;
        struct serve_users users;
};

/* Those of the servers that the provider knows: it would refuse them, and the whole plan with
 * them. */
static bool is_system(const char *database) {
        static const char *const names[] = { "mysql",    "information_schema", "performance_schema",
                                             "sys",      "postgres",           "template0",
                                             "template1" };

        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
                if (!strcasecmp(database, names[i]))
                        return true;
        return false;
}

/* Narrower than MySQL: the name is part of a label too. */
static bool is_name(const char *database) {
        static const char letters[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
        size_t length = strlen(database);

        return length > 0 && length <= DATABASE_MAX && strspn(database, letters) == length;
}

/* What was asked for beyond a database, which would be granted to nobody here; NULL: nothing. */
static const char *asked_beyond(const struct charm_relation *r) {
        static const char *const keys[] = { "extra-user-roles", "extra-group-roles", "entity-type",
                                            "entity-permissions", "external-node-connectivity" };

        for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
                const char *told = charm_told(r, keys[i]);

                if (told && *told && strcmp(told, "false") != 0 && strcmp(told, "[]") != 0)
                        return keys[i];
        }
        return NULL;
}

/* False: nothing asked for yet, or it cannot be given. */
static bool read_relation(const struct charm_view *v, struct charm_plan *p,
                          const struct charm_relation *r, struct served *ret) {
        const char *database = charm_told(r, "database"), *beyond = asked_beyond(r);

        if (!database)
                return false;
        if (!is_name(database) || is_system(database)) {
                charm_status(p, CHARM_BLOCKED,
                             "%s asks for the database \"%.64s\": that name is not given away",
                             r->application, database);
                return false;
        }
        if (beyond) {
                charm_status(p, CHARM_BLOCKED,
                             "%s asks for %s: only a database and its user are served",
                             r->application, beyond);
                return false;
        }
        *ret = (struct served){ .relation = r,
                                .database = database,
                                .note = charm_text(p, "relation-%lld", (long long)r->id),
                                .database_label = charm_text(p, "database/%s", database),
                                .users = serve_users(v, p, r->id) };
        return true;
}

static void want_at_server(const struct charm_view *v, struct charm_plan *p, const char *label,
                           const char *file, const struct charm_hole *holes) {
        charm_want_at(p, label, "server", file, holes);
        charm_needs(p, label, replica_label(p, "statefulset", replica_primary(v)), CHARM_READY);
}

/* The token of its password. */
static const char *want_user(const struct charm_view *v, struct charm_plan *p,
                             const struct served *s, int64_t user, bool locked) {
        int64_t id = s->relation->id;
        const char *name = serve_user_name(v, p, id, user);
        const char *password = charm_secret(p, serve_secret(p, id, user), SERVE_PASSWORD,
                                            USER_PASSWORD_LENGTH, NULL);

        want_at_server(v, p, serve_label(p, id, "user", user), "user.yaml",
                       CHARM_HOLES({ "name", CHARM_TEXT, name },
                                   { "password", CHARM_TEXT, password },
                                   { "locked", locked ? CHARM_BOOL : CHARM_NONE, NULL, 1 }));
        want_at_server(
                v, p, serve_label(p, id, "grant", user), "grant.yaml",
                CHARM_HOLES({ "user", CHARM_TEXT, name }, { "database", CHARM_TEXT, s->database }));
        return password;
}

static bool is_ready(const struct charm_view *v, struct charm_plan *p, const struct served *s,
                     int64_t user) {
        const char *const labels[] = { s->database_label,
                                       serve_label(p, s->relation->id, "user", user),
                                       serve_label(p, s->relation->id, "grant", user) };
        bool ready = true, few = charm_relations(v, ENDPOINT_DATABASE) <= SEEN_UNASKED_MAX &&
                                 !charm_option_set(v, OPTION_RELATION_USERS);

        for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
                ready = ready && charm_exists(v, labels[i]) && charm_ready(v, labels[i]);
                if (!few)
                        charm_see(p, labels[i], "/name");
        }
        return ready;
}

/* Which of its users it is told: the new one once that is there, and then for good. */
static int64_t choose_user(const struct charm_view *v, struct charm_plan *p,
                           const struct served *s) {
        const struct serve_users *u = &s->users;

        if (!u->old || noted_user(v, p, s->relation->id) == u->current ||
            is_ready(v, p, s, u->current))
                return u->current;
        return u->old;
}

/* Is this relation told of its database and USER: now, or before and so from then on? */
static bool keep_noted(const struct charm_view *v, struct charm_plan *p, const struct served *s,
                       int64_t user) {
        const struct charm_relation *peers = peers_of(v);
        const char *noted = peers ? charm_told(peers, s->note) : NULL;
        bool told = (noted && !strcmp(noted, s->database)) || is_ready(v, p, s, user);

        if (!peers || !told)
                return told;
        charm_tell(p, peers, s->note, s->database);
        if (user != 1)
                charm_tell(p, peers, charm_text(p, "%s-user", s->note),
                           charm_text(p, "%lld", (long long)user));
        return true;
}

static void say_rotation(const struct charm_view *v, struct charm_plan *p, const struct served *s) {
        const struct serve_users *u = &s->users;
        const char *old = serve_user_name(v, p, s->relation->id, u->old);

        if (u->until)
                charm_status(p, CHARM_ACTIVE, "%s, which %s had, is locked, and goes after %s", old,
                             s->relation->application, backup_time(p, u->until * 1000));
        else if (u->old)
                charm_status(p, CHARM_ACTIVE, "%s is being given another user, and %s lets in too",
                             s->relation->application, old);
}

static void tell_tls(const struct charm_view *v, struct charm_plan *p, const struct served *s) {
        const char *ca = tls_ca(v, p);

        if (!ca)
                return;
        charm_tell_bool(p, s->relation, "tls", true);
        charm_tell(p, s->relation, "tls-ca", ca);
}

static void serve(const struct charm_view *v, struct charm_plan *p, const struct served *s) {
        const struct serve_users *u = &s->users;
        const char *password = want_user(v, p, s, u->current, false);
        int64_t user = choose_user(v, p, s);

        if (u->old) {
                const char *before = want_user(v, p, s, u->old, u->until != 0);

                password = user == u->old ? before : password;
                say_rotation(v, p, s);
        }
        if (!keep_noted(v, p, s, user))
                return;
        charm_tell(p, s->relation, "database", s->database);
        charm_tell(p, s->relation, "username", serve_user_name(v, p, s->relation->id, user));
        charm_tell(p, s->relation, "password", password);
        /* No dot at the end of the name: clients split at the one colon and dial what stands
         * before it. */
        charm_tell(p, s->relation, "endpoints",
                   charm_text(p, "%s-primary.%s.svc.cluster.local:3306", charm_application(v),
                              charm_model(v)));
        if (replica_units(v) > 1)
                charm_tell(p, s->relation, "read-only-endpoints",
                           charm_text(p, "%s-replicas.%s.svc.cluster.local:3306",
                                      charm_application(v), charm_model(v)));
        if (strstr(upgrade_image(v), ":" SERVE_VERSION))
                charm_tell(p, s->relation, "version", SERVE_VERSION);
        tell_tls(v, p, s);
}

/* ---- what is kept
 *
 * A database that was asked for once stays wanted when its relation goes: what no plan wants is
 * removed, and data is not. So their names are noted in the peer relation, "a,b,c". */

static void want_databases(const struct charm_view *v, struct charm_plan *p, const char *list) {
        for (; *list; list = charm_list_rest(list)) {
                const char *name = charm_list_first(p, list);

                want_at_server(v, p, charm_text(p, "database/%s", name), "database.yaml",
                               CHARM_HOLES({ "name", CHARM_TEXT, name }));
        }
}

/* Both have all rights there. As they asked for it, but seldom meant. */
static void tell_shared(struct charm_plan *p, const struct served *served, size_t count) {
        for (size_t i = 0; i < count; i++)
                for (size_t j = 0; j < i; j++)
                        if (!strcmp(served[i].database, served[j].database))
                                charm_status(p, CHARM_ACTIVE, "%s and %s share the database %s",
                                             served[j].relation->application,
                                             served[i].relation->application, served[i].database);
}

void serve_databases(const struct charm_view *v, struct charm_plan *p) {
        const struct charm_relation *peers = peers_of(v);
        size_t relations = charm_relations(v, ENDPOINT_DATABASE), count = 0;
        struct served *served = charm_memory(p, (relations + 1) * sizeof(*served));
        const char *kept = peers ? charm_told(peers, NOTE_DATABASES) : NULL;

        kept = kept ? kept : "";
        for (size_t i = 0; i < relations; i++) {
                struct served *s = &served[count];

                if (!read_relation(v, p, charm_relation(v, ENDPOINT_DATABASE, i), s))
                        continue;
                if (!charm_list_has(kept, s->database))
                        kept = charm_text(p, "%s%s%s", kept, *kept ? "," : "", s->database);
                count++;
        }
        if (peers && *kept)
                charm_tell(p, peers, NOTE_DATABASES, kept);
        want_databases(v, p, kept);
        tell_shared(p, served, count);
        for (size_t i = 0; i < count; i++)
                serve(v, p, &served[i]);
}
