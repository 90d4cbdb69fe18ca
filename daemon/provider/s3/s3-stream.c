/* SPDX-License-Identifier: Apache-2.0 */
/* s3-stream.c - see s3-stream.h
 *
 * Each request is a flow of its own, which tries again what is worth it; `next` decides what comes
 * after the one before.
 *
 *      into: fill ──▶ part ──(thread: SHA-256)──▶ PUT; create before the first, complete and a look
 *            at what came of it after the last; all in one PUT where it fits into one part
 *
 * An upload that is not to be outlives who asked for it, until the store has forgotten it. */
#include "s3-stream.h"
#include "s3-azure.h"
#include "s3-identity.h"

#include "s3-object.h"
#include "s3-xml.h"

#include "digest.h"

#include <errno.h>
#include <stdlib.h>

#define PART_MS (10 * 60 * 1000) /* for all tries of one */
/* Of one, one after the other: some three minutes, in which a store's pod is made anew. */
#define TRIES_MAX 12
#define SEND_MS (5 * 60 * 1000) /* for one: 8 MiB at 30 kB/s */
#define STALE_MAX 100           /* uploads of one key that were left: each was a killed daemon */
/* What may come beyond a part before who writes has stopped: a piece, and what a source brings in
 * one go. The room is made at once: one that grows by doubling comes to twice a part. */
#define OVER_MAX (2u << 20)

struct pipe {
        struct bytes bytes; /* first: what the caller holds */
        struct bytes_request request;
        struct s3_op s3;
        struct op op; /* s3's, which nobody waits for */
        struct list link;
        struct later soon;
        char *key;
        bool told, freed, paused;
        bool orphan; /* its target was closed while the thread was out */
        /* out */
        int64_t at, total; /* TOTAL: -1 before the first piece */
        char etag[160], range[64], match[192];
        /* into */
        struct buf fill, part, list; /* LIST: of the parts, as complete wants it */
        size_t part_size;
        int64_t sent;
        char *upload, *stale;
        int parts, stales;
        bool full, finishing, whole; /* WHOLE: PART is all that there is */
        bool hashed, completed;
        char sha256[DIGEST_HEX_SIZE];
        struct job job;
};

static flow_ask ask_piece, ask_stale, ask_forget, ask_create, ask_part, ask_put, ask_complete,
        ask_look, ask_abort;
static flow_got got_piece, got_stale, got_forget, got_create, got_part, got_put, got_complete,
        got_look, got_abort;

static const struct flow_step piece_steps[] = {
        S3_LET_IN, { "piece", ask_piece, got_piece, PART_MS, S3_PAUSE_MS, 0, TRIES_MAX }, {}
};
enum { STEP_STALE };
static const struct flow_step begin_steps[] = {
        { "stale", ask_stale, got_stale, S3_DEADLINE_MS, S3_PAUSE_MS, 0 },
        { "forget", ask_forget, got_forget, S3_DEADLINE_MS, S3_PAUSE_MS, 0 },
        { "create", ask_create, got_create, S3_DEADLINE_MS, S3_PAUSE_MS, 0 },
        {}
};
static const struct flow_step part_steps[] = {
        S3_LET_IN, { "part", ask_part, got_part, PART_MS, S3_PAUSE_MS, 0, TRIES_MAX }, {}
};
static const struct flow_step put_steps[] = {
        S3_LET_IN, { "put", ask_put, got_put, PART_MS, S3_PAUSE_MS, 0, TRIES_MAX }, {}
};
static const struct flow_step complete_steps[] = {
        S3_LET_IN,
        { "complete", ask_complete, got_complete, PART_MS, S3_PAUSE_MS, 0, TRIES_MAX },
        { "look", ask_look, got_look, S3_DEADLINE_MS, S3_PAUSE_MS, 0 },
        {}
};
static const struct flow_step abort_steps[] = {
        { "abort", ask_abort, got_abort, S3_DEADLINE_MS, S3_PAUSE_MS, 0 }, {}
};

static struct pipe *pipe_of(struct bytes *b) {
        return container_of(b, struct pipe, bytes);
}

static struct pipe *pipe_at(struct flow *f) {
        return container_of(s3_op_of(f), struct pipe, s3);
}

