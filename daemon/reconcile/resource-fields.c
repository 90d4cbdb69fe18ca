/* SPDX-License-Identifier: Apache-2.0 */
/* resource-fields.c - what differs of one resource, field by field, held against the rules: what
 * is repaired now, what later, what is only told, what nobody wants to know of
 *
 * The verdict is kept beside the observation that it is about, so that what stands is not compared
 * again and again. What stands has a line of its own in the ledger, with a digest: the same
 * differences are told once, also across restarts. */
#include "reconcile-internal.h"

#include "clock.h"
#include "fight.h"
#include "log.h"
#include "rule.h"

#include <stdlib.h>

#define FIELDS_UNKNOWN "(not known which)"

static const uint8_t nothing[DIGEST_SIZE];

struct rule_subject resource_subject(struct reconcile *rec, const struct world_resource *r) {
        const struct world_application *a = world_application(&rec->world, r->owner);

        return (struct rule_subject){ a ? a->name : "", r->type, r->path };
}

const struct rules *resource_rules(struct reconcile *rec, const struct world_resource *r) {
        const struct world_model *m = resource_model(rec, r);

        return m ? m->rules : NULL;
}

static uint64_t turn_of(struct reconcile *rec, const struct world_resource *r) {
        const struct world_model *m = resource_model(rec, r);

        return (m ? m->rules_turn : 0) * 2 + resource_released(r);
}

const struct verdict *resource_verdict(struct reconcile *rec, const struct world_resource *r) {
        const struct world_fields *f = r->judged;

        if (!f || !r->seen.digest_valid || f->turn != turn_of(rec, r) ||
            memcmp(f->digest, r->seen.digest, DIGEST_SIZE) != 0 ||
            (f->verdict.again_at && f->verdict.again_at <= clock_wall()))
                return NULL;
        return &f->verdict;
}

static bool is_spared(enum fate f) {
        return f == FATE_SPARE || f == FATE_KEEP;
}

static bool is_unknown(const struct drift *d) {
        return str_eq(d->field, FIELDS_UNKNOWN);
}

/* ---- one field */

static void say_once(struct verdict *v, const char *fmt, ...) printf_(2, 3);
static void say_once(struct verdict *v, const char *fmt, ...) {
        va_list ap;

        if (v->why[0])
                return;
        va_start(ap, fmt);
        vsnprintf(v->why, sizeof(v->why), fmt, ap);
        va_end(ap);
        str_make_utf8(v->why);
}

void resource_window_text(const struct rule *rule, int64_t at, char *text, size_t size) {
        char stamp[CLOCK_TEXT_MAX];

        if (rule->broken)
                snprintf(text, size, "waits for its repair window, which cannot be told: %s",
                         rule->broken);
        else if (!at)
                snprintf(text, size, "waits for its repair window, which never comes");
        else
                snprintf(text, size, "waits for its repair window, next at %s",
                         clock_iso(at, false, stamp));
}

#define VALUE_SAID_MAX 80

/* What is there now: a reader of the status must not have to look. */
static void said_change(const struct drift *d, char *text, size_t size) {
        cleanup_(freep) char *found = d->found ? json_text(d->found) : NULL;

        if (is_unknown(d) || (!d->found && !d->wanted))
                snprintf(text, size, "was changed");
        else if (!found)
                snprintf(text, size, "was taken away");
        else
                snprintf(text, size, "was changed to %.*s%s", VALUE_SAID_MAX, found,
                         strlen(found) > VALUE_SAID_MAX ? "..." : "");
}

static enum fate judge_field(const struct rule *rule, const struct drift *d, struct verdict *v) {
        char wait[200], change[VALUE_SAID_MAX + 40];
        int64_t at;

        if (!rule)
                return FATE_REPAIR;
        if (rule->mode == RULE_OFF || rule->mode == RULE_IGNORE)
                return rule->mode == RULE_OFF ? FATE_SPARE : FATE_KEEP;
        if (rule->mode == RULE_REPORT) {
                cleanup_(freep) char *text = rule_text(rule);

                said_change(d, change, sizeof(change));
                say_once(v, "%s %s and is only told: %s", d->field, change, text);
                return FATE_REPORT;
        }
        if (rule_window_open(rule, clock_wall(), &at))
                return FATE_REPAIR;
        resource_window_text(rule, at, wait, sizeof(wait));
        said_change(d, change, sizeof(change));
        say_once(v, "%s %s: %s", d->field, change, wait);
        v->again_at = clock_sooner(v->again_at, at);
        return FATE_LATER;
}

