/* SPDX-License-Identifier: Apache-2.0 */
/* read.c - GET and LIST; see read.h
 *
 * A continue token is the version of the first page and the last key given out. Pages come from
 * the present objects, not from a snapshot; an expired token is refused as the real server does. */
#include "read.h"

#include "scale.h"
#include "selector.h"
#include "store.h"

#include <inttypes.h>
#include <stdlib.h>

/* The forms of one object and of a list are two: whoever asks for the wrong one does not get it. */
static bool metadata_only(const char *accept) {
        return accept && strstr(accept, "as=PartialObjectMetadata;");
}

bool read_wants_list_form(const char *accept) {
        return accept && strstr(accept, "as=PartialObjectMetadataList;");
}

static json_t *metadata_form(json_t *object) {
        return json_pack("{s:s,s:s,s:O}", "kind", "PartialObjectMetadata", "apiVersion",
                         "meta.k8s.io/v1", "metadata", store_meta(object));
}

json_t *read_form(const struct kind *kind, const char *accept, json_t *object) {
        json_t *copy;

        if (metadata_only(accept))
                return metadata_form(object);
        if (str_eq(json_get_str(object, "apiVersion", ""), kind->api_version))
                return json_incref(object);
        copy = json_copy(object);
        json_object_set_new(copy, "apiVersion", json_string(kind->api_version));
        json_object_set_new(copy, "kind", json_string(kind->kind));
        return copy;
}

void read_get(struct sim *sim, const struct request *q, struct reply *reply) {
        json_t *object = sim->faults.stale_reads ? store_get_at(&sim->store, q->kind, q->namespace,
                                                                q->name, sim->faults.frozen)
                                                 : store_get(q->kind, q->namespace, q->name);

        if (!object)
                reply_not_found(reply, q->kind, q->name);
        else if (str_eq(q->subresource, "scale"))
                reply_ok(reply, 200, scale_of(q->kind, object));
        else
                reply_ok(reply, 200, read_form(q->kind, q->accept, object));
}

/* --- list */

struct page {
        uint64_t version;
        char *from; /* key of the first object */
        size_t limit;
};

static void page_deinit(struct page *p) {
        free(p->from);
}

static char hex(unsigned n) {
        return "0123456789abcdef"[n & 15];
}

/* "VERSION KEY" in hexadecimal: opaque, and safe in a query. */
static char *token_of(uint64_t version, const char *key) {
        cleanup_(freep) char *plain = str_format("%" PRIu64 " %s", version, key);
        cleanup_(buf_free) struct buf out = BUF_INIT;

        for (const unsigned char *p = (const unsigned char *)plain; *p; p++) {
                buf_putc(&out, hex(*p >> 4));
                buf_putc(&out, hex(*p));
        }
        return buf_take(&out);
}

static bool token_read(const char *token, struct page *page) {
        cleanup_(buf_free) struct buf plain = BUF_INIT;
        const char *space;
        unsigned byte;

        for (const char *p = token; p[0] && p[1]; p += 2) {
                if (sscanf(p, "%2x", &byte) != 1)
                        return false;
                buf_putc(&plain, (char)byte);
        }
        space = strchr(buf_str(&plain), ' ');
        if (!space)
                return false;
        page->version = strtoull(buf_str(&plain), NULL, 10);
        page->from = str_dup(space + 1);
        return true;
}

static bool page_of(struct sim *sim, const struct request *q, struct page *ret,
                    struct reply *reply) {
        const char *token = request_query(q, "continue"), *limit = request_query(q, "limit");
        const char *prefix = q->namespace;
        int64_t n = 0;

        if (limit && (!str_to_int(limit, &n) || n < 0)) {
                reply_bad_request(reply, "strconv.ParseInt: parsing \"%s\": invalid syntax", limit);
                return false;
        }
        *ret = (struct page){ .version = sim->store.version, .limit = n ? (size_t)n : SIZE_MAX };
        if (!token || !*token) {
                ret->from = *prefix ? str_format("%s/", prefix) : str_dup("");
                return true;
        }
        if (!token_read(token, ret)) {
                reply_bad_request(reply, "invalid continue token: continue key is not valid: %s",
                                  token);
                return false;
        }
        if (ret->version <= sim->store.compacted) {
                reply_expired(
                        reply,
                        "The provided continue parameter is too old to display a consistent list "
                        "result. You can start a new list without the continue parameter, or use "
                        "the continue token in this response to retrieve the remainder of the "
                        "results.");
                return false;
        }
        return true;
}