static void run(struct pipe *p, const struct flow_step *steps) {
        p->s3.flow.steps = steps;
        p->s3.let_in = false;
        flow_start(&p->s3.flow);
}

/* ---- the end */

static void destroy(struct pipe *p) {
        list_unlink(&p->link);
        later_cancel(&p->soon);
        flow_cancel(&p->s3.flow);
        s3_object_free(&p->s3.object);
        buf_wipe(&p->fill);
        buf_wipe(&p->part);
        buf_free(&p->list);
        free(p->key);
        free(p->upload);
        free(p->stale);
        free(p);
}

static void tell(struct pipe *p) {
        json_t *told = json_object();

        p->told = true;
        json_object_set_new(told, "etag", json_words(p->etag));
        if (p->parts)
                json_object_set_new(told, "parts", json_integer(p->parts));
        p->request.on_end(p->request.arg, p->s3.outcome, &p->s3.err, told);
}

/* Of every flow but the abort: then nobody listens, and the next into this key tries again. */
static void on_flow(struct flow *f, int r, const struct err *err) {
        struct pipe *p = pipe_at(f);

        if (r < 0 && p->s3.outcome == OUTCOME_DONE)
                s3_fail(&p->s3, OUTCOME_UNREACHABLE, "%s", err_text(err));
        if (f->steps == abort_steps)
                str_set(&p->upload, NULL);
        later_run(&p->soon);
}

/* ---- out */

static int ask_piece(struct flow *f, struct ask *a, struct err *err) {
        struct pipe *p = pipe_at(f);
        struct http_request *r = s3_ask(&p->s3, a, "GET", NULL, "%s", p->s3.object.path);

        snprintf(p->range, sizeof(p->range), "Range: bytes=%lld-%lld", (long long)p->at,
                 (long long)p->at + S3_PIECE - 1);
        snprintf(p->match, sizeof(p->match), "If-Match: %s", p->etag);
        p->s3.headers[0] = p->range;
        p->s3.headers[1] = *p->etag ? p->match : NULL;
        r->headers = p->s3.headers;
        r->total_ms = SEND_MS;
        return 0;
}

static int64_t total_of(const struct http_request *r) {
        const char *range = http_header(r, "Content-Range");
        int64_t n;

        range = range ? strchr(range, '/') : NULL;
        return range && str_to_int(range + 1, &n) ? n : (int64_t)r->reply.len;
}

static int got_piece(struct flow *f, struct ask *a, struct err *err) {
        struct pipe *p = pipe_at(f);
        const struct http_request *r = http_answer(a);
        const char *etag = http_header(r, "ETag");

        if (s3_status(a) == 416 && p->total < 0) {
                p->total = 0; /* an empty one has no range */
                return FLOW_END;
        }
        if (s3_status(a) == 412)
                return s3_fail(&p->s3, OUTCOME_REFUSED, "%s was replaced while it was read",
                               p->key);
        if (s3_status(a) != 206 && s3_status(a) != 200)
                return s3_fail_answer(&p->s3, a);
        p->total = total_of(r);
        if (etag)
                str_copy(p->etag, sizeof(p->etag), etag);
        if (!r->reply.len || p->at + (int64_t)r->reply.len > p->total)
                return s3_fail(&p->s3, OUTCOME_UNREACHABLE, "%s: a piece of another length",
                               p->key);
        p->at += (int64_t)r->reply.len;
        p->request.on_data(p->request.arg, r->reply.data, r->reply.len);
        return FLOW_END;
}

static void next_out(struct pipe *p) {
        if (p->freed)
                destroy(p);
        else if (p->s3.outcome != OUTCOME_DONE || p->at == p->total)
                tell(p);
        else if (!p->paused)
                run(p, piece_steps);
}

/* ---- into: uploads that were left */

static int ask_stale(struct flow *f, struct ask *a, struct err *err) {
        struct pipe *p = pipe_at(f);
        cleanup_(buf_free) struct buf prefix = BUF_INIT;

        if (s3_is_azure(&p->s3))
                return FLOW_SKIP; /* it forgets them by itself */
        http_escape(&prefix, p->key, false);
        s3_ask(&p->s3, a, "GET", NULL, "/%.*s?uploads=&encoding-type=url&prefix=%s",
               (int)strcspn(p->s3.object.path + 1, "/"), p->s3.object.path + 1, prefix.data);
        return 0;
}

