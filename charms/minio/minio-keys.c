/* SPDX-License-Identifier: Apache-2.0 */
/* minio-keys.c - generations of keys, and the actions rotate-root-key, rotate-relation-key
 *
 * The root key is the server's environment: another one is a roll of the server. A relation's is
 * a user: the second is made beside the first, the consumer is told it, and the first goes when
 * no object of the consumer holds it any more and all of them are ready. Until then both work, and
 * whoever runs the action again goes on there. */
#include "minio.h"

#include "charm.gen.h"

#include <stdlib.h>

/* ---- relation-keys: "3=2,5=4+" */

/* The entry of RELATION in LIST: after its "=", or NULL. */
static const char *find_entry(const char *list, int64_t relation) {
        for (; *list; list = charm_list_rest(list)) {
                char *end;

                if (strtoll(list, &end, 10) == relation && *end == '=')
                        return end + 1;
        }
        return NULL;
}

struct minio_keys minio_keys_of(const struct charm_view *v, struct charm_plan *p,
                                int64_t relation) {
        const char *entry = find_entry(charm_option(v, OPTION_RELATION_KEYS), relation);
        struct minio_keys k = { .generation = 1 };
        char *end;

        if (!entry)
                return k;
        k.generation = strtoll(entry, &end, 10);
        k.both = *end == '+';
        if (k.generation < 1 || k.generation > MINIO_GENERATIONS)
                charm_fail(p, "relation-keys: %lld=%lld: from 1 to %d", (long long)relation,
                           (long long)k.generation, MINIO_GENERATIONS);
        return k;
}

static bool is_relation(const struct charm_view *v, int64_t relation) {
        for (size_t i = 0; i < charm_relations(v, ENDPOINT_OBJECT_STORAGE); i++)
                if (charm_relation(v, ENDPOINT_OBJECT_STORAGE, i)->id == relation)
                        return true;
        return false;
}

/* The option with another entry for RELATION, and without those of relations that are gone. */
static const char *with_entry(const struct charm_view *v, struct charm_plan *p, int64_t relation,
                              struct minio_keys keys) {
        const char *list = charm_option(v, OPTION_RELATION_KEYS), *out = "";

        for (; *list; list = charm_list_rest(list)) {
                int64_t id = strtoll(list, NULL, 10);

                if (id != relation && is_relation(v, id))
                        out = charm_text(p, "%s%s%s", out, *out ? "," : "",
                                         charm_list_first(p, list));
        }
        if (keys.generation == 1 && !keys.both)
                return *out ? out : NULL;
        return charm_text(p, "%s%s%lld=%lld%s", out, *out ? "," : "", (long long)relation,
                          (long long)keys.generation, keys.both ? "+" : "");
}

/* ---- what the relation was told */

static const char *note_of(struct charm_plan *p, int64_t relation) {
        return charm_text(p, "keys-%lld", (long long)relation);
}

int64_t minio_keys_told(const struct charm_view *v, struct charm_plan *p, int64_t relation) {
        const struct charm_relation *peers = charm_relation(v, ENDPOINT_OBJECT_STORAGE_PEERS, 0);
        const char *note = peers ? charm_told(peers, note_of(p, relation)) : NULL;

        if (note)
                return strtoll(note, NULL, 10);
        return peers && charm_told(peers, minio_user(p, relation, 1)) ? 1 : 0;
}

void minio_keys_note(const struct charm_view *v, struct charm_plan *p, int64_t relation,
                     int64_t generation) {
        const struct charm_relation *peers = charm_relation(v, ENDPOINT_OBJECT_STORAGE_PEERS, 0);

        if (peers && generation > 1)
                charm_tell(p, peers, note_of(p, relation),
                           charm_text(p, "%lld", (long long)generation));
}

int64_t minio_generation_before(int64_t generation) {
        return generation > 1 ? generation - 1 : MINIO_GENERATIONS;
}

static int64_t generation_after(int64_t generation) {
        return generation % MINIO_GENERATIONS + 1;
}

const char *minio_user(struct charm_plan *p, int64_t relation, int64_t generation) {
        if (generation == 1)
                return charm_text(p, "relation-%lld", (long long)relation);
        return charm_text(p, "relation-%lld-%lld", (long long)relation, (long long)generation);
}