/* Who rewrites so many at once is not told apart field by field: no list would hold them all. */
static const char *fought_field(const struct resource_job *j, const struct drift *d) {
        return j->differences.count > FIGHT_FIELDS_MAX ? FIGHT_MANY : d->field;
}

static enum fate judge_fight(const struct resource_job *j, struct world_resource *r,
                             const struct drift *d, struct verdict *v) {
        struct reconcile *rec = j->rec;
        const struct fight *f = resource_note_fight(rec, r, fought_field(j, d), d->who);
        char wait[200], change[VALUE_SAID_MAX + 40];
        int64_t at = resource_fight_wait(rec, r, f, wait, sizeof(wait));

        if (!at)
                return FATE_REPAIR;
        said_change(d, change, sizeof(change));
        say_once(v, "%s %s: %s", d->field, change, wait);
        v->again_at = clock_sooner(v->again_at, at);
        return FATE_LATER;
}

/* ---- all of them */

static void digest_of(const struct resource_job *j, bool all, uint8_t ret[DIGEST_SIZE]) {
        cleanup_(buf_free) struct buf text = BUF_INIT;

        for (size_t i = 0; i < j->differences.count; i++) {
                const struct drift *d = &j->differences.items[i];
                cleanup_(freep) char *found = NULL;

                if (is_spared(j->fates[i]) || (j->fates[i] == FATE_REPAIR && !all))
                        continue;
                found = json_text(d->found);
                buf_printf(&text, "%s=%s\n", d->field, found ? found : "");
        }
        memcpy(ret, nothing, DIGEST_SIZE);
        if (text.len)
                digest_sha256(text.data, text.len, ret);
}

/* The reason is that of the first; that there are more is said. */
static void say_more(const struct resource_job *j, struct verdict *v) {
        size_t n = 0, len = strlen(v->why);

        for (size_t i = 0; i < j->differences.count; i++)
                n += j->fates[i] == FATE_LATER || j->fates[i] == FATE_REPORT;
        if (n > 1)
                snprintf(v->why + len, sizeof(v->why) - len, "; and %zu more of its fields", n - 1);
}

/* The whole document is written, or nothing: what is to stay keeps the rest from its repair. */
static void hold_all(struct resource_job *j, struct verdict *v) {
        say_once(v, "what differs cannot be put right alone");
        for (size_t i = 0; i < j->differences.count; i++)
                if (j->fates[i] == FATE_REPAIR)
                        j->fates[i] = FATE_REPORT;
        v->now = false;
        v->reported = true;
}

/* What was told as standing is now to be repaired, all of it: the line goes on as the repair's. */
static void promote(const struct resource_job *j, struct world_resource *r) {
        uint8_t all[DIGEST_SIZE];

        if (!r->standing || r->drift)
                return;
        digest_of(j, true, all);
        if (memcmp(all, world_lines_of(r)->stands, DIGEST_SIZE) != 0)
                return;
        r->drift = r->standing;
        r->standing = 0;
        memset(world_lines(r)->stands, 0, DIGEST_SIZE);
}

/* No baseline was kept, and nothing of what is wanted says what was changed. Where rules are about
 * fields of it, it may be one of those: then it is as the strictest of them says. */
static enum fate judge_unknown(const struct rules *rules, const struct rule_subject *s,
                               struct verdict *v) {
        enum fate fate = FATE_REPAIR;

        for (size_t i = 0; rules && i < rules->count; i++) {
                const struct rule *rule = &rules->items[i];
                struct verdict own = { 0 };
                enum fate f;

                if (!rule->field[0] || !rule_fits(rule, s) ||
                    rules_find(rules, s, rule->field) != rule)
                        continue;
                f = judge_field(rule, &(struct drift){ .field = rule->field }, &own);
                fate = MAX_OF(fate, is_spared(f) ? FATE_REPORT : f);
                v->again_at = clock_sooner(v->again_at, own.again_at);
        }
        if (fate != FATE_REPAIR)
                say_once(v, "something was changed, and which field is not known: not put right, "
                            "because rules are about fields of it");
        return fate;
}

static bool has_field_rule(struct reconcile *rec, const struct world_resource *r) {
        struct rule_subject s = resource_subject(rec, r);
        const struct rules *rules = resource_rules(rec, r);

        for (size_t i = 0; rules && i < rules->count; i++)
                if (rules->items[i].field[0] && rule_fits(&rules->items[i], &s))
                        return true;
        return false;
}

/* Of what J found by what is wanted, not all may have been found. */
static void add_unknown(struct resource_job *j, const struct world_resource *r) {
        if (j->differences.count && (j->baseline || has_field_rule(j->rec, r)))
                return;
        drift_list_add(&j->differences)->field = str_dup(FIELDS_UNKNOWN);
}