/* Who may write may not always list: then what was left is for the bucket's own rules. */
static int got_stale(struct flow *f, struct ask *a, struct err *err) {
        struct pipe *p = pipe_at(f);
        const struct http_request *r = http_answer(a);
        struct s3_xml item;

        str_set(&p->stale, NULL);
        if (s3_status(a) == 403 && s3_code(a, "AccessDenied"))
                return FLOW_OK;
        if (s3_status(a) != 200)
                return s3_fail_answer(&p->s3, a);
        for (size_t at = 0;
             s3_xml_next(s3_xml_of(r->reply.data, r->reply.len), "Upload", &at, &item);) {
                cleanup_(freep) char *key = s3_xml_text(item, "Key");
                cleanup_(freep) char *id = s3_xml_text(item, "UploadId");

                if (key)
                        s3_xml_unescape(key);
                if (str_eq(key, p->key) && id && !p->stale)
                        p->stale = take_ptr(id);
        }
        return FLOW_OK;
}

static void ask_to_forget(struct pipe *p, struct ask *a, const char *upload) {
        cleanup_(buf_free) struct buf id = BUF_INIT;

        http_escape(&id, upload, false);
        s3_ask(&p->s3, a, "DELETE", NULL, "%s?uploadId=%s", p->s3.object.path, id.data);
}

static int ask_forget(struct flow *f, struct ask *a, struct err *err) {
        struct pipe *p = pipe_at(f);

        if (!p->stale || ++p->stales > STALE_MAX)
                return FLOW_SKIP;
        ask_to_forget(p, a, p->stale);
        return 0;
}

static int got_forget(struct flow *f, struct ask *a, struct err *err) {
        if (s3_status(a) != 204 && s3_status(a) != 404)
                return s3_fail_answer(&pipe_at(f)->s3, a);
        return FLOW_GOTO(STEP_STALE);
}

static int ask_abort(struct flow *f, struct ask *a, struct err *err) {
        if (s3_is_azure(&pipe_at(f)->s3))
                return FLOW_SKIP;
        ask_to_forget(pipe_at(f), a, pipe_at(f)->upload);
        return 0;
}

static int got_abort(struct flow *f, struct ask *a, struct err *err) {
        return FLOW_OK;
}

/* ---- into: parts */

static int ask_create(struct flow *f, struct ask *a, struct err *err) {
        struct pipe *p = pipe_at(f);

        if (p->freed)
                return FLOW_END;
        if (s3_is_azure(&p->s3)) {
                p->upload = mem_alloc(AZURE_UPLOAD_LEN + 1);
                digest_random_text(DIGEST_BASE32, AZURE_UPLOAD_LEN, p->upload);
                return FLOW_SKIP;
        }
        s3_ask(&p->s3, a, "POST", NULL, "%s?uploads=", p->s3.object.path)->headers = p->s3.headers;
        return 0;
}

static int got_create(struct flow *f, struct ask *a, struct err *err) {
        struct pipe *p = pipe_at(f);
        const struct http_request *r = http_answer(a);

        if (s3_status(a) != 200)
                return s3_fail_answer(&p->s3, a);
        p->upload = s3_xml_text(s3_xml_of(r->reply.data, r->reply.len), "UploadId");
        if (!p->upload)
                return s3_fail(&p->s3, OUTCOME_UNREACHABLE, "%s: an upload without an id", p->key);
        return FLOW_OK;
}

static void send_part(struct pipe *p, struct http_request *r) {
        r->body = buf_str(&p->part);
        r->body_len = p->part.len;
        r->body_sha256 = p->sha256;
        r->first_byte_ms = -1; /* the answer comes when all was sent */
        r->total_ms = SEND_MS;
}

