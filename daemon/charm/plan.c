/* SPDX-License-Identifier: Apache-2.0 */
/* plan.c - reads a worker's frames into a struct plan; see plan.h
 *
 * Called by worker.c for the daemon and by the harness. Order: R, then any number of plans, each
 * H (D|F)* E or one X, and of answers of steps, each one A or one X. */
#include "plan.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

/* Label, target, hash and two NULs stand before a document's text. */
#define FRAME_MAX (CHARM_DOC_MAX + 2 * (CHARM_LABEL_MAX + 1) + DIGEST_SIZE)

static void free_docs(struct plan *p) {
        for (size_t i = 0; i < p->doc_count; i++) {
                free(p->docs[i].label);
                free(p->docs[i].target);
                free(p->docs[i].text);
        }
        free(p->docs);
}

static void free_files(struct plan *p) {
        for (size_t i = 0; i < p->file_count; i++) {
                free(p->files[i].label);
                free(p->files[i].resource);
                json_decref(p->files[i].edits);
        }
        free(p->files);
}

struct plan *plan_free(struct plan *p) {
        if (!p)
                return NULL;
        free(p->status);
        free(p->message);
        free(p->version);
        json_decref(p->tell);
        json_decref(p->secrets);
        json_decref(p->targets);
        json_decref(p->see);
        json_decref(p->needs);
        json_decref(p->keep);
        json_decref(p->sign);
        free_docs(p);
        free_files(p);
        free(p);
        return NULL;
}

void plan_reader_init(struct plan_reader *r) {
        *r = (struct plan_reader){ .labels = MAP_INIT };
        frame_reader_init(&r->frames, FRAME_MAX);
}

void plan_reader_deinit(struct plan_reader *r) {
        frame_reader_deinit(&r->frames);
        map_free(&r->labels);
        r->plan = plan_free(r->plan);
        r->step = step_free(r->step);
}

void plan_reader_feed(struct plan_reader *r, const void *data, size_t len) {
        frame_feed(&r->frames, data, len);
}

size_t plan_reader_left(const struct plan_reader *r) {
        return r->frames.in.len - r->frames.done;
}

bool plan_label_valid(const char *label) {
        size_t n = strlen(label);

        if (n == 0 || n > CHARM_LABEL_MAX)
                return false;
        for (const char *p = label; *p; p++)
                if (!isalnum((unsigned char)*p) && !strchr("._-/", *p))
                        return false;
        return true;
}

/* ---- head */

struct head {
        const char *status, *message, *version;
        json_t *tell, *secrets, *targets, *see, *needs, *keep, *sign;
};

static const struct json_field head_fields[] = {
        { "status", JSON_FIELD_STRING, offsetof(struct head, status), 0, 1, 16, NULL },
        { "message", JSON_FIELD_STRING, offsetof(struct head, message), 0, 0, CHARM_REFUSED_MAX,
          NULL },
        { "version", JSON_FIELD_STRING, offsetof(struct head, version), 0, 0, 64, NULL },
        { "tell", JSON_FIELD_OBJECT, offsetof(struct head, tell), 0, 0, 0, NULL },
        { "secrets", JSON_FIELD_OBJECT, offsetof(struct head, secrets), 0, 0, 0, NULL },
        { "targets", JSON_FIELD_OBJECT, offsetof(struct head, targets), 0, 0, 0, NULL },
        { "see", JSON_FIELD_OBJECT, offsetof(struct head, see), 0, 0, 0, NULL },
        { "needs", JSON_FIELD_LIST, offsetof(struct head, needs), 0, 0, 0, NULL },
        { "keep", JSON_FIELD_LIST, offsetof(struct head, keep), 0, 0, 0, NULL },
        { "sign", JSON_FIELD_LIST, offsetof(struct head, sign), 0, 0, 0, NULL },
        {},
};

static int check_status(const struct head *h, struct err *err) {
        static const char *const words[] = { "active", "waiting", "maintenance", "blocked" };

        if (!h->status)
                return 0;
        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (str_eq(h->status, words[i]))
                        return 0;
        return err_set(err, -EBADMSG, "no such status: \"%.16s\"", h->status);
}

static int check_tell(json_t *tell, struct err *err) {
        const char *id;
        json_t *keys;
        int64_t n;

        json_object_foreach(tell, id, keys)
                if (!str_to_int(id, &n) || !json_is_object(keys))
                        return err_set(err, -EBADMSG, "what is told has no relation \"%.40s\"", id);
        return 0;
}