const char *minio_user_label(struct charm_plan *p, int64_t relation, int64_t generation) {
        return charm_text(p, "%s/user", minio_user(p, relation, generation));
}

/* ---- rotate-root-key */

/* Before it is another: whoever was given it by hand has to be given the new one so. */
static void root_holders(const struct charm_world *w, struct charm_ask *a) {
        const char *given = charm_option(charm_world_view(w), OPTION_SECRET_KEY),
                   *own = charm_owned(w, "root", MINIO_SECRET), *who, *held = "";
        struct charm_plan *p = charm_paper(a);

        if (!charm_outcome(w))
                return *given || own ? charm_ask_holders(a, *given ? given : own) : charm_next(a);
        for (int i = 0; (who = charm_answer(w, charm_text(p, "/holders/%d/who", i))); i++)
                held = charm_text(p, "%s%s%s: %s", held, *held ? "; " : "", who,
                                  charm_answer(w, charm_text(p, "/holders/%d/do", i)));
        charm_set(a, "held", *held ? held : NULL);
        charm_next(a);
}

/* It is in use from now on, whatever becomes of the server. */
static void tell_holders(const struct charm_world *w, struct charm_ask *a) {
        if (charm_state(w, "held"))
                charm_result(a, "still-have-the-old-key", charm_state(w, "held"));
}

static void root_make(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_new_secret(a, "root", MINIO_SECRET, charm_param(w, "secret-key"));
        charm_set(a, "new", charm_answer(w, "/new"));
        charm_next(a);
}

static void root_use(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_use_secret(a, charm_state(w, "new"));
        tell_holders(w, a);
        charm_next(a);
}

/* What the option says goes before what is made here. */
static void root_reset(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w) && *charm_option(charm_world_view(w), OPTION_SECRET_KEY))
                return charm_ask_config(a, OPTION_SECRET_KEY, NULL);
        charm_next(a);
}

static void root_settle(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_settled(a);
        charm_log(a, "the server is restarted with the new key");
        charm_next(a);
}

static void root_ready(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!outcome)
                return charm_ask_ready(a, "statefulset");
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a,
                                     "%s: %s; the new key is in use here, and the server has not "
                                     "started with it",
                                     outcome, charm_error(w));
        charm_result(a, "access-key", charm_option(charm_world_view(w), OPTION_ACCESS_KEY));
        if (charm_scale(charm_world_view(w)))
                return charm_next(a);
        charm_log(a, "nothing runs: the server takes the new key when it is started");
        charm_done(a);
}

static void root_check(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!outcome)
                return charm_ask_verb(a, MINIO_SERVER, "list-buckets", "{}");
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a,
                                     "%s: %s; the new key is in use here, and was not seen to "
                                     "open the server",
                                     outcome, charm_error(w));
        charm_log(a, "the server takes the new key");
        charm_done(a);
}

const struct charm_step minio_root_steps[] = { { "holders", root_holders, 0, 0 },
                                               { "make", root_make, 0, 0 },
                                               { "use", root_use, 0, 0 },
                                               { "reset", root_reset, 0, 0 },
                                               { "settle", root_settle, 600, 0 },
                                               { "ready", root_ready, 1200, CHARM_ALL },
                                               { "check", root_check, 300, CHARM_ALL },
                                               {} };

/* ---- rotate-relation-key: one relation after the other */

static int64_t current_id(const struct charm_world *w) {
        const char *id = charm_state(w, "relation");

        return id ? strtoll(id, NULL, 10) : 0;
}

/* NULL: it is gone. */
static const struct charm_relation *current(const struct charm_world *w) {
        const struct charm_view *v = charm_world_view(w);

        for (size_t i = 0; i < charm_relations(v, ENDPOINT_OBJECT_STORAGE); i++)
                if (charm_relation(v, ENDPOINT_OBJECT_STORAGE, i)->id == current_id(w))
                        return charm_relation(v, ENDPOINT_OBJECT_STORAGE, i);
        return NULL;
}

static struct minio_keys current_keys(const struct charm_world *w, struct charm_ask *a) {
        return minio_keys_of(charm_world_view(w), charm_paper(a), current_id(w));
}

