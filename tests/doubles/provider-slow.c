/* SPDX-License-Identifier: Apache-2.0 */
/* provider-slow.c - see provider-slow.h
 *
 *   apply ──▶ throttled (the first ever) ──▶ RUNNING "slow:1:1" ──▶ "slow:1:2" ──▶ ... ──▶ done
 *
 * The token holds operation and round. What an operation will do is kept in the outside, not in
 * the token: a token that the outside does not know is refused. */
#include "provider-slow.h"

#include "clock.h"
#include "map.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#define THINGS_MAX 64
#define FIELDS "slow/1"

struct work { /* a long-running operation */
        int round;
        int64_t again_at;
        bool removal;
        char *id;     /* in the case it was asked for */
        json_t *body; /* what will be there */
};

struct thing {
        char *id;
        json_t *body;
        int64_t version;
        int incarnation, words;
        char *address; /* where a stranger moved it to, or NULL */
};

static struct {
        struct thing things[THINGS_MAX];
        struct work works[THINGS_MAX * 4];
        int thing_count, begun, throttled, early, incarnations;
        bool down, held;
} outside;

struct target {
        struct loop *loop;
        uint8_t hash_key[DIGEST_SIZE];
};
struct projection {
        char nothing;
};

struct answer { /* an operation's end, told from the loop */
        struct later later;
        struct op *op;
};

/* ---- the outside */

static struct thing *find(const char *id) {
        for (int i = 0; i < outside.thing_count; i++)
                if (strcasecmp(outside.things[i].id, id) == 0)
                        return &outside.things[i];
        return NULL;
}

static void drop(struct thing *t) {
        free(t->id);
        free(t->address);
        json_decref(t->body);
        *t = outside.things[--outside.thing_count];
}

static void work_clear(struct work *k) {
        free(k->id);
        json_decref(k->body);
        *k = (struct work){ 0 };
}

void slow_reset(void) {
        while (outside.thing_count)
                drop(&outside.things[0]);
        for (size_t i = 0; i < ARRAY_SIZE(outside.works); i++)
                work_clear(&outside.works[i]);
        outside.begun = outside.throttled = outside.early = outside.incarnations = 0;
        outside.down = outside.held = false;
}

int slow_count(void) {
        return outside.thing_count;
}

int slow_begun(void) {
        return outside.begun;
}

int slow_throttled(void) {
        return outside.throttled;
}

int slow_early(void) {
        return outside.early;
}

const json_t *slow_at(const char *path) {
        struct thing *t = find(path);

        return t ? t->body : NULL;
}

bool slow_delete(const char *path) {
        struct thing *t = find(path);

        if (t)
                drop(t);
        return t != NULL;
}

bool slow_change(const char *path, const char *member, json_t *value) {
        struct thing *t = find(path);

        if (!t) {
                json_decref(value);
                return false;
        }
        json_object_set_new(t->body, member, value);
        t->version++;
        return true;
}

bool slow_move(const char *path, const char *address) {
        struct thing *t = find(path);

        if (t)
                str_set(&t->address, address);
        return t != NULL;
}

static char *word_of(const struct thing *t) {
        return str_format("word %d of %s", t->words, t->id);
}

bool slow_renew(const char *path) {
        struct thing *t = find(path);

        if (t)
                t->words++;
        return t != NULL;
}

char *slow_word(const char *path) {
        struct thing *t = find(path);

        return t ? word_of(t) : NULL;
}

void slow_down(bool down) {
        outside.down = down;
}

void slow_hold(bool held) {
        outside.held = held;
}

static bool finish(struct work *k) {
        struct thing *t = find(k->id);
        bool created = false;

        if (k->removal) {
                if (t)
                        drop(t);
                return false;
        }
        if (!t && outside.thing_count < THINGS_MAX) {
                t = &outside.things[outside.thing_count++];
                *t = (struct thing){ .id = str_dup(k->id), .incarnation = ++outside.incarnations };
                created = true;
        }
        if (!t)
                return false;
        json_decref(t->body);
        t->body = json_incref(k->body);
        t->version++;
        return created;
}

/* ---- documents */

static char *lower(const char *group, const char *name) {
        char *path = str_format("%s/%s", group, name);

        for (char *p = path; *p; p++)
                *p = (char)tolower((unsigned char)*p);
        return path;
}

static int identify(const json_t *wanted, const char *scope, struct identity *ret,
                    struct err *err) {
        const char *group = json_get_str(wanted, "group", NULL),
                   *name = json_get_str(wanted, "name", NULL);

        if (!str_eq(json_get_str(wanted, "type", ""), "Thing") || !group || !name)
                return err_set(err, -EINVAL, "a Thing with group and name");
        *ret = (struct identity){ .type = str_dup("Thing"), .path = lower(group, name) };
        return 0;
}

