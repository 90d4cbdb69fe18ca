/* SPDX-License-Identifier: Apache-2.0 */
/* watch.c - see watch.h */
#include "watch.h"

#include "clock.h"
#include "read.h"
#include "store.h"

#include <inttypes.h>
#include <stdlib.h>

/* The real server picks 30 to 60 minutes when the client names no time. */
#define WATCH_SECONDS_DEFAULT 1800

static const char *const change_names[STORE_CHANGE_MAX] = { "ADDED", "MODIFIED", "DELETED" };

static void put_line(struct watch *w, const char *type, const json_t *object) {
        /* check-style: banned: an event needs no sorted members, and is on the hot path */
        cleanup_(freep) char *text = json_dumps(object, JSON_COMPACT);

        if (w->text.len - w->at > WATCH_BACKLOG_MAX) {
                w->over = w->broken = true;
                return;
        }
        buf_printf(&w->text, "{\"type\":\"%s\",\"object\":", type);
        buf_puts(&w->text, text);
        buf_puts(&w->text, "}\n");
}

static void put_object(struct watch *w, const char *type, json_t *object) {
        cleanup_(json_freep) json_t *form = NULL;

        if (read_wants_list_form(w->accept))
                return; /* so does the real one: no object has that form */
        form = read_form(w->kind, w->accept, object);
        put_line(w, type, form);
}

static void put_bookmark(struct watch *w, bool initial_end) {
        json_t *o = json_pack("{s:s,s:s,s:{s:o,s:n}}", "kind", w->kind->kind, "apiVersion",
                              w->kind->api_version, "metadata", "resourceVersion",
                              json_sprintf("%" PRIu64, w->version), "creationTimestamp");

        if (initial_end)
                json_object_set_new(store_meta(o), "annotations",
                                    json_pack("{s:s}", "k8s.io/initial-events-end", "true"));
        put_line(w, "BOOKMARK", o);
        json_decref(o);
}

static void put_expired(struct watch *w, uint64_t version) {
        struct reply reply = { 0 };

        reply_expired(&reply, "too old resource version: %" PRIu64 " (%" PRIu64 ")", version,
                      w->sim->store.compacted);
        put_line(w, "ERROR", reply.body);
        reply_deinit(&reply);
        w->over = true;
}

/* What the watcher sees of an event: an object whose labels leave the selector is deleted for
 * it. */
static void put_event(struct watch *w, const struct store_event *e) {
        bool before = e->before && selector_matches(&w->selector, e->before);
        bool now = e->change != STORE_DELETED && selector_matches(&w->selector, e->object);

        if (*w->namespace && !str_eq(store_namespace(e->object), w->namespace))
                return;
        w->version = e->version;
        if (!before && !now)
                return;
        put_object(w,
                   !now      ? change_names[STORE_DELETED]
                   : !before ? change_names[STORE_ADDED]
                             : change_names[STORE_MODIFIED],
                   e->object);
}

static void put_history(struct watch *w, uint64_t after) {
        const struct store *s = &w->sim->store;

        for (size_t i = 0; i < s->count; i++) {
                const struct store_event *e = store_event_at(s, i);

                if (e->version > after && e->collection == w->kind->collection)
                        put_event(w, e);
        }
}

static void put_present(struct watch *w) {
        cleanup_(freep) char *prefix =
                *w->namespace ? str_format("%s/", w->namespace) : str_dup("");
        const struct collection *c = w->kind->collection;

        for (size_t i = store_seek(c, prefix); i < c->count && str_starts(c->items[i]->key, prefix);
             i++)
                if (selector_matches(&w->selector, c->items[i]->json))
                        put_object(w, "ADDED", c->items[i]->json);
}

static bool wants_list(struct sim *sim, const struct request *q, bool *ret, struct reply *reply) {
        const char *initial = request_query(q, "sendInitialEvents");

        *ret = str_eq(initial, "true") || str_eq(initial, "1");
        if (!*ret || !sim->options.no_watch_list)
                return true;
        reply_status(
                reply, 422, "Invalid",
                json_pack(
                        "{s:s,s:s,s:[{s:s,s:s,s:s}]}", "group", "meta.k8s.io", "kind",
                        "ListOptions", "causes", "reason", "FieldValueForbidden", "message",
                        "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList "
                        "feature gate is enabled",
                        "field", "sendInitialEvents"),
                "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: "
                "sendInitialEvents is forbidden for watch unless the WatchList feature gate is "
                "enabled");
        return false;
}

