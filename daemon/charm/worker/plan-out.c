/* SPDX-License-Identifier: Apache-2.0 */
/* plan-out.c - the writing half of charm.h; see plan-out.h
 *
 * The charm_* functions here are called by charm code and exported to it. Limits are those of
 * plan.h: a charm that goes beyond one is told so by its refusal, before the daemon would call
 * the same plan garbage. */
#include "plan-out.h"

#include "object.h"
#include "view.h"

#include <stdlib.h>

#define SECRET_LENGTH_MAX 4096
#define TOKEN_END ":plain}}"

struct plan_output {
        struct plan_output *next;
        const char *label, *head; /* of its token, without the form */
};

void plan_out_begin(struct charm_plan *p, const struct charm_view *v,
                    const struct object_set *objects, struct arena *arena) {
        *p = (struct charm_plan){
                .arena = arena, .view = v, .objects = objects, .labels = MAP_INIT
        };
        p->tell = json_object();
        p->secrets = json_object();
        p->targets = json_object();
        p->see = json_object();
        p->needs = json_array();
        p->keep = json_array();
        p->sign = json_array();
}

void plan_out_deinit(struct charm_plan *p) {
        buf_free(&p->frames);
        buf_free(&p->scratch);
        map_free(&p->labels);
        json_decref(p->tell);
        json_decref(p->secrets);
        json_decref(p->targets);
        json_decref(p->see);
        json_decref(p->needs);
        json_decref(p->keep);
        json_decref(p->sign);
}

/* ---- mistakes, text, memory */

static void set_mistake(struct charm_plan *p, const char *fmt, va_list ap) {
        if (*p->mistake)
                return;
        vsnprintf(p->mistake, sizeof(p->mistake), fmt, ap);
        if (!*p->mistake)
                str_copy(p->mistake, sizeof(p->mistake), "refused without a reason");
}

void plan_out_mistake(struct charm_plan *p, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        set_mistake(p, fmt, ap);
        va_end(ap);
}

void charm_fail(struct charm_plan *p, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        set_mistake(p, fmt, ap);
        va_end(ap);
}

const char *charm_text(struct charm_plan *p, const char *fmt, ...) {
        const char *text;
        va_list ap;

        va_start(ap, fmt);
        text = arena_format(p->arena, fmt, ap);
        va_end(ap);
        return text;
}

void *charm_memory(struct charm_plan *p, size_t n) {
        return arena_alloc(p->arena, n);
}

/* Texts of a charm are UTF-8 or a mistake; jansson says NULL to what is not. */
static json_t *text_json(struct charm_plan *p, const char *function, const char *text) {
        json_t *j = json_string(text);

        if (j)
                return j;
        plan_out_mistake(p, "%s: a text that is not UTF-8", function);
        return json_null();
}

const char *charm_quote(struct charm_plan *p, const char *text) {
        cleanup_(json_freep) json_t *j = text_json(p, "charm_quote", text ? text : "");
        cleanup_(buf_free) struct buf out = BUF_INIT;

        json_canonical(j, &out);
        return arena_text(p->arena, out.data, out.len);
}

/* ---- telling */

static void tell(struct charm_plan *p, const struct charm_relation *r, const char *key,
                 json_t *value) {
        json_t *keys;
        char id[24];

        if (!r || !r->private || !key || !*key) {
                plan_out_mistake(p, "charm_tell: no %s", r && r->private ? "key" : "relation");
                json_decref(value);
                return;
        }
        snprintf(id, sizeof(id), "%lld", (long long)r->id);
        keys = json_object_get(p->tell, id);
        if (!keys) {
                keys = json_object();
                json_object_set_new(p->tell, id, keys);
        }
        if (json_object_set_new(keys, key, value) < 0)
                plan_out_mistake(p, "charm_tell: a key that is not UTF-8");
}

void charm_tell(struct charm_plan *p, const struct charm_relation *r, const char *key,
                const char *value) {
        if (value)
                tell(p, r, key, text_json(p, "charm_tell", value));
}

void charm_tell_int(struct charm_plan *p, const struct charm_relation *r, const char *key,
                    int64_t value) {
        tell(p, r, key, json_integer(value));
}

