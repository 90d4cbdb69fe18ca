/* SPDX-License-Identifier: Apache-2.0 */
/* resource-policy.c - what decide has to know about a resource beyond its row: who paused it,
 * what it stands on and what stands on it, whether its outside can be written
 *
 * Called for handling, plan and why alike. Changes nothing. */
#include "reconcile-internal.h"

#include "clock.h"
#include "output.h"

#include <stdlib.h>

#define LOST_POLL_MS 30000 /* a person who restores a volume looks whether it was noticed */

/* In place before this start, and not read since. */
static bool is_unread(const struct world_resource *r) {
        return r->row.applied_generation && r->seen.presence == PRESENCE_UNKNOWN;
}

const char *resource_need_missing(struct reconcile *rec, const struct world_need *need) {
        const struct world_resource *n = world_resource(&rec->world, need->id);
        cleanup_(freep) char *value = NULL;

        if (!n)
                return "not planned yet";
        if (is_unread(n))
                return "not seen yet";
        if (n->seen.presence != PRESENCE_PRESENT)
                return "not there yet";
        if (!n->row.applied_generation)
                return "not written yet";
        if (need->kind == NEED_READY && n->seen.ready != READY_YES)
                return n->seen.reason ? n->seen.reason : "not ready yet";
        if (need->kind != NEED_VALUE)
                return NULL;
        value = output_value(n->seen.output, need->output);
        if (value)
                return NULL;
        return n->seen.ready == READY_YES ? "it is ready and says nothing there" : "not known yet";
}

char *resource_need_name(struct reconcile *rec, const struct world_need *need) {
        const struct world_resource *n = world_resource(&rec->world, need->id);

        return str_format("%s%s%s%s%s", need->output ? need->output : "",
                          need->output ? " of " : "", n ? n->type : "another object", n ? " " : "",
                          n ? n->path : "");
}

bool resource_waits_unread(struct reconcile *rec, const struct world_resource *r) {
        const struct world_model *m = resource_model(rec, r);
        const struct world_target *in = m ? world_target(&rec->world, m->target) : NULL;
        char text[256];

        if (in && !in->reach_why && m->scope != r->id && scope_unread(rec, m, text, sizeof(text)))
                return true;
        for (size_t i = 0; i < r->need_count; i++) {
                const struct world_resource *n = world_resource(&rec->world, r->needs[i].id);
                const struct world_target *t = n ? world_target(&rec->world, n->target) : NULL;

                if (t && !t->reach_why && is_unread(n))
                        return true;
        }
        return false;
}

static const char *find_unmet(struct reconcile *rec, const struct world_resource *r, char *text,
                              size_t size) {
        for (size_t i = 0; i < r->need_count; i++) {
                const char *missing = resource_need_missing(rec, &r->needs[i]);
                cleanup_(freep) char *name = NULL;

                if (!missing)
                        continue;
                name = resource_need_name(rec, &r->needs[i]);
                snprintf(text, size, "%s: %s", name, missing);
                return text;
        }
        return NULL;
}

/* Of an application that was marked it is not known yet whether it goes. */
static bool may_go(struct reconcile *rec, const struct world_resource *r) {
        const struct world_application *a = world_application(&rec->world, r->owner);

        return r->row.dying || r->stale || (a && (a->dying || a->reread));
}

/* A dying resource goes after what stands on it and is going too. Who stands on it and stays did
 * not ask whether it does. */
static const char *find_held_up(struct reconcile *rec, const struct world_resource *r, char *text,
                                size_t size) {
        const struct world_ids *l = world_needed_by(&rec->world, r->id);

        for (size_t i = 0; l && i < l->count; i++) {
                const struct world_resource *d = world_resource(&rec->world, l->ids[i]);

                if (!d || !may_go(rec, d))
                        continue;
                snprintf(text, size, "%s %s", d->type, d->path);
                return text;
        }
        return NULL;
}

struct world_model *resource_model(struct reconcile *rec, const struct world_resource *r) {
        const struct world_application *a = world_application(&rec->world, r->owner);

        return world_model(&rec->world, a ? a->model : r->model);
}

/* What a person let go passes over pauses, not over a freeze. */
const char *resource_paused(struct reconcile *rec, const struct world_resource *r, char *text,
                            size_t size) {
        bool released = resource_released(r);
        const struct world_application *a = world_application(&rec->world, r->owner);
        const struct world_model *m = resource_model(rec, r);
        const struct freeze *f = rules_frozen(resource_rules(rec, r), a ? a->name : NULL);
        const char *word = "frozen";
        cleanup_(freep) char *why = NULL;

        if (m && m->paused && !released)
                return m->paused;
        if (a && a->paused && !released)
                return a->paused;
        if (!f && m && !released) {
                f = rules_paused(m->rules, r->type, r->path);
                word = "the object";
        }
        if (!f)
                return NULL;
        why = freeze_text(f);
        snprintf(text, size, "%s by %s", word, why);
        return text;
}

static bool is_frozen(struct reconcile *rec, const struct world_resource *r) {
        const struct world_application *a = world_application(&rec->world, r->owner);

        return rules_frozen(resource_rules(rec, r), a ? a->name : NULL) != NULL;
}

