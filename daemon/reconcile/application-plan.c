/* SPDX-License-Identifier: Apache-2.0 */
/* application-plan.c - a charm's plan made ready to be saved: split, parsed, named, checked
 *
 * Runs in a job thread, for a plan may hold megabytes of CRDs. Touches only its work and the
 * providers' pure functions. A document whose bytes and model options are those of the want that
 * is there is not even parsed. The first mistake refuses the whole plan, with the label it
 * stands at. */
#include "application.h"

#include "log.h"
#include "yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (32u << 20) /* of a file resource: all CRDs of Kubeflow have 8 MB */

static const struct provider *provider_of(const struct application_work *w, const char *target) {
        if (!target)
                return w->provider;
        return provider_find(json_get_str(json_get(w->plan->targets, target), "provider", ""));
}

struct place_check {
        const struct provider *provider;
        const json_t *wanted;
        struct map *uris;
};

static int check_place(void *arg, const struct secret_ref *ref, const char *pointer, bool in_name,
                       struct err *err) {
        struct place_check *c = arg;
        char key[SECRET_TOKEN_MAX];

        if (in_name || !c->provider->secret_place || !c->provider->secret_place(c->wanted, pointer))
                return err_set(err, -EPERM,
                               "a secret's token stands at %s, where no secret may: only data and "
                               "stringData of a Secret, "
                               "password fields, and secret relation data may hold one",
                               pointer);
        snprintf(key, sizeof(key), "%s:%lld", ref->uri, (long long)ref->revision);
        map_set(c->uris, key, c);
        return 0;
}

/* What the charm says that each document needs (charm_needs), by label. */
static void gather_needs(struct application_work *w) {
        size_t i;
        json_t *need;

        json_array_foreach(w->plan->needs, i, need) {
                const char *label = json_get_str(need, "label", "");
                json_t *list = json_object_get(w->needs, label);

                if (!w->needs)
                        w->needs = json_object();
                if (!list)
                        json_object_set_new(w->needs, label, list = json_array());
                json_array_append(list, need);
        }
}

static void mark_of(const struct application_work *w, const char *label,
                    const uint8_t sha256[DIGEST_SIZE], uint8_t ret[DIGEST_SIZE]) {
        const json_t *needs = json_get(w->needs, label);
        cleanup_(buf_free) struct buf b = BUF_INIT;

        buf_add(&b, sha256, DIGEST_SIZE);
        json_canonical(w->model_options, &b);
        if (needs)
                json_canonical(needs, &b);
        digest_sha256(b.data, b.len, ret);
}

/* ---- values of other documents */

struct finding {
        struct prepared *doc;
        const json_t *wanted;
};

static int add_output(const struct finding *f, const struct output_ref *ref, const char *pointer,
                      struct err *err) {
        struct prepared *d = f->doc;
        struct prepared_output *o;

        if (!plan_label_valid(ref->ref))
                return err_set(err, -EINVAL, "%s: an output of \"%.60s\", which is no label",
                               pointer, ref->ref);
        if (ref->form == SECRET_BCRYPT)
                return err_set(err, -EINVAL, "%s: an output has no form bcrypt", pointer);
        d->outputs =
                mem_grow(d->outputs, &d->output_room, d->output_count + 1, sizeof(*d->outputs));
        o = &d->outputs[d->output_count++];
        *o = (struct prepared_output){ .label = str_dup(ref->ref),
                                       .pointer = str_dup(ref->pointer),
                                       .place = str_dup(pointer) };
        o->secret_place =
                d->provider->secret_place && d->provider->secret_place(f->wanted, pointer);
        return 0;
}

static int find_outputs(void *arg, const char *text, const char *pointer, bool in_name,
                        struct err *err) {
        struct output_ref ref;
        size_t from = 0;

        while (output_token_next(text, from, &ref)) {
                int r = in_name ? err_set(err, -EINVAL,
                                          "%s: an output's token stands in a member's name",
                                          pointer)
                                : add_output(arg, &ref, pointer, err);

                if (r < 0)
                        return r;
                from = ref.end;
        }
        return 0;
}