static enum fate fate_of(struct resource_job *j, struct world_resource *r, size_t i,
                         struct verdict *v) {
        const struct drift *d = &j->differences.items[i];
        struct rule_subject s = resource_subject(j->rec, r);
        const struct rules *rules = resource_rules(j->rec, r);
        enum fate fate = judge_field(rules_find(rules, &s, d->field), d, v);

        if (fate == FATE_REPAIR && is_unknown(d))
                fate = judge_unknown(rules, &s, v);
        if (resource_released(r) && !is_spared(fate))
                return FATE_REPAIR;
        return fate == FATE_REPAIR ? judge_fight(j, r, d, v) : fate;
}

static void judge_fields(struct resource_job *j, struct world_resource *r) {
        struct reconcile *rec = j->rec;
        const struct world_target *t = world_target(&rec->world, r->target);
        struct world_fields *f = r->judged ? r->judged : mem_new(struct world_fields);
        struct verdict *v = &f->verdict;
        bool spared = false;

        r->judged = f;
        *f = (struct world_fields){ .turn = turn_of(rec, r) };
        memcpy(f->digest, r->seen.digest, DIGEST_SIZE);
        add_unknown(j, r);
        free(j->fates);
        j->fates = mem_array(enum fate, j->differences.count + 1);
        for (size_t i = 0; i < j->differences.count; i++) {
                enum fate fate = fate_of(j, r, i, v);

                j->fates[i] = fate;
                v->now |= fate == FATE_REPAIR;
                v->later |= fate == FATE_LATER;
                v->reported |= fate == FATE_REPORT;
                spared |= is_spared(fate);
        }
        if (v->now && (v->later || v->reported || spared) && t && t->provider &&
            !(t->provider->can & PROVIDER_KEEPS))
                hold_all(j, v);
        say_more(j, v);
        digest_of(j, false, f->stands);
        if (v->now)
                promote(j, r);
}

/* What stands where nothing of ours should: somebody gave an item of a keyed list another key. A
 * plain apply would only add ours beside it. */
static bool has_residue(const struct resource_job *j) {
        for (size_t i = 0; i < j->differences.count; i++)
                if (!j->differences.items[i].wanted && j->differences.items[i].found &&
                    j->fates[i] == FATE_REPAIR)
                        return true;
        return false;
}

void resource_fights_answered(const struct resource_job *j, struct world_resource *r) {
        for (size_t i = 0; !j->part && r->fights && i < r->fights->count; i++)
                r->fights->items[i].told = false;
        for (size_t i = 0; j->fates && r->fights && i < j->differences.count; i++) {
                const struct drift *d = &j->differences.items[i];
                struct fight *f = fights_find(r->fights, fought_field(j, d));

                if (f && j->fates[i] == FATE_REPAIR)
                        f->told = false;
        }
}

void resource_find_differences(struct resource_job *j, struct world_resource *r) {
        struct world_target *t = world_target(&j->rec->world, r->target);
        struct apply_request request = { .type = r->type,
                                         .path = r->path,
                                         .wanted = j->document,
                                         .baseline = j->baseline,
                                         .projection = r->interest.projection };
        bool can = j->baseline || (t->provider->can & PROVIDER_WATCHES && j->document);
        struct err err = { 0 };

        if (can && r->seen.found &&
            t->provider->compare(&request, &r->seen, &j->differences, &err) < 0)
                reconcile_log(LOG_WARNING, "compare", j->rec, r, "%s", err_text(&err));
        judge_fields(j, r);
        j->take_over = (t->provider->can & PROVIDER_TAKE_OVER) && has_residue(j);
}

void resource_let_found_go(struct reconcile *rec, struct world_resource *r) {
        const struct verdict *v = r->seen.found ? resource_verdict(rec, r) : NULL;

        if (!v || v->now || r->busy || resource_stands_new(r))
                return;
        json_decref(take_ptr(r->seen.found));
        r->seen.let_go = true;
}

bool resource_lacks_found(const struct resource_job *j, const struct world_resource *r,
                          const struct decision *d) {
        bool differs = d->drift == DRIFT_CHANGED || d->spared;

        if (!r->seen.let_go || j->token[0])
                return false;
        return d->action == ACTION_APPLY ||
               (differs &&
                (!resource_verdict(j->rec, r) || resource_stands_new(r) || ledger_is_news(r, d)));
}

void resource_note_standing(struct reconcile *rec, const struct world_resource *r) {
        struct world_application *a = world_application(&rec->world, r->owner);

        if (!a)
                return;
        a->noted = true;
        application_seen(rec, a->id);
}