/* Rules about the whole of it. */
static void find_rule(struct reconcile *rec, const struct world_resource *r,
                      struct resource_policy_text *text, struct policy *ret) {
        struct rule_subject s = resource_subject(rec, r);
        const struct rule *rule = rules_find(resource_rules(rec, r), &s, "");
        cleanup_(freep) char *said = NULL;

        if (!rule ||
            (rule->mode == RULE_REPAIR && rule_window_open(rule, clock_wall(), &ret->window_at)))
                return;
        said = rule_text(rule);
        str_copy(text->rule, sizeof(text->rule), said);
        if (rule->mode == RULE_OFF)
                ret->spared = text->rule;
        else if (rule->mode == RULE_REPORT)
                ret->reported = text->rule;
        else
                ret->window = text->rule;
        if (rule->mode == RULE_REPAIR)
                resource_window_text(rule, ret->window_at, text->rule, sizeof(text->rule));
}

int64_t resource_poll_ms(const struct world_target *t) {
        if (!t || !t->provider || (t->provider->can & PROVIDER_WATCHES))
                return 0;
        return t->poll_ms ? t->poll_ms : t->provider->poll_every_ms;
}

int64_t resource_look_every(const struct world_resource *r, const struct world_target *t) {
        int64_t polled = resource_poll_ms(t);

        if (polled || !t || !r->row.lost)
                return polled;
        return t->poll_ms ? t->poll_ms : LOST_POLL_MS;
}

/* After a failure a newer want is tried at once; what the outside itself put off is not. */
static bool is_put_off(const struct world_resource *r) {
        if (r->retry_at <= clock_mono())
                return false;
        return r->retry_generation == r->row.wanted_generation ||
               r->row.outcome == OUTCOME_RUNNING || r->row.outcome == OUTCOME_THROTTLED;
}

/* Its model may write nothing, or nothing yet. What the model lives in is tried again when it was
 * there before. */
static void find_blocked(struct reconcile *rec, const struct world_resource *r,
                         struct resource_policy_text *text, struct policy *ret) {
        const struct world_model *m = resource_model(rec, r);
        bool scope = m && m->scope == r->id;

        if (!m)
                return;
        ret->elsewhere = scope_elsewhere(rec, m, text->blocked, sizeof(text->blocked));
        ret->blocked = scope ? scope_foreign(rec, m, text->blocked, sizeof(text->blocked))
                             : scope_blocked(rec, m, text->blocked, sizeof(text->blocked));
        if (!scope)
                ret->unread = scope_unread(rec, m, text->unread, sizeof(text->unread));
        if (!scope && !r->row.dying)
                ret->unmet = ret->unread ? ret->unread
                                         : scope_unmade(rec, m, text->unmet, sizeof(text->unmet));
}

/* Spread over the period by id, so that a start with thousands of objects does not audit them
 * together. */
static int64_t audit_every(const struct reconcile *rec, const struct world_resource *r) {
        int64_t ms = rec->options.audit_ms;

        return ms ? ms + r->id * 7919 % (ms / 4 + 1) : 0;
}

bool resource_audit_due(const struct reconcile *rec, const struct world_resource *r) {
        return r->row.applied_at && !r->busy &&
               clock_wall() - r->row.applied_at >= audit_every(rec, r);
}

void resource_policy(struct reconcile *rec, struct world_resource *r,
                     struct resource_policy_text *text, struct policy *ret) {
        const struct world_target *t = world_target(&rec->world, r->target);
        bool released = resource_released(r);

        *ret = (struct policy){ .audit_every_ms = audit_every(rec, r),
                                .untried = !r->tried && !r->row.applied_generation };
        find_blocked(rec, r, text, ret);
        ret->paused = resource_paused(rec, r, text->paused, sizeof(text->paused));
        ret->frozen = ret->paused && is_frozen(rec, r);
        if (!released)
                find_rule(rec, r, text, ret);
        if (!released && !ret->spared && !ret->reported && !ret->window) {
                ret->window_at = resource_fight_whole(rec, r, text->rule, sizeof(text->rule));
                ret->window = ret->window_at ? text->rule : NULL;
        }
        ret->fields = resource_verdict(rec, r);
        ret->keeps = resource_keeps(rec, r);
        if (!r->row.dying)
                ret->redeclared =
                        resource_redeclared(rec, r, text->redeclared, sizeof(text->redeclared));
        if (r->row.dying)
                ret->held_up = find_held_up(rec, r, text->held_up, sizeof(text->held_up));
        else if (!outside_usable(t, text->unmet, sizeof(text->unmet)))
                ret->unmet = text->unmet;
        else if (!ret->unmet)
                ret->unmet = find_unmet(rec, r, text->unmet, sizeof(text->unmet));
        if (is_put_off(r))
                ret->backing_off = r->reason;
        if (r->tries)
                ret->failed = r->reason;
        ret->refill = r->row.applied_generation && !ret->unmet &&
                      !resource_outputs_same(rec, r, r->row.outputs_valid, r->row.outputs);
        ret->look_due = resource_look_every(r, t) && r->seen.presence != PRESENCE_UNKNOWN &&
                        clock_mono() - r->seen.as_of >= resource_look_every(r, t);
        ret->list_pending = !r->look_again && outside_list_pending(t, r->type);
}