static int check_secrets(json_t *secrets, struct err *err) {
        const char *name;
        json_t *s;

        json_object_foreach(secrets, name, s) {
                int64_t length = json_get_int(s, "length", 0);

                if (!plan_label_valid(name) || !strchr(name, '/'))
                        return err_set(err, -EBADMSG, "a secret's name is not LABEL/FIELD");
                if (json_get(s, "certificate")) {
                        if (!json_is_object(json_get(s, "certificate")))
                                return err_set(err, -EBADMSG, "certificate %s is no object", name);
                        continue;
                }
                if (length < 1 || length > 4096)
                        return err_set(err, -EBADMSG, "secret %s: length %lld", name,
                                       (long long)length);
        }
        return 0;
}

static int check_targets(json_t *targets, struct err *err) {
        const char *label;
        json_t *t;

        json_object_foreach(targets, label, t)
                if (!plan_label_valid(label) || !json_get_str(t, "provider", NULL) ||
                    !json_is_object(json_get(t, "config")))
                        return err_set(err, -EBADMSG,
                                       "target \"%.80s\" is not a provider and a document", label);
        return 0;
}

static int check_see(json_t *see, struct err *err) {
        size_t count = 0, i;
        const char *label;
        json_t *pointers, *p;

        json_object_foreach(see, label, pointers) {
                if (!plan_label_valid(label) || !json_is_array(pointers))
                        return err_set(err, -EBADMSG, "\"see\" is not lists by label");
                json_array_foreach(pointers, i, p)
                        if (!json_is_string(p) || json_string_value(p)[0] != '/' ||
                            json_string_length(p) > CHARM_POINTER_MAX)
                                return err_set(err, -EBADMSG, "%s: a field to see is no pointer",
                                               label);
                count += json_array_size(pointers);
        }
        if (count > CHARM_SEE_MAX)
                return err_set(err, -E2BIG, "%zu fields to see, at most %d are allowed", count,
                               CHARM_SEE_MAX);
        return 0;
}

static int check_needs(json_t *needs, struct err *err) {
        size_t i;
        json_t *n;

        json_array_foreach(needs, i, n) {
                const char *kind = json_get_str(n, "kind", "");

                if (!plan_label_valid(json_get_str(n, "label", "")) ||
                    !plan_label_valid(json_get_str(n, "on", "")))
                        return err_set(err, -EBADMSG, "a need without its two labels");
                if (!str_eq(kind, "exists") && !str_eq(kind, "ready") && !str_eq(kind, "value"))
                        return err_set(err, -EBADMSG, "no such need: \"%.16s\"", kind);
        }
        return 0;
}

static int check_keep(json_t *keep, struct err *err) {
        size_t i;
        json_t *label;

        json_array_foreach(keep, i, label)
                if (!json_is_string(label) || !plan_label_valid(json_string_value(label)))
                        return err_set(err, -EBADMSG, "what is kept is not a list of labels");
        return 0;
}

static int check_sign(json_t *sign, struct err *err) {
        json_t *s, *request;
        size_t i;

        json_array_foreach(sign, i, s) {
                request = json_get(s, "request");
                if (!plan_label_valid(json_get_str(s, "label", "")) || !json_is_string(request) ||
                    json_string_length(request) > CHARM_REQUEST_MAX ||
                    json_get_int(s, "lifetime", -1) < 0)
                        return err_set(err, -EBADMSG,
                                       "what is to be signed is no label, request and lifetime");
        }
        return 0;
}

static int check_head(const struct head *h, struct err *err) {
        int r = check_status(h, err);

        if (r >= 0)
                r = check_tell(h->tell, err);
        if (r >= 0)
                r = check_secrets(h->secrets, err);
        if (r >= 0)
                r = check_targets(h->targets, err);
        if (r >= 0)
                r = check_see(h->see, err);
        if (r >= 0)
                r = check_keep(h->keep, err);
        if (r >= 0)
                r = check_sign(h->sign, err);
        return r < 0 ? r : check_needs(h->needs, err);
}

static json_t *keep(json_t *j, json_t *empty) {
        if (!j)
                return empty;
        json_decref(empty);
        return json_incref(j);
}