static int put_zeros(void *arg, const char *text, struct buf *out, struct err *err) {
        struct output_ref ref;
        size_t from = 0;

        while (output_token_next(text, from, &ref)) {
                buf_add(out, text + from, ref.start - from);
                buf_puts(out, "0");
                from = ref.end;
        }
        buf_puts(out, text + from);
        return 0;
}

static bool same_identity(const struct identity *a, const struct identity *b) {
        bool same = str_eq(a->type, b->type) && str_eq(a->path, b->path) && a->count == b->count;

        for (size_t i = 0; same && i < a->count; i++)
                same = str_eq(a->needs[i].path, b->needs[i].path);
        return same;
}

/* What a document is, and what it refers to, is known before anything is written: with other
 * values it must be the same thing. */
static int check_identity(const struct application_work *w, struct prepared *d,
                          const json_t *wanted, struct err *err) {
        cleanup_(json_freep) json_t *other = NULL;
        cleanup_(identity_free) struct identity with_zeros = { 0 };
        struct err ignored = { 0 };
        int r = json_fill(wanted, put_zeros, NULL, &other, err);

        if (r >= 0)
                r = d->provider->identify(other, w->model_name, &with_zeros, err);
        if (r < 0)
                return r;
        if (d->provider->identify(wanted, w->model_name, &d->identity, &ignored) >= 0 &&
            same_identity(&d->identity, &with_zeros))
                return 0;
        return err_set(err, -EINVAL,
                       "an output (%s of %s) stands in a name: what a document is called, and what "
                       "it refers to, cannot be known later",
                       d->outputs[0].pointer, d->outputs[0].label);
}

static int identify(const struct application_work *w, struct prepared *d, const json_t *wanted,
                    struct err *err) {
        if (d->output_count)
                return check_identity(w, d, wanted, err);
        return d->provider->identify(wanted, w->model_name, &d->identity, err);
}

/* As the want that is there. A document that takes values is looked at again each time: what its
 * labels stand for may have changed. */
static bool is_unchanged(const struct application_work *w, struct prepared *d, const char *text) {
        const struct world_want *want = world_want_in(w->wants, w->want_count, d->label);

        d->unchanged = want && !w->replan && memcmp(want->document, d->mark, DIGEST_SIZE) == 0 &&
                       !strstr(text, OUTPUT_TOKEN_HEAD);
        return d->unchanged;
}

/* Takes over JSON. */
static int prepare_json(struct application_work *w, struct prepared *d, const json_t *hold,
                        json_t *json, struct err *err) {
        cleanup_(json_freep) json_t *wanted = json;
        struct place_check check = { d->provider, wanted, &d->uris };
        struct finding finding = { d, wanted };
        struct buf text = BUF_INIT;
        int r;

        if (!json_is_object(wanted))
                return err_set(err, -EINVAL, "%s: is no object", d->label);
        if (d->provider->decorate)
                d->provider->decorate(wanted, w->model_options);
        if (hold && d->provider->hold)
                d->provider->hold(wanted, hold);
        r = json_walk(wanted, find_outputs, &finding, err);
        if (r >= 0)
                r = identify(w, d, wanted, err);
        if (r >= 0)
                r = secret_token_walk(wanted, check_place, &check, err);
        if (r < 0)
                return err_add(err, r, "%s", d->label);
        json_canonical(wanted, &text);
        if (text.len > PROVIDER_DOC_MAX) {
                buf_free(&text);
                return err_set(err, -E2BIG, "%s: %zu bytes, at most %u", d->label, text.len,
                               PROVIDER_DOC_MAX);
        }
        d->len = text.len;
        d->text = buf_take(&text);
        return 0;
}

static struct prepared *add(struct application_work *w, const char *label, const char *target) {
        struct prepared *d;

        w->docs = mem_grow(w->docs, &w->doc_room, w->doc_count + 1, sizeof(*w->docs));
        d = &w->docs[w->doc_count++];
        d->label = label;
        d->target = target;
        d->provider = provider_of(w, target);
        return d;
}