void charm_tell_bool(struct charm_plan *p, const struct charm_relation *r, const char *key,
                     bool value) {
        tell(p, r, key, json_boolean(value));
}

static json_t *parse(struct charm_plan *p, const char *function, const char *text) {
        json_t *j = NULL;
        struct err err;

        if (json_parse(text, strlen(text), &j, &err) < 0)
                plan_out_mistake(p, "%s: %s", function, err_text(&err));
        return j;
}

void charm_tell_json(struct charm_plan *p, const struct charm_relation *r, const char *key,
                     const char *json) {
        json_t *j = json ? parse(p, "charm_tell_json", json) : NULL;

        if (j)
                tell(p, r, key, j);
}

/* ---- wanting */

/* Takes LABEL for this plan; VALUE is what charm_digest answers. */
static bool take_label(struct charm_plan *p, const char *function, const char *label,
                       const char *value) {
        if (!label || !plan_label_valid(label)) {
                plan_out_mistake(
                        p, "%s: \"%.60s\" is no label: 1 to %d letters, digits, '.', '_', '-', '/'",
                        function, label ? label : "(null)", CHARM_LABEL_MAX);
                return false;
        }
        if (map_set(&p->labels, label, (void *)value)) {
                plan_out_mistake(p, "%s: label %s twice", function, label);
                return false;
        }
        return true;
}

static bool count_in(struct charm_plan *p, const char *label, size_t len) {
        p->bytes += len;
        p->count++;
        if (len > CHARM_DOC_MAX)
                plan_out_mistake(p, "%s: a document of %zu bytes, at most %u are allowed", label,
                                 len, CHARM_DOC_MAX);
        else if (p->bytes > CHARM_PLAN_MAX)
                plan_out_mistake(p, "%s: the plan grows beyond %u bytes", label, CHARM_PLAN_MAX);
        else if (p->count > CHARM_PLAN_DOCS_MAX)
                plan_out_mistake(p, "%s: the plan grows beyond %d documents", label,
                                 CHARM_PLAN_DOCS_MAX);
        return !*p->mistake;
}

static bool write_object(struct charm_plan *p, const char *file, const struct charm_hole *holes) {
        struct err err;

        buf_clear(&p->scratch);
        if (object_write(p->objects, file, holes, p, &p->scratch, &err) >= 0)
                return true;
        plan_out_mistake(p, "%s", err_text(&err));
        return false;
}

static void add_document(struct charm_plan *p, const char *label, const char *target,
                         const uint8_t sha256[DIGEST_SIZE]) {
        cleanup_(buf_free) struct buf body = BUF_INIT;

        buf_add(&body, label, strlen(label) + 1);
        buf_add(&body, target, strlen(target) + 1);
        buf_add(&body, sha256, DIGEST_SIZE);
        buf_add(&body, p->scratch.data, p->scratch.len);
        frame_put(&p->frames, PLAN_FRAME_DOC, body.data, body.len);
}

static void need(struct charm_plan *p, const char *label, const char *on, const char *kind) {
        json_array_append_new(p->needs,
                              json_pack("{s:s, s:s, s:s}", "label", label, "on", on, "kind", kind));
}

/* A document that holds a token of charm_output waits for that value. */
static void find_outputs(struct charm_plan *p, const char *label) {
        for (const struct plan_output *o = p->outputs; o; o = o->next)
                if (memmem(p->scratch.data, p->scratch.len, o->head, strlen(o->head)))
                        need(p, label, o->label, "value");
}

static void want(struct charm_plan *p, const char *function, const char *label, const char *target,
                 const char *file, const struct charm_hole *holes) {
        uint8_t sha256[DIGEST_SIZE];
        char hex[DIGEST_HEX_SIZE];

        if (*p->mistake || !write_object(p, file, holes) ||
            !count_in(p, label ? label : "", p->scratch.len))
                return;
        digest_sha256(p->scratch.data, p->scratch.len, sha256);
        digest_hex(sha256, DIGEST_SIZE, hex);
        if (!take_label(p, function, label, arena_text(p->arena, hex, DIGEST_HEX_SIZE - 1)))
                return;
        add_document(p, label, target, sha256);
        find_outputs(p, label);
}