/* As it was when reads began to be stale; NULL: it was not there. */
static json_t *shown(struct sim *sim, const struct request *q, json_t *object) {
        if (!sim->faults.stale_reads)
                return object;
        return store_get_at(&sim->store, q->kind, store_namespace(object), store_name(object),
                            sim->faults.frozen);
}

static bool check_version(struct sim *sim, const struct request *q, struct reply *reply) {
        const char *version = request_query(q, "resourceVersion");
        bool exact = str_eq(request_query(q, "resourceVersionMatch"), "Exact");
        uint64_t v = version ? strtoull(version, NULL, 10) : 0;

        if (exact && v <= sim->store.compacted && v) {
                reply_expired(reply, "The resourceVersion for the provided list is too old.");
                return false;
        }
        if (v > sim->store.version) {
                reply_status(reply, 504, "Timeout",
                             json_pack("{s:[{s:s,s:s}],s:i}", "causes", "reason",
                                       "ResourceVersionTooLarge", "message",
                                       "Too large resource version", "retryAfterSeconds", 1),
                             "Timeout: Too large resource version: %s, current: %" PRIu64, version,
                             sim->store.version);
                return false;
        }
        return true;
}

/* Items of built-in lists do not say their kind: the list does. */
static json_t *list_item(const struct request *q, json_t *object) {
        json_t *form, *copy;

        if (read_wants_list_form(q->accept))
                return metadata_form(object);
        form = read_form(q->kind, NULL, object);
        if (q->kind->flags & KIND_CUSTOM)
                return form;
        copy = json_copy(form);
        json_decref(form);
        json_object_del(copy, "kind");
        json_object_del(copy, "apiVersion");
        return copy;
}

static void fill(struct sim *sim, const struct request *q, const struct selector *selector,
                 struct page *page, json_t *meta, json_t *items) {
        const struct collection *c = q->kind->collection;
        cleanup_(freep) char *prefix =
                *q->namespace ? str_format("%s/", q->namespace) : str_dup("");
        size_t i, left = 0;

        for (i = store_seek(c, page->from); i < c->count && str_starts(c->items[i]->key, prefix);
             i++) {
                json_t *object = shown(sim, q, c->items[i]->json);

                if (!object || !selector_matches(selector, object))
                        continue;
                if (json_array_size(items) == page->limit) {
                        cleanup_(freep) char *token = token_of(page->version, c->items[i]->key);

                        json_object_set_new(meta, "continue", json_string(token));
                        break;
                }
                json_array_append_new(items, list_item(q, object));
        }
        for (; i < c->count && str_starts(c->items[i]->key, prefix); i++)
                left++;
        if (left && !json_array_size(selector->labels) && !json_array_size(selector->fields))
                json_object_set_new(meta, "remainingItemCount", json_integer((json_int_t)left));
}

void read_list(struct sim *sim, const struct request *q, struct reply *reply) {
        cleanup_(selector_deinit) struct selector selector = { 0 };
        cleanup_(page_deinit) struct page page = { 0 };
        json_t *items = NULL, *meta = NULL;
        bool partial = read_wants_list_form(q->accept);

        if (!selector_parse(q->kind, request_query(q, "labelSelector"),
                            request_query(q, "fieldSelector"), &selector, reply) ||
            !check_version(sim, q, reply) || !page_of(sim, q, &page, reply))
                return;
        items = json_array();
        meta = json_pack("{s:o}", "resourceVersion",
                         json_sprintf("%" PRIu64,
                                      sim->faults.stale_reads ? sim->faults.frozen : page.version));
        fill(sim, q, &selector, &page, meta, items);
        reply_ok(reply, 200,
                 json_pack("{s:s,s:s,s:o,s:o}", "kind",
                           partial ? "PartialObjectMetadataList" : q->kind->list_kind, "apiVersion",
                           partial ? "meta.k8s.io/v1" : q->kind->api_version, "metadata", meta,
                           "items", items));
}