static int ask_part(struct flow *f, struct ask *a, struct err *err) {
        struct pipe *p = pipe_at(f);
        cleanup_(buf_free) struct buf id = BUF_INIT;

        if (p->parts >= S3_PARTS_MAX)
                return s3_fail(&p->s3, OUTCOME_REFUSED,
                               "%s: larger than %d parts of %zu bytes: a larger part-size takes it",
                               p->key, S3_PARTS_MAX, p->part_size);
        if (s3_is_azure(&p->s3)) {
                cleanup_(freep) char *block = s3_azure_block(p->upload, p->parts + 1);

                http_escape(&id, block, false);
                send_part(p, s3_ask(&p->s3, a, "PUT", NULL, "%s?comp=block&blockid=%s",
                                    p->s3.object.path, id.data));
                return 0;
        }
        http_escape(&id, p->upload, false);
        send_part(p, s3_ask(&p->s3, a, "PUT", NULL, "%s?partNumber=%d&uploadId=%s",
                            p->s3.object.path, p->parts + 1, id.data));
        return 0;
}

static void note_part(struct pipe *p, const char *etag) {
        if (s3_is_azure(&p->s3)) {
                cleanup_(freep) char *block = s3_azure_block(p->upload, p->parts);

                buf_printf(&p->list, "<Latest>%s</Latest>", block);
                return;
        }
        buf_printf(&p->list, "<Part><PartNumber>%d</PartNumber><ETag>", p->parts);
        s3_xml_put(&p->list, etag);
        buf_puts(&p->list, "</ETag></Part>");
}

static int got_part(struct flow *f, struct ask *a, struct err *err) {
        struct pipe *p = pipe_at(f);
        const char *etag = http_header(http_answer(a), "ETag");

        if (!s3_is_made(a) || (!etag && !s3_is_azure(&p->s3)))
                return s3_fail_answer(&p->s3, a);
        p->parts++;
        p->sent += (int64_t)p->part.len;
        note_part(p, etag);
        buf_clear(&p->part);
        p->hashed = false;
        return FLOW_OK;
}

static int ask_put(struct flow *f, struct ask *a, struct err *err) {
        struct pipe *p = pipe_at(f);

        struct http_request *r = s3_ask(&p->s3, a, "PUT", NULL, "%s", p->s3.object.path);

        send_part(p, r);
        r->headers = p->s3.headers;
        return 0;
}

static int got_put(struct flow *f, struct ask *a, struct err *err) {
        struct pipe *p = pipe_at(f);
        const char *etag = http_header(http_answer(a), "ETag");

        if (!s3_is_made(a))
                return s3_fail_answer(&p->s3, a);
        str_copy(p->etag, sizeof(p->etag), etag ? etag : "");
        p->completed = true;
        return FLOW_OK;
}

static int ask_complete(struct flow *f, struct ask *a, struct err *err) {
        struct pipe *p = pipe_at(f);
        cleanup_(buf_free) struct buf id = BUF_INIT;
        struct http_request *r;

        http_escape(&id, p->upload, false);
        if (s3_is_azure(&p->s3))
                r = s3_ask(&p->s3, a, "PUT",
                           str_format("<?xml version=\"1.0\" encoding=\"utf-8\"?>"
                                      "<BlockList>%s</BlockList>",
                                      buf_str(&p->list)),
                           "%s?comp=blocklist", p->s3.object.path);
        else
                r = s3_ask(&p->s3, a, "POST",
                           str_format("<CompleteMultipartUpload>%s</CompleteMultipartUpload>",
                                      buf_str(&p->list)),
                           "%s?uploadId=%s", p->s3.object.path, id.data);
        r->first_byte_ms = -1; /* a store joins gigabytes meanwhile */
        r->total_ms = SEND_MS;
        return 0;
}

/* A store that takes long answers 200 at once, and may say later in the body that it failed. One
 * that does not know the upload any more has completed it, if its answer was lost: the look says
 * so. */
static int got_complete(struct flow *f, struct ask *a, struct err *err) {
        struct pipe *p = pipe_at(f);
        const struct http_request *r = http_answer(a);
        struct s3_xml failed;
        size_t at = 0;

        if (s3_status(a) == 404 && s3_code(a, "NoSuchUpload"))
                return FLOW_OK;
        if (!s3_is_made(a))
                return s3_fail_answer(&p->s3, a);
        if (s3_xml_next(s3_xml_of(r->reply.data, r->reply.len), "Error", &at, &failed))
                return s3_code(a, "InternalError") ? FLOW_AGAIN : s3_fail_answer(&p->s3, a);
        return FLOW_OK;
}