void charm_want(struct charm_plan *p, const char *label, const char *file,
                const struct charm_hole *holes) {
        want(p, "charm_want", label, "", file, holes);
}

void charm_want_at(struct charm_plan *p, const char *label, const char *target, const char *file,
                   const struct charm_hole *holes) {
        if (!target || !json_object_get(p->targets, target))
                plan_out_mistake(p, "charm_want_at: this plan has declared no target \"%.60s\"",
                                 target ? target : "(null)");
        else
                want(p, "charm_want_at", label, target, file, holes);
}

void charm_want_file(struct charm_plan *p, const char *label, const char *resource,
                     const char *edits) {
        cleanup_(json_freep) json_t *j = NULL,
                                    *list = edits ? parse(p, "charm_want_file", edits) : NULL;
        cleanup_(buf_free) struct buf text = BUF_INIT;

        if (!resource || !view_has_name(p->view->meta, "resources", resource))
                plan_out_mistake(p, "charm_want_file: charm.yaml has no resource \"%.60s\"",
                                 resource ? resource : "(null)");
        if (list && !json_is_array(list))
                plan_out_mistake(p, "charm_want_file: edits are a list, not %s",
                                 json_type_name(list));
        if (*p->mistake || !take_label(p, "charm_want_file", label, ""))
                return;
        j = json_pack("{s:s, s:s, s:O?}", "label", label, "resource", resource, "edits", list);
        json_canonical(j, &text);
        if (text.len > CHARM_HEAD_MAX)
                plan_out_mistake(p, "%s: edits of %zu bytes, at most %u are allowed", label,
                                 text.len, CHARM_HEAD_MAX);
        else if (count_in(p, label, text.len))
                frame_put(&p->frames, PLAN_FRAME_FILE, text.data, text.len);
}

void charm_keep(struct charm_plan *p, const char *label) {
        if (!*p->mistake && take_label(p, "charm_keep", label, ""))
                json_array_append_new(p->keep, json_string(label));
}

void charm_target(struct charm_plan *p, const char *label, const char *provider, const char *file,
                  const struct charm_hole *holes) {
        json_t *config = NULL;

        if (*p->mistake || !write_object(p, file, holes) ||
            !take_label(p, "charm_target", label, ""))
                return;
        if (!provider || !*provider)
                plan_out_mistake(p, "charm_target: %s has no provider", label);
        else if (json_parse(p->scratch.data, p->scratch.len, &config, NULL) >= 0)
                json_object_set_new(
                        p->targets, label,
                        json_pack("{s:s, s:o}", "provider", provider, "config", config));
}

void charm_needs(struct charm_plan *p, const char *label, const char *other, enum charm_need kind) {
        if (!label || !other || !plan_label_valid(label) || !plan_label_valid(other))
                plan_out_mistake(p, "charm_needs: \"%.60s\" or \"%.60s\" is no label",
                                 label ? label : "(null)", other ? other : "(null)");
        else
                need(p, label, other, kind == CHARM_EXISTS ? "exists" : "ready");
}

const char *charm_digest(struct charm_plan *p, const char *label) {
        const char *hex = label ? map_find(&p->labels, label) : NULL;

        if (hex && *hex)
                return hex;
        plan_out_mistake(p, "charm_digest: no document %.60s was wanted before",
                         label ? label : "(null)");
        return "";
}

const char *charm_output(struct charm_plan *p, const char *label, const char *pointer) {
        struct plan_output *o = arena_alloc(p->arena, sizeof(*o));

        if (!label || !plan_label_valid(label) || !pointer || *pointer != '/' ||
            strlen(pointer) > CHARM_POINTER_MAX || strpbrk(pointer, "\"\\{}:\n")) {
                plan_out_mistake(p, "charm_output: \"%.60s\" is no label, or \"%.60s\" no pointer",
                                 label ? label : "(null)", pointer ? pointer : "(null)");
                return "";
        }
        o->label = arena_text(p->arena, label, strlen(label));
        o->head = charm_text(p, "{{output:%s:%s:", label, pointer);
        o->next = p->outputs;
        p->outputs = o;
        return charm_text(p, "%splain}}", o->head);
}