static int fill(const struct apply_request *r, json_t **ret, struct err *err) {
        json_t *body = json_object();
        const char *member;
        json_t *value;
        int k = 0;

        json_object_foreach((json_t *)r->wanted, member, value) {
                struct buf text = BUF_INIT;

                if (str_eq(member, "type") || str_eq(member, "group") || str_eq(member, "name"))
                        continue;
                if (!json_is_string(value) || !r->values) {
                        json_object_set(body, member, value);
                        continue;
                }
                k = k < 0 ? k : secret_values_fill(r->values, json_string_value(value), &text, err);
                json_object_set_new(body, member, json_string(buf_str(&text)));
                buf_wipe(&text);
        }
        *ret = body;
        return k;
}

/* What a thing shows: everything, but of its key only a digest, as everything secret. */
static json_t *shown(const json_t *body) {
        json_t *out = json_copy((json_t *)body);
        const char *key = json_get_str(body, "key", NULL);
        uint8_t digest[DIGEST_SIZE];
        char hex[DIGEST_HEX_SIZE];

        if (key) {
                digest_sha256(key, strlen(key), digest);
                json_object_set_new(out, "key",
                                    json_string(digest_hex(digest, sizeof(digest), hex)));
        }
        return out;
}

/* ---- answers */

static void tell(void *arg) {
        struct answer *a = arg;
        struct op *op = a->op;

        op->private = NULL;
        free(a);
        op->done(op);
}

static void begin(struct target *t, struct op *op) {
        struct answer *a = mem_new(struct answer);

        a->op = op;
        op->private = a;
        later_init(&a->later, t->loop, "slow", tell, a);
        later_run(&a->later);
}

static void cancel(struct op *op) {
        struct answer *a = take_ptr(op->private);

        if (!a)
                return;
        later_cancel(&a->later);
        free(a);
}

static void put_out(const struct target *to, const char *path, const struct thing *t,
                    struct observation *o) {
        cleanup_(freep) char *address = str_format("slow://%s", path);
        cleanup_(freep) char *word = word_of(t);

        o->output = json_pack("{s:s}", "address", t->address ? t->address : address);
        observation_hide(o, to->hash_key, "word", word, strlen(word));
}

static void observe(const struct target *to, const char *path, struct observation *o) {
        struct thing *t = find(path);
        cleanup_(buf_free) struct buf text = BUF_INIT;

        o->as_of = clock_mono();
        o->presence = t ? PRESENCE_PRESENT : PRESENCE_ABSENT;
        if (!t)
                return;
        o->ready = READY_YES;
        o->ours = true;
        snprintf(o->incarnation, sizeof(o->incarnation), "i%d", t->incarnation);
        snprintf(o->version, sizeof(o->version), "%lld", (long long)t->version);
        o->order = (uint64_t)t->version;
        o->found = shown(t->body);
        json_canonical(o->found, &text);
        digest_sha256(text.data, text.len, o->digest);
        o->digest_valid = true;
        put_out(to, path, t, o);
}

static bool is_down(struct op *op) {
        if (!outside.down)
                return false;
        op->outcome = OUTCOME_UNREACHABLE;
        err_set(&op->err, -EHOSTUNREACH, "slow: nobody answers");
        return true;
}

static void look(struct target *t, const struct apply_request *r, struct op *op) {
        begin(t, op);
        if (is_down(op))
                return;
        observe(t, r->path, &op->seen);
        op->outcome = op->seen.presence == PRESENCE_PRESENT ? OUTCOME_DONE : OUTCOME_GONE;
}

/* ---- long-running operations */

static void say_running(struct op *op, int number, const struct work *k) {
        op->outcome = OUTCOME_RUNNING;
        op->again_at = k->again_at;
        snprintf(op->token, sizeof(op->token), "slow:%d:%d", number, k->round);
}

static bool throttle(struct op *op) {
        if (outside.throttled)
                return false;
        outside.throttled++;
        op->outcome = OUTCOME_THROTTLED;
        op->again_at = clock_mono() + SLOW_THROTTLE_MS;
        err_set(&op->err, -EAGAIN, "slow: too many requests");
        return true;
}