static int no_provider(const struct application_work *w, const struct plan_doc *p,
                       struct err *err) {
        const json_t *target = p->target ? json_get(w->plan->targets, p->target) : NULL;

        if (!target)
                return err_set(err, -ENOENT,
                               "%s: wanted at \"%s\", which the plan declares no target of",
                               p->label, p->target ? p->target : "the model's default");
        return err_set(err, -ENOTSUP, "%s: this program has no provider \"%s\"", p->label,
                       json_get_str(target, "provider", ""));
}

static int prepare_doc(struct application_work *w, const struct plan_doc *p, struct err *err) {
        struct prepared *d = add(w, p->label, p->target);
        const json_t *hold;
        json_t *json = NULL;
        int r;

        if (!d->provider)
                return no_provider(w, p, err);
        mark_of(w, d->label, p->sha256, d->mark);
        hold = application_stage_mark(w, d);
        if (is_unchanged(w, d, p->text))
                return 0;
        r = json_parse(p->text, p->len, &json, err);
        return r < 0 ? err_add(err, r, "%s", p->label) : prepare_json(w, d, hold, json, err);
}

/* ---- attached files, split into their objects */

static int read_file(const char *path, struct buf *out, struct err *err) {
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;
        ssize_t n;

        if (fd < 0 || fstat(fd, &st) < 0)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        if (st.st_size > FILE_MAX)
                return err_set(err, -E2BIG, "%s: %lld bytes, at most %u", path,
                               (long long)st.st_size, FILE_MAX);
        buf_reserve(out, (size_t)st.st_size);
        while ((n = read(fd, out->data + out->len, out->room - out->len - 1)) > 0) {
                out->len += (size_t)n;
                if (out->len + 1 == out->room)
                        buf_reserve(out, 1);
        }
        return n < 0 ? err_set(err, -errno, "%s: %s", path, strerror(errno)) : 0;
}

static bool matches(const json_t *match, const json_t *object) {
        const char *kind = json_get_str(match, "kind", NULL);
        const char *name = json_get_str(match, "name", NULL);

        return (!kind || str_eq(kind, json_get_str(object, "kind", ""))) &&
               (!name || str_eq(name, json_get_str(json_get(object, "metadata"), "name", "")));
}

/* RFC 7396. */
static void merge(json_t *into, const json_t *patch) {
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)patch, name, value) {
                json_t *old = json_object_get(into, name);

                if (json_is_null(value)) {
                        json_object_del(into, name);
                } else if (json_is_object(value)) {
                        if (!json_is_object(old)) {
                                old = json_object();
                                json_object_set_new(into, name, old);
                        }
                        merge(old, value);
                } else {
                        json_object_set(into, name, value);
                }
        }
}

/* False: an edit drops it. */
static bool edit(json_t *object, const json_t *edits) {
        size_t i;
        json_t *e;

        json_array_foreach((json_t *)edits, i, e) {
                if (!matches(json_get(e, "match"), object))
                        continue;
                if (json_get_bool(e, "drop", false))
                        return false;
                if (json_get(e, "patch"))
                        merge(object, json_get(e, "patch"));
        }
        return true;
}

static int prepare_object(struct application_work *w, const struct plan_file *f, json_t *object,
                          struct err *err) {
        const json_t *meta = json_get(object, "metadata");
        cleanup_(json_freep) json_t *copy = json_deep_copy(object);
        cleanup_(buf_free) struct buf text = BUF_INIT;
        uint8_t sha256[DIGEST_SIZE];
        const json_t *hold;
        struct prepared *d;
        char *label;

        if (!edit(copy, f->edits))
                return 0;
        label = str_format("%s/%s/%s%s%s", f->label, json_get_str(copy, "kind", "?"),
                           json_get_str(meta, "namespace", ""),
                           json_get(meta, "namespace") ? "/" : "", json_get_str(meta, "name", "?"));
        d = add(w, label, NULL);
        d->own_label = label;
        json_canonical(copy, &text);
        digest_sha256(text.data, text.len, sha256);
        mark_of(w, label, sha256, d->mark);
        hold = application_stage_mark(w, d);
        if (is_unchanged(w, d, buf_str(&text)))
                return 0;
        return prepare_json(w, d, hold, take_ptr(copy), err);
}