static int take_head(struct plan_reader *r, const struct frame *f, struct err *err) {
        cleanup_(json_freep) json_t *j = NULL;
        struct head h = {};
        struct plan *p;
        int e;

        if (f->len > CHARM_HEAD_MAX)
                return err_set(err, -E2BIG, "a head of %zu bytes, at most %u are allowed", f->len,
                               CHARM_HEAD_MAX);
        e = json_parse(f->body, f->len, &j, err);
        if (e >= 0)
                e = json_decode(j, head_fields, false, &h, &(struct json_where){ NULL, NULL, "" },
                                err);
        if (e >= 0)
                e = check_head(&h, err);
        if (e < 0)
                return err_add(err, e, "head");
        p = r->plan = mem_new(struct plan);
        p->status = str_dup(h.status);
        p->message = str_dup(h.message);
        p->version = str_dup(h.version);
        p->tell = keep(h.tell, json_object());
        p->secrets = keep(h.secrets, json_object());
        p->targets = keep(h.targets, json_object());
        p->see = keep(h.see, json_object());
        p->needs = keep(h.needs, json_array());
        p->keep = keep(h.keep, json_array());
        p->sign = keep(h.sign, json_array());
        return 0;
}

/* ---- documents and files */

static int count_in(struct plan_reader *r, size_t len, const char *label, struct err *err) {
        if (!plan_label_valid(label))
                return err_set(err, -EBADMSG, "a label that is none");
        if (map_set(&r->labels, label, r))
                return err_set(err, -EBADMSG, "label %s twice", label);
        r->bytes += len;
        if (r->bytes > CHARM_PLAN_MAX)
                return err_set(err, -E2BIG, "a plan of more than %u bytes", CHARM_PLAN_MAX);
        if (r->plan->doc_count + r->plan->file_count >= CHARM_PLAN_DOCS_MAX)
                return err_set(err, -E2BIG, "a plan of more than %d documents",
                               CHARM_PLAN_DOCS_MAX);
        return 0;
}

/* Takes text up to NUL off the front of a body. NULL: there is none, or it is too long for a
 * label. */
static const char *take_text(const char **body, size_t *len) {
        const char *text = *body,
                   *nul = memchr(text, '\0', MIN_OF(*len, (size_t)CHARM_LABEL_MAX + 1));

        if (!nul)
                return NULL;
        *len -= (size_t)(nul + 1 - text);
        *body = nul + 1;
        return text;
}

static int check_doc(struct plan_reader *r, const char *target, const uint8_t *sha256,
                     const char *text, size_t len, struct err *err) {
        uint8_t digest[DIGEST_SIZE];

        if (*target && !json_object_get(r->plan->targets, target))
                return err_set(err, -EBADMSG, "there is no target of that name in the plan");
        if (len > CHARM_DOC_MAX)
                return err_set(err, -E2BIG, "a document of %zu bytes, at most %u are allowed", len,
                               CHARM_DOC_MAX);
        digest_sha256(text, len, digest);
        if (memcmp(digest, sha256, DIGEST_SIZE) != 0)
                return err_set(err, -EBADMSG,
                               "the document does not have the hash it was sent with");
        if (!len || text[0] != '{')
                return err_set(err, -EBADMSG, "the document is no object");
        return plan_canonical(text, len, err);
}

static int take_doc(struct plan_reader *r, const struct frame *f, struct err *err) {
        const char *body = f->body, *label, *target, *sha256;
        struct plan *p = r->plan;
        size_t len = f->len;
        int e;

        label = take_text(&body, &len);
        target = label ? take_text(&body, &len) : NULL;
        if (!target || len < DIGEST_SIZE)
                return err_set(err, -EBADMSG, "a document without label, target and hash");
        sha256 = body;
        body += DIGEST_SIZE;
        len -= DIGEST_SIZE;
        e = count_in(r, len, label, err);
        if (e < 0)
                return e;
        e = check_doc(r, target, (const uint8_t *)sha256, body, len, err);
        if (e < 0)
                return err_add(err, e, "document %s", label);
        p->docs = mem_grow(p->docs, &p->doc_room, p->doc_count + 1, sizeof(*p->docs));
        p->docs[p->doc_count] = (struct plan_doc){ .label = str_dup(label),
                                                   .target = *target ? str_dup(target) : NULL,
                                                   .text = str_ndup(body, len),
                                                   .len = len };
        memcpy(p->docs[p->doc_count++].sha256, sha256, DIGEST_SIZE);
        return 0;
}