static void begin_work(const struct apply_request *r, bool removal, struct op *op) {
        int number = outside.begun;
        struct work *k;

        if (throttle(op))
                return;
        if (number >= (int)ARRAY_SIZE(outside.works)) {
                op->outcome = OUTCOME_REFUSED;
                err_set(&op->err, -ENOSPC, "slow: the double has room for %zu operations",
                        ARRAY_SIZE(outside.works));
                return;
        }
        k = &outside.works[number];
        *k = (struct work){ .round = 1,
                            .removal = removal,
                            .again_at = clock_mono() + SLOW_AGAIN_MS };
        if (removal) {
                k->id = str_dup(r->path);
        } else {
                k->id = str_format("%s/%s", json_get_str(r->wanted, "group", ""),
                                   json_get_str(r->wanted, "name", ""));
                if (fill(r, &k->body, &op->err) < 0) {
                        op->outcome = OUTCOME_REFUSED;
                        return work_clear(k);
                }
        }
        outside.begun++;
        say_running(op, number, k);
}

static void end_work(struct target *t, struct work *k, const struct apply_request *r,
                     struct op *op) {
        op->outcome = OUTCOME_DONE;
        op->created = finish(k);
        if (k->removal)
                return;
        observe(t, r->path, &op->seen);
        op->fields = str_dup(FIELDS);
        op->baseline = json_incref(op->seen.found);
        memcpy(op->baseline_digest, op->seen.digest, DIGEST_SIZE);
}

static void go_on(struct target *t, const struct apply_request *r, struct op *op) {
        int number, round;
        struct work *k;

        if (sscanf(r->token, "slow:%d:%d", &number, &round) != 2 || number < 0 ||
            number >= outside.begun || !outside.works[number].id ||
            strcasecmp(outside.works[number].id, r->path) != 0) {
                op->outcome = OUTCOME_REFUSED;
                err_set(&op->err, -ENOENT, "slow: no operation \"%s\"", r->token);
                return;
        }
        k = &outside.works[number];
        if (clock_mono() < k->again_at) {
                outside.early++;
                return say_running(op, number, k);
        }
        if (k->round >= SLOW_ROUNDS && !outside.held)
                return end_work(t, k, r, op);
        k->round += k->round < SLOW_ROUNDS;
        k->again_at = clock_mono() + SLOW_AGAIN_MS;
        say_running(op, number, k);
}

static void write_it(struct target *t, const struct apply_request *r, bool removal, struct op *op) {
        begin(t, op);
        if (is_down(op))
                return;
        if (removal && !find(r->path))
                op->outcome = OUTCOME_GONE;
        else if (r->token && r->token[0])
                go_on(t, r, op);
        else
                begin_work(r, removal, op);
}

static void apply(struct target *t, const struct apply_request *r, struct op *op) {
        write_it(t, r, false, op);
}

static void remove_it(struct target *t, const struct apply_request *r, struct op *op) {
        write_it(t, r, true, op);
}

/* ---- the rest */

static int check(const json_t *config, const json_t *credential, struct err *err) {
        return json_is_object(config) ? 0 : err_set(err, -EINVAL, "slow: an object");
}

static bool secret_place(const json_t *wanted, const char *pointer) {
        return str_eq(pointer, "/key");
}

static bool secret_output(const char *type, const char *pointer) {
        return str_eq(pointer, "/word");
}

static int open_target(const struct target_config *c, const struct observer *o, struct target **ret,
                       struct err *err) {
        *ret = mem_new(struct target);
        (*ret)->loop = c->loop;
        if (c->hash_key)
                memcpy((*ret)->hash_key, c->hash_key, DIGEST_SIZE);
        return 0;
}

static struct target *close_target(struct target *t) {
        free(t);
        return NULL;
}

static int compare(const struct apply_request *r, const struct observation *o,
                   struct drift_list *ret, struct err *err) {
        const char *member;
        json_t *value;

        json_object_foreach((json_t *)r->baseline, member, value) {
                json_t *found = json_get(o->found, member);

                if (!found || !json_equal(found, value))
                        *drift_list_add(ret) = (struct drift){ .field = str_dup(member),
                                                               .wanted = json_incref(value),
                                                               .found = json_incref(found) };
        }
        return 0;
}

static int projection_parse(const char *fields, struct projection **ret, struct err *err) {
        if (!str_eq(fields, FIELDS))
                return err_set(err, -EINVAL, "slow: no field set \"%.20s\"", fields);
        *ret = mem_new(struct projection);
        return 0;
}

static void projection_free(struct projection *p) {
        free(p);
}

const struct provider provider_slow = {
        .name = "slow",
        .poll_every_ms = SLOW_POLL_MS,
        .check = check,
        .identify = identify,
        .secret_place = secret_place,
        .secret_output = secret_output,
        .open = open_target,
        .close = close_target,
        .look = look,
        .apply = apply,
        .remove = remove_it,
        .cancel = cancel,
        .compare = compare,
        .projection_parse = projection_parse,
        .projection_free = projection_free,
};

const struct provider *const *slow_table(const struct provider *more) {
        static const struct provider *table[3];

        table[0] = &provider_slow;
        table[1] = more;
        return table;
}