bool resource_stands_new(const struct world_resource *r) {
        return r->judged && memcmp(r->judged->stands, world_lines_of(r)->stands, DIGEST_SIZE) != 0;
}

/* ---- what an apply keeps */

static void keep(struct resource_job *j, const char *field, bool give_up) {
        j->kept = mem_grow(j->kept, &j->kept_room, j->kept_count + 1, sizeof(*j->kept));
        j->kept[j->kept_count++] = (struct kept_field){ field, give_up };
}

/* A rule about what this resource's fields are under, whatever else it says. */
static bool is_ignored(const struct rules *rules, const struct rule_subject *s,
                       const struct rule *rule) {
        return rule->mode == RULE_IGNORE && rule_fits(rule, s) &&
               rules_find(rules, s, rule->field) == rule;
}

void resource_keep_fields(struct resource_job *j, const struct world_resource *r, bool all) {
        struct rule_subject s = resource_subject(j->rec, r);
        const struct rules *rules = resource_rules(j->rec, r);

        if (r->seen.presence != PRESENCE_PRESENT || !r->row.applied_generation)
                return;
        for (size_t i = 0; rules && i < rules->count; i++)
                if (is_ignored(rules, &s, &rules->items[i])) {
                        keep(j, rules->items[i].field, rules->items[i].writer[0]);
                        if (!j->kept_names)
                                j->kept_names = json_array();
                        json_array_append_new(j->kept_names, json_string(rules->items[i].field));
                }
        for (size_t i = 0; !all && j->fates && i < j->differences.count; i++) {
                const struct rule *rule = rules_find(rules, &s, j->differences.items[i].field);

                if (j->fates[i] == FATE_REPAIR || is_unknown(&j->differences.items[i]) ||
                    (rule && rule->mode == RULE_IGNORE))
                        continue;
                keep(j, j->differences.items[i].field, false);
                j->part = true;
        }
}

bool resource_keeps(struct reconcile *rec, const struct world_resource *r) {
        struct rule_subject s = resource_subject(rec, r);
        const struct rules *rules = resource_rules(rec, r);

        for (size_t i = 0; rules && i < rules->count; i++)
                if (is_ignored(rules, &s, &rules->items[i]))
                        return true;
        return false;
}

/* ---- fields that are handed over, and taken back */

static bool has_name(const json_t *list, const char *name) {
        const json_t *item;
        size_t i;

        json_array_foreach(list, i, item)
                if (str_eq(json_string_value(item), name))
                        return true;
        return false;
}

const char *resource_redeclared(struct reconcile *rec, const struct world_resource *r, char *text,
                                size_t size) {
        struct rule_subject s = resource_subject(rec, r);
        const struct rules *rules = resource_rules(rec, r);
        const json_t *name;
        size_t i;

        if (!r->row.applied_generation || r->seen.presence != PRESENCE_PRESENT)
                return NULL;
        json_array_foreach(r->kept, i, name) {
                const struct rule *rule = rules_find(rules, &s, json_string_value(name));

                if (rule && rule->mode == RULE_IGNORE)
                        continue;
                snprintf(text, size, "%s is ours again", json_string_value(name));
                return text;
        }
        for (size_t k = 0; rules && k < rules->count; k++) {
                const struct rule *rule = &rules->items[k];

                if (!rule->writer[0] || !is_ignored(rules, &s, rule) ||
                    has_name(r->kept, rule->field))
                        continue;
                snprintf(text, size, "%s is handed over to %s", rule->field, rule->writer);
                return text;
        }
        return NULL;
}

/* ---- changes of ours that go nowhere */

/* The object is the very same after it: what was changed is in fields that rules leave to others.
 * Until they are ours again that is so, whatever else is written. */
static bool is_unwritten(const struct resource_job *j, const struct world_resource *r) {
        bool same = str_eq(j->op.seen.version, j->version_before) && j->op.seen.version[0];

        if (!json_array_size(j->kept_names))
                return false;
        return r->row.unwritten || (same && j->generation != r->row.applied_generation);
}

void resource_note_unwritten(struct resource_job *j, struct world_resource *r) {
        struct world_application *a = world_application(&j->rec->world, r->owner);
        cleanup_(freep) char *names = json_text(j->kept_names);
        bool before = r->row.unwritten;

        r->row.unwritten = j->unwritten = is_unwritten(j, r);
        if (before || !j->unwritten || !a)
                return;
        reconcile_log(LOG_NOTICE, "left", j->rec, r,
                      "%s %s: what was changed last is not written: rules leave %s to others",
                      r->type, r->path, names);
        a->noted = true;
        application_seen(j->rec, a->id);
}