static int ask_look(struct flow *f, struct ask *a, struct err *err) {
        struct pipe *p = pipe_at(f);

        s3_ask(&p->s3, a, "HEAD", NULL, "%s", p->s3.object.path);
        return 0;
}

static int got_look(struct flow *f, struct ask *a, struct err *err) {
        struct pipe *p = pipe_at(f);
        const struct http_request *r = http_answer(a);
        const char *length = http_header(r, "Content-Length"), *etag = http_header(r, "ETag");
        int64_t n = -1;

        if (s3_status(a) != 200)
                return s3_fail_answer(&p->s3, a);
        if (!length || !str_to_int(length, &n) || n != p->sent)
                return s3_fail(&p->s3, OUTCOME_CONFLICT,
                               "%s has %lld bytes, not the %lld that were sent: somebody else "
                               "writes it",
                               p->key, (long long)n, (long long)p->sent);
        str_copy(p->etag, sizeof(p->etag), etag ? etag : "");
        p->completed = true;
        str_set(&p->upload, NULL);
        return FLOW_OK;
}

/* ---- into: what comes next */

static void hash(void *arg) {
        struct pipe *p = arg;

        digest_sha256_hex(p->part.data, p->part.len, p->sha256);
        p->hashed = true;
}

static void on_hashed(void *arg) {
        struct pipe *p = arg;

        later_run(&p->soon);
}

static void make_room(const struct pipe *p, struct buf *b) {
        size_t n = p->part_size + OVER_MAX;

        if (!b->data)
                *b = (struct buf){ .data = mem_alloc(n), .room = n };
}

/* PART becomes the first PART_SIZE bytes of FILL, which goes on with the rest. */
static void take_part(struct pipe *p) {
        struct buf spare = p->part;
        size_t n = MIN_OF(p->fill.len, p->part_size);

        if (!p->whole)
                make_room(p, &spare);
        buf_add(&spare, p->fill.data + n, p->fill.len - n);
        p->part = p->fill;
        p->part.len = n;
        p->fill = spare;
        job_start(&p->job);
        if (p->full && !p->freed) {
                p->full = false;
                p->request.on_room(p->request.arg);
        }
}

static void next_part(struct pipe *p) {
        bool enough = p->fill.len >= p->part_size;

        if (p->hashed)
                run(p, p->whole ? put_steps : part_steps);
        else if (!p->upload && enough)
                run(p, begin_steps);
        else if (enough || (p->finishing && (p->fill.len || !p->upload))) {
                p->whole = !p->upload;
                take_part(p);
        } else if (p->finishing) {
                run(p, complete_steps);
        }
}

static void next_into(struct pipe *p) {
        if (p->freed && p->upload)
                run(p, abort_steps);
        else if (p->freed)
                destroy(p);
        else if (p->s3.outcome != OUTCOME_DONE || p->completed)
                tell(p);
        else
                next_part(p);
}

static void next(void *arg) {
        struct pipe *p = arg;

        if (flow_running(&p->s3.flow) || p->job.busy || (p->told && !p->freed))
                return;
        if (p->orphan)
                destroy(p);
        else if (p->request.into)
                next_into(p);
        else
                next_out(p);
}

/* ---- what the stream calls */

static void pipe_pause(struct bytes *b, bool paused) {
        struct pipe *p = pipe_of(b);

        p->paused = paused;
        later_run(&p->soon);
}

static bool pipe_write(struct bytes *b, const void *data, size_t len) {
        struct pipe *p = pipe_of(b);

        make_room(p, &p->fill);
        buf_add(&p->fill, data, len);
        p->full = p->fill.len >= p->part_size;
        later_run(&p->soon);
        return !p->full;
}

static bool pipe_trouble(const struct bytes *b, char *text, size_t size) {
        const struct pipe *p = container_of(b, const struct pipe, bytes);
        int tries;
        const struct err *why = flow_trouble(&p->s3.flow, &tries);

        if (why)
                snprintf(text, size, "tried %d times: %s", tries, err_text(why));
        return why != NULL;
}

static void pipe_finish(struct bytes *b) {
        struct pipe *p = pipe_of(b);

        p->finishing = true;
        later_run(&p->soon);
}

/* The beginning goes on to its end: what came of a create that was sent is only known by its
 * answer, and has to be forgotten. */