/* ---- secrets */

/* What was asked for under KEY before, in the same words; or it is a mistake. */
static const char *asked_before(struct charm_plan *p, const char *key, unsigned length,
                                const char *alphabet) {
        const json_t *s = json_object_get(p->secrets, key);

        if (!s)
                return NULL;
        if (json_get_int(s, "length", 0) != (int64_t)length ||
            !str_eq(json_get_str(s, "alphabet", NULL), alphabet))
                plan_out_mistake(
                        p, "charm_secret: %s was asked for with another length or alphabet", key);
        return json_get_str(s, "token", "");
}

const char *charm_secret(struct charm_plan *p, const char *label, const char *field,
                         unsigned length, const char *alphabet) {
        const char *key = charm_text(p, "%s/%s", label ? label : "", field ? field : ""), *token;

        if (!plan_label_valid(key) || !label || !field || !*label || !*field ||
            strchr(field, '/')) {
                plan_out_mistake(p, "charm_secret: \"%.100s\" is not LABEL/FIELD", key);
                return "";
        }
        if (length < 1 || length > SECRET_LENGTH_MAX || (alphabet && !*alphabet)) {
                plan_out_mistake(p,
                                 "charm_secret: %s: a length of 1 to %d and an alphabet are wanted",
                                 key, SECRET_LENGTH_MAX);
                return "";
        }
        token = asked_before(p, key, length, alphabet);
        if (token)
                return token;
        token = json_get_str(json_get(p->view->root, "secrets"), key, NULL);
        if (!token)
                token = charm_text(p, PLAN_DRAFT, key);
        json_object_set_new(p->secrets, key,
                            json_pack("{s:i, s:s?, s:s}", "length", (int)length, "alphabet",
                                      alphabet, "token", token));
        return token;
}

static bool has_form(const char *token) {
        return str_starts(token, "{{secret:") || str_starts(token, "{{want:") ||
               str_starts(token, "{{output:");
}

const char *charm_form(struct charm_plan *p, const char *token, const char *form) {
        static const char *const forms[] = { "plain", "base64", "url",
                                             "yaml",  "bcrypt", "pem-bundle" };
        bool known = false;

        for (size_t i = 0; form && i < ARRAY_SIZE(forms); i++)
                known = known || str_eq(form, forms[i]);
        if (!known)
                plan_out_mistake(p, "charm_form: no such form: \"%.20s\"", form ? form : "(null)");
        else if (!token || !has_form(token) || !str_ends(token, TOKEN_END))
                plan_out_mistake(p, "charm_form: what is given is not one token of a secret or an "
                                    "output in its plain form");
        else if (str_eq(form, "bcrypt") && str_starts(token, "{{output:"))
                plan_out_mistake(p, "charm_form: an output has no form bcrypt");
        else
                return charm_text(p, "%.*s:%s}}", (int)(strlen(token) - strlen(TOKEN_END)), token,
                                  form);
        return "";
}

/* ---- seeing, status */

static bool listed(const json_t *list, const char *text) {
        size_t i;
        json_t *j;

        json_array_foreach((json_t *)list, i, j)
                if (str_eq(json_string_value(j), text))
                        return true;
        return false;
}

void charm_see(struct charm_plan *p, const char *label, const char *pointer) {
        json_t *list;

        if (!label || !plan_label_valid(label) || !pointer || *pointer != '/' ||
            strlen(pointer) > CHARM_POINTER_MAX) {
                plan_out_mistake(p, "charm_see: \"%.60s\" is no label, or \"%.60s\" no pointer",
                                 label ? label : "(null)", pointer ? pointer : "(null)");
                return;
        }
        list = json_object_get(p->see, label);
        if (!list) {
                list = json_array();
                json_object_set_new(p->see, label, list);
        }
        if (listed(list, pointer))
                return;
        json_array_append_new(list, text_json(p, "charm_see", pointer));
        if (++p->see_count > CHARM_SEE_MAX)
                plan_out_mistake(p, "charm_see: more than %d fields", CHARM_SEE_MAX);
}

