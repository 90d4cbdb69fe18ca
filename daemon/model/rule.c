/* SPDX-License-Identifier: Apache-2.0 */
/* rule.c - see rule.h; pure but for reading rows */
#include "rule.h"

#include "clock.h"
#include "digest.h"
#include "field-path.h"
#include "queries.gen.h"
#include "restored.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

static const char *const mode_names[] = { "repair", "off", "report", "ignore" };
_Static_assert(ARRAY_SIZE(mode_names) == RULE_MODE_MAX, "a mode without a name");

const char *rule_mode_name(enum rule_mode m) {
        return mode_names[m];
}

int rule_mode_find(const char *name) {
        for (int i = 0; i < RULE_MODE_MAX; i++)
                if (str_eq(mode_names[i], name))
                        return i;
        return -1;
}

/* ---- reading */

/* What was good when the rule was made may not be on this host any more. */
static void open_window(struct rule *r, int64_t length_ms) {
        struct err err = { 0 };

        if (!r->begins[0])
                return;
        r->window.length = length_ms / 1000;
        if (cron_parse(r->begins, &r->window.cron, &err) < 0 ||
            zone_open(r->zone, &r->window.zone, &err) < 0)
                r->broken = str_dup(err_text(&err));
}

static void take_rule(struct rules *r, const struct q_policy_row *row) {
        struct rule *to = &r->items[r->count++];
        int mode = rule_mode_find(row->mode);

        *to = (struct rule){ .id = row->id,
                             .application = str_dup(row->application),
                             .type = str_dup(row->type),
                             .path = str_dup(row->path),
                             .field = str_dup(row->field),
                             .mode = mode < 0 ? RULE_REPAIR : (enum rule_mode)mode,
                             .begins = str_dup(row->begins),
                             .zone = str_dup(row->zone),
                             .writer = str_dup(row->writer),
                             .owner = str_dup(row->owner),
                             .why = str_dup(row->why),
                             .at = row->at,
                             .until = row->until_null ? 0 : row->until };
        open_window(to, row->length_ms);
        r->ends_at = clock_sooner(r->ends_at, to->until);
}

static void take_freeze(struct rules *r, const struct q_freeze_row *row) {
        r->freezes[r->freeze_count++] =
                (struct freeze){ .id = row->id,
                                 .application = str_dup(row->application),
                                 .type = str_dup(row->type),
                                 .path = str_dup(row->path),
                                 .owner = str_dup(row->owner),
                                 .why = str_dup(row->why),
                                 .at = row->at,
                                 .until = row->until_null ? 0 : row->until };
        if (!row->until_null)
                r->ends_at = clock_sooner(r->ends_at, row->until);
}

/* Rows are only made and deleted, and an id is never used again. */
static void take_digest(struct rules *r) {
        cleanup_(buf_free) struct buf ids = BUF_INIT;

        for (size_t i = 0; i < r->count; i++)
                buf_printf(&ids, "p%lld ", (long long)r->items[i].id);
        for (size_t i = 0; i < r->freeze_count; i++)
                buf_printf(&ids, "f%lld ", (long long)r->freezes[i].id);
        digest_sha256(buf_str(&ids), ids.len, r->digest);
}

/* The first of all: it is the one that is told. */
static void take_restored(struct rules *r, const char *why, int64_t at) {
        take_freeze(r, &(struct q_freeze_row){ .application = "",
                                               .type = "",
                                               .path = "",
                                               .owner = RESTORED_OWNER,
                                               .why = why,
                                               .at = at,
                                               .until_null = true });
}

int rules_load_freezes(struct tx *tx, int64_t model, struct rules **ret, struct err *err) {
        struct q_freeze_row *rows;
        const char *restored;
        int64_t at = 0;
        size_t n;
        int k = q_freeze_list(tx, &(struct q_freeze_list_in){ .model_id = model }, &rows, &n, err);

        if (k >= 0)
                k = restored_why(tx, &restored, &at, err);
        if (k < 0)
                return k;
        *ret = mem_new(struct rules);
        (*ret)->freezes = mem_array(struct freeze, n + 1);
        if (restored)
                take_restored(*ret, restored, at);
        for (size_t i = 0; i < n; i++)
                take_freeze(*ret, &rows[i]);
        return 0;
}

static int load_pause_ends(struct tx *tx, int64_t model, struct rules *r, struct err *err) {
        struct q_application_row *paused;
        struct q_model_row *m;
        size_t n;
        int k = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = model }, &m, &n, err);

        if (k >= 0 && n)
                r->ends_at = clock_sooner(r->ends_at, m->paused_until);
        if (k >= 0)
                k = q_application_pause_list(
                        tx, &(struct q_application_pause_list_in){ .model_id = model }, &paused, &n,
                        err);
        for (size_t i = 0; k >= 0 && i < n; i++)
                r->ends_at = clock_sooner(r->ends_at, paused[i].paused_until);
        return k;
}