static void begin(struct watch *w, const struct request *q, bool list) {
        const char *from = request_query(q, "resourceVersion");
        uint64_t version = from ? strtoull(from, NULL, 10) : 0;

        w->version = w->sim->store.version;
        if (list || !version) {
                put_present(w);
                if (list)
                        put_bookmark(w, true);
        } else if (version < w->sim->store.compacted) {
                put_expired(w, version);
        } else {
                put_history(w, version);
        }
}

struct watch *watch_new(struct sim *sim, const struct request *q, struct reply *reply) {
        const char *seconds = request_query(q, "timeoutSeconds");
        const char *bookmarks = request_query(q, "allowWatchBookmarks");
        int64_t n = WATCH_SECONDS_DEFAULT;
        struct watch *w;
        bool list;

        if (!wants_list(sim, q, &list, reply))
                return NULL;
        w = mem_new(struct watch);
        if (!selector_parse(q->kind, request_query(q, "labelSelector"),
                            request_query(q, "fieldSelector"), &w->selector, reply)) {
                free(w);
                return NULL;
        }
        if (seconds)
                str_to_int(seconds, &n);
        w->sim = sim;
        w->kind = q->kind;
        w->namespace = str_dup(q->namespace);
        w->accept = str_dup(q->accept);
        w->bookmarks = str_eq(bookmarks, "true") || str_eq(bookmarks, "1");
        w->deadline = clock_mono() + n * 1000;
        w->bookmark_at = clock_mono() + sim->options.bookmark_ms;
        list_append(&sim->watches, &w->entry);
        sim->stats.watches++;
        begin(w, q, list);
        return w;
}

struct watch *watch_free(struct watch *w) {
        if (!w)
                return NULL;
        list_unlink(&w->entry);
        selector_deinit(&w->selector);
        buf_free(&w->text);
        free(w->namespace);
        free(w->accept);
        free(w);
        return NULL;
}

static void wake(struct watch *w) {
        if (w->wake && (w->text.len || w->over))
                w->wake(w->arg);
}

void watch_changed(struct sim *sim, const struct kind *kind, const struct store_event *event) {
        if (sim->faults.silence)
                return;
        list_each(e, &sim->watches) {
                struct watch *w = list_entry(e, struct watch, entry);

                if (w->over || !w->kind || w->kind->collection != kind->collection)
                        continue;
                put_event(w, event);
                wake(w);
        }
}

int64_t watch_tick(struct sim *sim) {
        int64_t now = clock_mono(), next = -1;

        list_each(e, &sim->watches) {
                struct watch *w = list_entry(e, struct watch, entry);
                int64_t at;

                if (w->over)
                        continue;
                if (w->bookmarks && w->kind && now >= w->bookmark_at && !sim->faults.silence) {
                        w->version = sim->store.version;
                        put_bookmark(w, false);
                        w->bookmark_at = now + sim->options.bookmark_ms;
                }
                if (now >= w->deadline)
                        w->over = true;
                wake(w);
                at = w->bookmarks ? MIN_OF(w->bookmark_at, w->deadline) : w->deadline;
                if (!w->over && (next < 0 || at < next))
                        next = MAX_OF(at, now + 1);
        }
        return next;
}

void watch_end_all(struct sim *sim, int code) {
        list_each(e, &sim->watches) {
                struct watch *w = list_entry(e, struct watch, entry);

                if (w->over)
                        continue;
                if (code == 410 && w->kind)
                        put_expired(w, w->version);
                w->over = true;
                w->broken = code < 0;
                wake(w);
        }
}

void watch_kind_gone(struct sim *sim, const struct kind *kind) {
        list_each(e, &sim->watches) {
                struct watch *w = list_entry(e, struct watch, entry);

                if (w->kind != kind)
                        continue;
                w->kind = NULL;
                w->over = true;
                wake(w);
        }
}

void watch_resume(struct sim *sim) {
        list_each(e, &sim->watches) {
                struct watch *w = list_entry(e, struct watch, entry);

                if (w->over || !w->kind)
                        continue;
                if (w->version < sim->store.compacted)
                        put_expired(w, w->version);
                else
                        put_history(w, w->version);
                wake(w);
        }
}

size_t watch_take(struct watch *w, char *to, size_t size) {
        size_t n = MIN_OF(size, w->text.len - w->at);

        memcpy(to, buf_str(&w->text) + w->at, n);
        w->at += n;
        if (w->at == w->text.len) {
                buf_clear(&w->text);
                w->at = 0;
        }
        return n;
}