static struct bytes *pipe_free(struct bytes *b) {
        struct pipe *p = b ? pipe_of(b) : NULL;

        if (!p)
                return NULL;
        p->freed = true;
        if (!p->job.busy && p->s3.flow.steps != begin_steps)
                flow_cancel(&p->s3.flow);
        if (p->told && !p->upload && !p->job.busy)
                destroy(p);
        else
                later_run(&p->soon);
        return NULL;
}

/* ---- begin, and the target's end */

/* Into a header, and from another store. */
static int check_word(const char *what, const char *s, size_t size, struct err *err) {
        size_t n = strlen(s);

        for (size_t i = 0; i < n; i++)
                if ((unsigned char)s[i] < ' ' || (unsigned char)s[i] > '~')
                        return err_set(err, -EINVAL, "%s: printable ASCII only", what);
        return n < size ? 0 : err_set(err, -EINVAL, "%s: longer than %zu bytes", what, size - 1);
}

/* What the object is to have, for the request that makes it. */
static int fill_headers(struct pipe *p, struct err *err) {
        const char *type = json_get_str(p->request.ask, "content-type", "application/octet-stream"),
                   *copy_of = json_get_str(p->request.ask, "copy-of", "");
        int r = check_word("content-type", type, sizeof(p->s3.type_header) - 16, err);

        if (r == 0)
                r = check_word("copy-of", copy_of, sizeof(p->match) - sizeof(S3_COPY_OF ": "), err);
        if (r < 0)
                return r;
        snprintf(p->s3.type_header, sizeof(p->s3.type_header), "Content-Type: %s", type);
        snprintf(p->match, sizeof(p->match), S3_COPY_OF ": %s", copy_of);
        p->s3.headers[0] = p->s3.type_header;
        p->s3.headers[1] = s3_is_azure(&p->s3) ? AZURE_BLOB_TYPE : *copy_of ? p->match : NULL;
        return 0;
}

static int read_ask(struct pipe *p, struct err *err) {
        const json_t *ask = p->request.ask;
        int64_t size = json_get_int(ask, "part-size", S3_PART);

        if (!str_eq(p->request.verb, "object"))
                return err_set(err, -ENOTSUP, "%s: a stream of a store's is an object",
                               p->request.verb);
        if (size < S3_PART_MIN || size > S3_PART_MAX)
                return err_set(err, -EINVAL, "part-size: from %u to %u bytes", S3_PART_MIN,
                               S3_PART_MAX);
        p->part_size = (size_t)size;
        p->key = str_dup(json_get_str(ask, "key", ""));
        if (p->request.into && fill_headers(p, err) < 0)
                return -EINVAL;
        return s3_object_parse(ask, true, &p->s3.object, err);
}

struct bytes *s3_stream_open(struct target *t, const struct bytes_request *r, struct err *err) {
        struct pipe *p = mem_new(struct pipe);

        p->bytes = (struct bytes){ .trouble = pipe_trouble,
                                   .pause = pipe_pause,
                                   .write = pipe_write,
                                   .finish = pipe_finish,
                                   .free = pipe_free };
        p->request = *r;
        p->s3.target = t;
        p->s3.op = &p->op;
        p->s3.flow.loop = s3_target_loop(t);
        p->s3.flow.name = "s3-stream";
        p->s3.flow.done = on_flow;
        p->total = -1;
        p->job = (struct job){ .loop = s3_target_loop(t),
                               .work = hash,
                               .done = on_hashed,
                               .dropped = on_hashed,
                               .arg = p,
                               .name = "s3-part" };
        list_append(s3_target_pipes(t), &p->link);
        later_init(&p->soon, s3_target_loop(t), "s3-stream", next, p);
        if (read_ask(p, err) < 0) {
                destroy(p);
                return NULL;
        }
        snprintf(p->s3.flow.subject, sizeof(p->s3.flow.subject), "%s", p->s3.object.path);
        later_run(&p->soon);
        return &p->bytes;
}

void s3_stream_end_all(struct target *t) {
        list_each(pos, s3_target_pipes(t)) {
                struct pipe *p = list_entry(pos, struct pipe, link);

                if (!p->job.busy) {
                        destroy(p);
                        continue;
                }
                list_unlink(&p->link);
                p->orphan = true;
        }
}