int rules_load(struct tx *tx, int64_t model, struct rules **ret, struct err *err) {
        struct q_policy_row *rows;
        struct rules *r = NULL;
        size_t n;
        int k = q_policy_list(tx, &(struct q_policy_list_in){ .model_id = model }, &rows, &n, err);

        if (k >= 0)
                k = rules_load_freezes(tx, model, &r, err);
        if (k >= 0)
                k = load_pause_ends(tx, model, r, err);
        if (k < 0) {
                rules_free(r);
                return k;
        }
        r->items = mem_array(struct rule, n + 1);
        for (size_t i = 0; i < n; i++)
                take_rule(r, &rows[i]);
        take_digest(r);
        *ret = r;
        return 0;
}

struct rules *rules_free(struct rules *r) {
        for (size_t i = 0; r && i < r->count; i++) {
                struct rule *x = &r->items[i];
                char *const texts[] = { x->application, x->type,   x->path,   x->field, x->begins,
                                        x->zone,        x->broken, x->writer, x->owner, x->why };

                for (size_t k = 0; k < ARRAY_SIZE(texts); k++)
                        free(texts[k]);
                zone_free(x->window.zone);
        }
        for (size_t i = 0; r && i < r->freeze_count; i++) {
                struct freeze *x = &r->freezes[i];
                char *const texts[] = { x->application, x->type, x->path, x->owner, x->why };

                for (size_t k = 0; k < ARRAY_SIZE(texts); k++)
                        free(texts[k]);
        }
        if (r) {
                free(r->items);
                free(r->freezes);
        }
        free(r);
        return NULL;
}

/* ---- which one decides */

bool rule_is_kind(const char *kind, const char *type) {
        size_t len = strcspn(type, ".");

        return strcasecmp(kind, type) == 0 ||
               (strlen(kind) == len && strncasecmp(kind, type, len) == 0);
}

bool rule_is_object(const char *object, const char *type, const char *path) {
        const char *slash = strchr(object, '/'), *name = strrchr(path, '/');
        cleanup_(freep) char *kind = slash ? str_ndup(object, (size_t)(slash - object)) : NULL;

        return kind && rule_is_kind(kind, type) &&
               (str_eq(slash + 1, path) || (name && str_eq(slash + 1, name + 1)));
}

bool rule_fits(const struct rule *r, const struct rule_subject *s) {
        return (!r->application[0] || str_eq(r->application, s->application)) &&
               (!r->type[0] || rule_is_kind(r->type, s->type)) &&
               (!r->path[0] || str_eq(r->path, s->path));
}

/* Two rules that fit the same thing never weigh the same: they would be one row. */
static size_t weight(const struct rule *r) {
        return strlen(r->field) * 16 + (r->field[0] ? 8u : 0u) + (r->path[0] ? 4u : 0u) +
               (r->type[0] ? 2u : 0u) + (r->application[0] ? 1u : 0u);
}

const struct rule *rules_find(const struct rules *r, const struct rule_subject *s,
                              const char *field) {
        const struct rule *best = NULL;

        for (size_t i = 0; r && i < r->count; i++) {
                const struct rule *x = &r->items[i];

                if (!rule_fits(x, s) || (x->field[0] && !field_path_covers(x->field, field)))
                        continue;
                if (!best || weight(x) > weight(best))
                        best = x;
        }
        return best;
}

char *rule_scope_text(const struct rule_subject *s, const char *field) {
        cleanup_(buf_free) struct buf out = BUF_INIT;

        if (s->application[0])
                buf_printf(&out, " for application %s", s->application);
        if (s->type[0])
                buf_printf(&out, " for %s%s%s", s->type, s->path[0] ? " " : "", s->path);
        if (field[0])
                buf_printf(&out, " field %s", field);
        if (!out.len)
                buf_puts(&out, " for the model");
        return buf_take(&out);
}

char *rule_text(const struct rule *r) {
        struct rule_subject s = { r->application, r->type, r->path };
        cleanup_(freep) char *scope = rule_scope_text(&s, r->field);

        return str_format("mode %s%s (%s: %s)", rule_mode_name(r->mode), scope, r->owner, r->why);
}

bool rule_window_open(const struct rule *r, int64_t now, int64_t *ret_change) {
        int64_t change = 0;
        bool open;

        *ret_change = 0;
        if (!r->begins[0])
                return true;
        if (r->broken)
                return false;
        open = window_open(&r->window, now / 1000, &change);
        *ret_change = change == CRON_NEVER ? 0 : change * 1000;
        return open;
}

/* ---- freezes */

const struct freeze *rules_frozen(const struct rules *r, const char *application) {
        for (size_t i = 0; r && i < r->freeze_count; i++) {
                const struct freeze *f = &r->freezes[i];

                if (!f->type[0] && (!f->application[0] || str_eq(f->application, application)))
                        return f;
        }
        return NULL;
}

const struct freeze *rules_paused(const struct rules *r, const char *type, const char *path) {
        for (size_t i = 0; r && i < r->freeze_count; i++)
                if (str_eq(r->freezes[i].type, type) && str_eq(r->freezes[i].path, path))
                        return &r->freezes[i];
        return NULL;
}

char *rule_pause_text(const char *by, const char *why, int64_t until) {
        char stamp[CLOCK_TEXT_MAX];

        if (!by || !until)
                return by ? str_format("%s: %s", by, why) : NULL;
        return str_format("%s: %s (until %s)", by, why, clock_iso(until, false, stamp));
}

char *freeze_text(const struct freeze *f) {
        return rule_pause_text(f->owner, f->why, f->until);
}