static int take_file(struct plan_reader *r, const struct frame *f, struct err *err) {
        cleanup_(json_freep) json_t *j = NULL;
        struct plan *p = r->plan;
        const char *label, *resource;
        json_t *edits;
        int e;

        if (f->len > CHARM_HEAD_MAX)
                return err_set(err, -E2BIG, "a file want of %zu bytes, at most %u are allowed",
                               f->len, CHARM_HEAD_MAX);
        e = json_parse(f->body, f->len, &j, err);
        if (e < 0)
                return err_add(err, e, "file want");
        label = json_get_str(j, "label", "");
        resource = json_get_str(j, "resource", NULL);
        edits = json_get(j, "edits");
        if (!resource || (edits && !json_is_array(edits) && !json_is_null(edits)))
                return err_set(err, -EBADMSG,
                               "a file want without resource, or with edits that are no list");
        e = count_in(r, f->len, label, err);
        if (e < 0)
                return e;
        p->files = mem_grow(p->files, &p->file_room, p->file_count + 1, sizeof(*p->files));
        p->files[p->file_count++] =
                (struct plan_file){ .label = str_dup(label),
                                    .resource = str_dup(resource),
                                    .edits = json_is_array(edits) ? json_incref(edits) : NULL };
        return 0;
}

/* ---- order */

/* A label of this plan, or one of an object in a file that it wants ("crds/..."). */
static bool wanted(const struct plan_reader *r, const char *label) {
        if (map_find(&r->labels, label) || json_object_get(r->plan->targets, label))
                return true;
        for (size_t i = 0; i < r->plan->file_count; i++) {
                size_t n = strlen(r->plan->files[i].label);

                if (strncmp(label, r->plan->files[i].label, n) == 0 && label[n] == '/')
                        return true;
        }
        return false;
}

static int take_end(struct plan_reader *r, struct plan **ret_plan, struct err *err) {
        size_t i;
        json_t *n;

        json_array_foreach(r->plan->needs, i, n) {
                const char *label = json_get_str(n, "label", ""), *on = json_get_str(n, "on", "");

                if (!wanted(r, label) || !wanted(r, on))
                        return err_set(err, -EBADMSG, "%s needs %s, which the plan does not want",
                                       label, on);
        }
        *ret_plan = take_ptr(r->plan);
        map_free(&r->labels);
        r->bytes = 0;
        return PLAN_WHOLE;
}

static int take_refused(struct plan_reader *r, const struct frame *f, struct err *err) {
        char text[CHARM_REFUSED_MAX + 1];
        size_t n = MIN_OF(f->len, (size_t)CHARM_REFUSED_MAX);

        /* Goes to a terminal and a log: one line of what prints. */
        for (size_t i = 0; i < n; i++)
                text[i] = (unsigned char)f->body[i] < 0x20 || f->body[i] == 0x7f ? ' ' : f->body[i];
        text[n] = '\0';
        err_set(err, -EINVAL, "%s", text);
        return PLAN_REFUSED;
}

static int take_inside(struct plan_reader *r, const struct frame *f, struct plan **ret_plan,
                       struct err *err) {
        switch (f->type) {
        case PLAN_FRAME_DOC:
                return take_doc(r, f, err);
        case PLAN_FRAME_FILE:
                return take_file(r, f, err);
        case PLAN_FRAME_END:
                return take_end(r, ret_plan, err);
        default:
                return err_set(err, -EBADMSG, "a frame of type %d inside a plan", f->type);
        }
}

static int take_step(struct plan_reader *r, const struct frame *f, struct err *err) {
        int e;

        r->step = step_free(r->step);
        e = step_parse(f->body, f->len, &r->step, err);
        return e < 0 ? e : PLAN_STEP;
}

static int take_frame(struct plan_reader *r, const struct frame *f, struct plan **ret_plan,
                      struct err *err) {
        if (r->plan)
                return take_inside(r, f, ret_plan, err);
        if (f->type == PLAN_FRAME_REFUSED)
                return take_refused(r, f, err);
        if (f->type == PLAN_FRAME_READY && !r->ready) {
                r->ready = true;
                return PLAN_READY;
        }
        if (f->type == PLAN_FRAME_HEAD && r->ready)
                return take_head(r, f, err);
        if (f->type == PLAN_FRAME_ANSWER && r->ready)
                return take_step(r, f, err);
        return err_set(err, -EBADMSG, "a frame of type %d out of its order", f->type);
}

int plan_reader_next(struct plan_reader *r, struct plan **ret_plan, struct err *err) {
        struct frame f;
        int e;

        do {
                e = frame_next(&r->frames, &f, err);
                if (e <= 0)
                        return e;
                e = take_frame(r, &f, ret_plan, err);
        } while (e == 0);
        return e;
}