static int prepare_file(struct application_work *w, const struct plan_file *f, struct err *err) {
        const char *sha256 = json_get_str(json_get(w->view, "files"), f->resource, NULL);
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        cleanup_(buf_free) struct buf text = BUF_INIT;
        cleanup_(freep) char *path = NULL;
        char hex[DIGEST_HEX_SIZE];
        int r;

        if (!sha256)
                return err_set(err, -ENOENT, "%s: no file resource \"%s\"", f->label, f->resource);
        path = str_format("%s/resources/%s", w->rec->options.state_dir, sha256);
        r = read_file(path, &text, err);
        if (r < 0)
                return err_add(err, r,
                               "resource %s is not here: mooringctl attach-resource %s %s=FILE",
                               f->resource, w->name, f->resource);
        if (!str_eq(digest_sha256_hex(buf_str(&text), text.len, hex), sha256))
                return err_set(err, -EBADMSG, "%s: is damaged: its SHA-256 is %s", path, hex);
        r = yaml_parse(buf_str(&text), text.len, f->resource, YAML_KUBERNETES, &s, err);
        for (size_t i = 0; r >= 0 && i < s.count; i++)
                if (json_is_object(s.documents[i].root) && json_object_size(s.documents[i].root))
                        r = prepare_object(w, f, s.documents[i].root, err);
        return r;
}

/* ---- targets */

static int prepare_target(struct application_work *w, const char *label, const json_t *target,
                          struct err *err) {
        const char *name = json_get_str(target, "provider", "");
        const json_t *config = json_get(target, "config");
        struct place_check check = { provider_find(name), config, &w->target_uris };
        int r;

        if (!check.provider)
                return err_set(err, -ENOTSUP, "target %s: this program has no provider \"%s\"",
                               label, name);
        r = secret_token_walk(config, check_place, &check, err);
        if (r >= 0)
                r = check.provider->check(config, NULL, err);
        return r < 0 ? err_add(err, r, "target %s", label) : 0;
}

static int check_labels(struct application_work *w, struct err *err) {
        application_sort_docs(w);
        for (size_t i = 1; i < w->doc_count; i++)
                if (str_eq(w->docs[i].label, w->docs[i - 1].label))
                        return err_set(err, -EEXIST, "two documents have the label %s",
                                       w->docs[i].label);
        return 0;
}

/* What is told or opened has no moment later at which a value could be put in. */
static int check_elsewhere(const struct application_work *w, struct err *err) {
        cleanup_(freep) char *told = output_token_in(w->plan->tell);
        cleanup_(freep) char *target = output_token_in(w->plan->targets);

        if (!told && !target)
                return 0;
        return err_set(err, -EINVAL,
                       "charm_output stands in %s (%s): it may stand in wanted documents only; "
                       "charm_see shows a value to the next plan",
                       told ? "relation data" : "a target's configuration", told ? told : target);
}

/* As the want that is there. The document itself may be made of what is no longer told. */
static void prepare_kept(struct application_work *w, const char *label) {
        const struct world_want *want = world_want_in(w->wants, w->want_count, label);
        struct prepared *d;

        if (!want)
                return;
        d = add(w, label, NULL);
        memcpy(d->mark, want->document, DIGEST_SIZE);
        d->unchanged = d->kept = true;
}

void application_prepare(void *arg) {
        struct application_work *w = arg;
        const char *label;
        json_t *target, *kept;
        int r = check_elsewhere(w, &w->err);
        size_t k;

        gather_needs(w);
        json_object_foreach(w->plan->targets, label, target) {
                if (r >= 0)
                        r = prepare_target(w, label, target, &w->err);
        }
        for (size_t i = 0; r >= 0 && i < w->plan->doc_count; i++)
                r = prepare_doc(w, &w->plan->docs[i], &w->err);
        json_array_foreach(w->plan->keep, k, kept)
                prepare_kept(w, json_string_value(kept));
        for (size_t i = 0; r >= 0 && i < w->plan->file_count; i++)
                r = prepare_file(w, &w->plan->files[i], &w->err);
        if (r >= 0)
                check_labels(w, &w->err);
}
