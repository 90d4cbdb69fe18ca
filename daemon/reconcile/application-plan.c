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

        if (in_name || !c->provider->secret_place || !c->provider->secret_place(c->wanted, pointer))
                return err_set(err, -EPERM,
                               "a secret's token stands at %s, where no secret may: only data and "
                               "stringData of a Secret, "
                               "password fields, and secret relation data may hold one",
                               pointer);
        map_set(c->uris, ref->uri, c);
        return 0;
}

static void mark_of(const struct application_work *w, const uint8_t sha256[DIGEST_SIZE],
                    uint8_t ret[DIGEST_SIZE]) {
        cleanup_(buf_free) struct buf b = BUF_INIT;

        buf_add(&b, sha256, DIGEST_SIZE);
        json_canonical(w->model_options, &b);
        digest_sha256(b.data, b.len, ret);
}

/* Takes over JSON. */
static int prepare_json(struct application_work *w, struct prepared *d, json_t *json,
                        struct err *err) {
        cleanup_(json_freep) json_t *wanted = json;
        struct place_check check = { d->provider, wanted, &d->uris };
        struct buf text = BUF_INIT;
        int r;

        if (!json_is_object(wanted))
                return err_set(err, -EINVAL, "%s: is no object", d->label);
        if (d->provider->decorate)
                d->provider->decorate(wanted, w->model_options);
        r = d->provider->identify(wanted, w->model_name, &d->identity, err);
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
        /* Said now rather than applied as it stands: nothing fills such a value in yet. */
        if (strstr(buf_str(&text), "{{output:")) {
                buf_free(&text);
                return err_set(err, -ENOTSUP, "%s: charm_output is not served by this daemon yet",
                               d->label);
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
        const struct world_want *want = world_want_in(w->wants, w->want_count, p->label);
        json_t *json = NULL;
        int r;

        if (!d->provider)
                return no_provider(w, p, err);
        mark_of(w, p->sha256, d->mark);
        if (want && !w->replan && memcmp(want->document, d->mark, DIGEST_SIZE) == 0) {
                d->unchanged = true;
                return 0;
        }
        r = json_parse(p->text, p->len, &json, err);
        return r < 0 ? err_add(err, r, "%s", p->label) : prepare_json(w, d, json, err);
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
        const struct world_want *want;
        uint8_t sha256[DIGEST_SIZE];
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
        mark_of(w, sha256, d->mark);
        want = world_want_in(w->wants, w->want_count, label);
        if (want && !w->replan && memcmp(want->document, d->mark, DIGEST_SIZE) == 0) {
                d->unchanged = true;
                return 0;
        }
        return prepare_json(w, d, take_ptr(copy), err);
}

static int prepare_file(struct application_work *w, const struct plan_file *f, struct err *err) {
        const char *sha256 = json_get_str(json_get(w->view, "files"), f->resource, NULL);
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        cleanup_(buf_free) struct buf text = BUF_INIT;
        cleanup_(freep) char *path = NULL;
        uint8_t digest[DIGEST_SIZE];
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
        digest_sha256(buf_str(&text), text.len, digest);
        if (!str_eq(digest_hex(digest, DIGEST_SIZE, hex), sha256))
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

static int by_label(const void *a, const void *b) {
        return strcmp(((const struct prepared *)a)->label, ((const struct prepared *)b)->label);
}

static int check_labels(struct application_work *w, struct err *err) {
        if (w->doc_count)
                qsort(w->docs, w->doc_count, sizeof(*w->docs), by_label);
        for (size_t i = 1; i < w->doc_count; i++)
                if (str_eq(w->docs[i].label, w->docs[i - 1].label))
                        return err_set(err, -EEXIST, "two documents have the label %s",
                                       w->docs[i].label);
        return 0;
}

void application_prepare(void *arg) {
        struct application_work *w = arg;
        const char *label;
        json_t *target;
        int r = 0;

        json_object_foreach(w->plan->targets, label, target) {
                if (r >= 0)
                        r = prepare_target(w, label, target, &w->err);
        }
        for (size_t i = 0; r >= 0 && i < w->plan->doc_count; i++)
                r = prepare_doc(w, &w->plan->docs[i], &w->err);
        for (size_t i = 0; r >= 0 && i < w->plan->file_count; i++)
                r = prepare_file(w, &w->plan->files[i], &w->err);
        if (r >= 0)
                check_labels(w, &w->err);
}