static void finish(const struct charm_world *w, struct charm_ask *a) {
        const char *only = charm_param(w, "application"), *rotated = charm_state(w, "rotated");

        if (only && !rotated)
                return charm_give_up(a,
                                     "%.64s has no keys here: no relation of object-storage with "
                                     "it was told any yet",
                                     only);
        charm_result(a, "rotated", rotated ? rotated : "");
        charm_done(a);
}

static void pick(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        const char *only = charm_param(w, "application");
        int64_t last = current_id(w);

        for (size_t i = 0; i < charm_relations(v, ENDPOINT_OBJECT_STORAGE); i++) {
                const struct charm_relation *r = charm_relation(v, ENDPOINT_OBJECT_STORAGE, i);

                if (r->id <= last || (only && strcmp(only, r->application) != 0) ||
                    !minio_keys_told(v, charm_paper(a), r->id))
                        continue;
                charm_set(a, "relation", charm_text(charm_paper(a), "%lld", (long long)r->id));
                return charm_next(a);
        }
        finish(w, a);
}

static void add(const struct charm_world *w, struct charm_ask *a) {
        struct minio_keys keys = current_keys(w, a);

        if (charm_outcome(w) || keys.both) {
                charm_log(a, "%s has two keys", minio_user(charm_paper(a), current_id(w), 1));
                return charm_next(a);
        }
        keys = (struct minio_keys){ generation_after(keys.generation), true };
        charm_ask_config(a, OPTION_RELATION_KEYS,
                         with_entry(charm_world_view(w), charm_paper(a), current_id(w), keys));
}

static void settle(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_settled(a);
        charm_next(a);
}

static void made(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w) && current(w))
                return charm_ask_ready(a, minio_user_label(charm_paper(a), current_id(w),
                                                           current_keys(w, a).generation));
        charm_next(a);
}

/* The plan tells it when it sees it. */
static void told(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);

        if (current(w) &&
            minio_keys_told(charm_world_view(w), p, current_id(w)) != current_keys(w, a).generation)
                return charm_ask_wait(a, 1);
        charm_next(a);
}

static void taken(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_relation *r = current(w);
        int64_t before = minio_generation_before(current_keys(w, a).generation);
        const char *user = minio_user(charm_paper(a), current_id(w), before),
                   *old = charm_owned(w, user, MINIO_SECRET), *outcome = charm_outcome(w);

        if (!outcome && r && old) {
                charm_log(a, "waits until %s has the new key", r->application);
                return charm_ask_taken(a, r->application, old);
        }
        if (outcome && strcmp(outcome, "done") != 0)
                return charm_give_up(a,
                                     "%s has not taken the new key (%s: %s): both work, and %s is "
                                     "told the new one. Run rotate-relation-key again when it is "
                                     "well: it goes on here",
                                     r ? r->application : "it", outcome, charm_error(w),
                                     r ? r->application : "it");
        charm_next(a);
}

static void drop(const struct charm_world *w, struct charm_ask *a) {
        struct minio_keys keys = { current_keys(w, a).generation, false };

        if (!charm_outcome(w))
                return charm_ask_config(
                        a, OPTION_RELATION_KEYS,
                        with_entry(charm_world_view(w), charm_paper(a), current_id(w), keys));
        charm_next(a);
}

static void dropped(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_relation *r = current(w);
        const char *rotated = charm_state(w, "rotated");

        if (!charm_outcome(w))
                return charm_ask_settled(a);
        if (r) {
                charm_log(a, "%s has its new key, the old one is gone", r->application);
                charm_set(a, "rotated",
                          charm_text(charm_paper(a), "%s%s%s", rotated ? rotated : "",
                                     rotated ? "," : "", r->application));
        }
        charm_goto(a, "pick");
}

#define TAKEN_SECONDS 3600 /* a consumer that rolls hundreds of pods takes half of it */

const struct charm_step minio_relation_steps[] = { { "pick", pick, 0, 0 },
                                                   { "add", add, 0, 0 },
                                                   { "settle", settle, 600, 0 },
                                                   { "made", made, 600, 0 },
                                                   { "told", told, 600, 0 },
                                                   { "taken", taken, TAKEN_SECONDS, CHARM_ALL },
                                                   { "drop", drop, 0, 0 },
                                                   { "dropped", dropped, 600, 0 },
                                                   {} };