void charm_status(struct charm_plan *p, enum charm_status s, const char *fmt, ...) {
        va_list ap;

        if (s < CHARM_ACTIVE || s > CHARM_BLOCKED) {
                plan_out_mistake(p, "charm_status: no such status: %d", (int)s);
                return;
        }
        if (p->said && p->status >= s)
                return;
        p->said = true;
        p->status = s;
        va_start(ap, fmt);
        p->message = arena_format(p->arena, fmt, ap);
        va_end(ap);
        if (strlen(p->message) > CHARM_REFUSED_MAX)
                plan_out_mistake(p, "charm_status: a message of more than %d bytes",
                                 CHARM_REFUSED_MAX);
}

void charm_version(struct charm_plan *p, const char *workload_version) {
        if (!workload_version || strlen(workload_version) > 64)
                plan_out_mistake(p, "charm_version: a version has 0 to 64 bytes");
        else
                p->version = arena_text(p->arena, workload_version, strlen(workload_version));
}

/* ---- the end */

static void add_member(json_t *head, const char *name, json_t *value) {
        bool empty = json_is_array(value) ? !json_array_size(value) : !json_object_size(value);

        if (!empty)
                json_object_set(head, name, value);
}

static json_t *make_head(struct charm_plan *p) {
        static const char *const names[] = { "active", "waiting", "maintenance", "blocked" };
        json_t *head = json_object(), *s;
        const char *key;

        json_object_foreach(p->secrets, key, s)
                json_object_del(s, "token");
        if (p->said) {
                json_object_set_new(head, "status", json_string(names[p->status]));
                json_object_set_new(head, "message", text_json(p, "charm_status", p->message));
        }
        if (p->version)
                json_object_set_new(head, "version", text_json(p, "charm_version", p->version));
        add_member(head, "tell", p->tell);
        add_member(head, "secrets", p->secrets);
        add_member(head, "targets", p->targets);
        add_member(head, "see", p->see);
        add_member(head, "needs", p->needs);
        add_member(head, "keep", p->keep);
        add_member(head, "sign", p->sign);
        return head;
}

static bool is_target(struct charm_plan *p, const char *label, size_t len) {
        return json_object_get(p->targets, arena_text(p->arena, label, len)) != NULL;
}

static bool is_wanted(struct charm_plan *p, const char *label) {
        for (const char *slash = label + strlen(label); slash;
             slash = memrchr(label, '/', (size_t)(slash - label))) {
                const char *hex = map_find_bytes(&p->labels, label, (size_t)(slash - label));

                /* Below a slash only the objects of a file, whose digest is not known here. */
                if (hex && (!*slash || (!*hex && !is_target(p, label, (size_t)(slash - label)))))
                        return true;
        }
        return false;
}

static void check_needs(struct charm_plan *p) {
        size_t i;
        json_t *n;

        json_array_foreach(p->needs, i, n) {
                const char *label = json_get_str(n, "label", ""), *on = json_get_str(n, "on", "");

                if (!is_wanted(p, label) || !is_wanted(p, on))
                        plan_out_mistake(p, "%s needs %s, but the plan does not want %s", label, on,
                                         is_wanted(p, label) ? on : label);
        }
}

void plan_out_end(struct charm_plan *p, struct buf *out) {
        cleanup_(buf_free) struct buf text = BUF_INIT;
        cleanup_(json_freep) json_t *head = NULL;

        check_needs(p);
        head = make_head(p);
        json_canonical(head, &text);
        if (text.len > CHARM_HEAD_MAX)
                plan_out_mistake(
                        p,
                        "what the plan tells, asks and needs has %zu bytes, at most %u are allowed",
                        text.len, CHARM_HEAD_MAX);
        if (*p->mistake) {
                frame_put(out, PLAN_FRAME_REFUSED, p->mistake, strlen(p->mistake));
                return;
        }
        frame_put(out, PLAN_FRAME_HEAD, text.data, text.len);
        buf_add(out, p->frames.data, p->frames.len);
        frame_put(out, PLAN_FRAME_END, NULL, 0);
}
