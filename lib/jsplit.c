/* SPDX-License-Identifier: Apache-2.0 */
/* jsplit.c - cuts items out of a JSON byte stream; see jsplit.h
 *
 * States, the same for any chunking:
 *
 *      values:  GAP ─▶ VALUE ─▶ GAP
 *      list:    START ─▶ FIRST_KEY ─▶ KEY_TEXT ─▶ COLON ─▶ MEMBER_START ─▶ MEMBER ─▶ AFTER_MEMBER
 *      members: AFTER_MEMBER ─▶ KEY ─▶ KEY_TEXT …, or DONE at the object's end
 *      items:   MEMBER_START ─▶ FIRST_ITEM ─▶ ITEM ─▶ AFTER_ITEM ─▶ NEXT_ITEM ─▶ ITEM …,
 *               and AFTER_MEMBER at the list's end
 *
 * An item that lies in one chunk is handed out where it lies; only one that spans chunks is
 * copied. */
#include "jsplit.h"

#include <errno.h>

/* Room that is kept between items; a bigger one is given back, as there are hundreds of watches. */
#define PART_KEPT (64u << 10)

enum {
        GAP,
        VALUE,
        START,
        FIRST_KEY,
        KEY,
        KEY_TEXT,
        COLON,
        MEMBER_START,
        MEMBER,
        AFTER_MEMBER,
        FIRST_ITEM,
        NEXT_ITEM,
        ITEM,
        AFTER_ITEM,
        DONE,
        FAILED,
        STATE_MAX
};

struct feed {
        const char *p;
        const char *start, *end;
        struct err *err;
};

void jsplit_init(struct jsplit *s, enum jsplit_mode mode, size_t item_max, jsplit_item *item,
                 void *arg) {
        *s = (struct jsplit){ .mode = mode, .item_max = item_max, .item = item, .arg = arg };
        s->state = mode == JSPLIT_LIST ? START : GAP;
}

void jsplit_deinit(struct jsplit *s) {
        buf_free(&s->part);
        buf_free(&s->rest);
}

static bool is_blank(char c) {
        return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static int unexpected(const struct jsplit *s, const struct feed *f, const char *wanted) {
        unsigned char c = (unsigned char)*f->p;
        unsigned long long at = s->at + (uint64_t)(f->p - f->start) + 1;

        if (c < 0x20 || c >= 0x7f)
                return err_set(f->err, -EBADMSG, "not JSON: byte %llu is 0x%02x, wanted %s", at, c,
                               wanted);
        return err_set(f->err, -EBADMSG, "not JSON: byte %llu is '%c', wanted %s", at, c, wanted);
}

/* Inside a string: behind its closing quote, or END. The quote is found with memchr; whether it
 * closes is told by the run of backslashes before it, which may have begun in the chunk before. */
static const char *skip_string(struct jsplit *s, const char *p, const char *end) {
        while (p < end) {
                const char *quote = memchr(p, '"', (size_t)(end - p));
                const char *stop = quote ? quote : end;
                const char *q = stop;
                bool odd;

                while (q > p && q[-1] == '\\')
                        q--;
                odd = (stop - q) % 2 != 0;
                if (q == p && s->escaped)
                        odd = !odd;
                if (!quote) {
                        s->escaped = odd;
                        return end;
                }
                s->escaped = false;
                p = quote + 1;
                if (odd)
                        continue;
                s->in_string = false;
                return p;
        }
        return p;
}

static const char *skip_scalar(const char *p, const char *end) {
        while (p < end && !is_blank(*p) && !strchr(",:[]{}\"", *p))
                p++;
        return p;
}

/* The next byte that opens or closes something. */
static const char *skip_plain(const char *p, const char *end) {
        static const bool stops[256] = {
                ['"'] = true, ['{'] = true, ['}'] = true, ['['] = true, [']'] = true
        };

        while (p < end && !stops[(unsigned char)*p])
                p++;
        return p;
}

/* Goes on inside a value. True: it ended, at f->p; false: the chunk did. */
static bool skip_value(struct jsplit *s, struct feed *f) {
        if (s->scalar) {
                f->p = skip_scalar(f->p, f->end);
                return f->p < f->end;
        }
        while (f->p < f->end) {
                if (s->in_string) {
                        f->p = skip_string(s, f->p, f->end);
                        if (!s->in_string && !s->depth)
                                return true;
                        continue;
                }
                f->p = skip_plain(f->p, f->end);
                if (f->p == f->end)
                        return false;
                switch (*f->p++) {
                case '"':
                        s->in_string = true;
                        break;
                case '{':
                case '[':
                        s->depth++;
                        break;
                default:
                        if (--s->depth == 0)
                                return true;
                }
        }
        return false;
}

/* At the first byte of a value, which stays for skip_value but for its quote or bracket. */
static int begin_value(struct jsplit *s, const struct feed *f) {
        if (!*f->p || !strchr("{[\"-0123456789tfn", *f->p))
                return unexpected(s, f, "a value");
        s->depth = 0;
        s->in_string = s->escaped = false;
        s->scalar = !strchr("{[\"", *f->p);
        return 0;
}

static int keep(struct buf *to, const struct jsplit *s, const char *from, const struct feed *f) {
        size_t n = (size_t)(f->p - from);

        if (n > s->item_max || to->len > s->item_max - n)
                return err_set(f->err, -E2BIG, "more than %zu bytes in one item", s->item_max);
        buf_add(to, from, n);
        return 0;
}

static int hand_out(struct jsplit *s, const char *text, size_t len, struct err *err) {
        if (len > s->item_max)
                return err_set(err, -E2BIG, "more than %zu bytes in one item", s->item_max);
        return s->item(s->arg, text, len, err);
}

/* An item, or a value of JSPLIT_VALUES. */
static int step_item(struct jsplit *s, struct feed *f) {
        const char *from = f->p;
        bool whole = skip_value(s, f);
        int r;

        if (whole && !s->part.len) {
                r = hand_out(s, from, (size_t)(f->p - from), f->err);
        } else {
                r = keep(&s->part, s, from, f);
                if (r < 0 || !whole)
                        return r;
                r = hand_out(s, s->part.data, s->part.len, f->err);
                if (s->part.room > PART_KEPT)
                        buf_free(&s->part);
                else
                        buf_clear(&s->part);
        }
        s->state = s->mode == JSPLIT_LIST ? AFTER_ITEM : GAP;
        return r < 0 ? r : 0;
}

static int step_gap(struct jsplit *s, struct feed *f) {
        s->state = VALUE;
        return begin_value(s, f);
}

static int step_start(struct jsplit *s, struct feed *f) {
        if (*f->p != '{')
                return unexpected(s, f, "an object");
        buf_putc(&s->rest, *f->p++);
        s->state = FIRST_KEY;
        return 0;
}

static int step_key(struct jsplit *s, struct feed *f) {
        if (*f->p == '}' && s->state == FIRST_KEY) {
                s->state = DONE;
        } else if (*f->p == '"') {
                s->key_len = 0;
                s->in_string = true;
                s->escaped = false;
                s->state = KEY_TEXT;
        } else {
                return unexpected(s, f, "a member's name");
        }
        buf_putc(&s->rest, *f->p++);
        return 0;
}

static int step_key_text(struct jsplit *s, struct feed *f) {
        const char *from = f->p;

        f->p = skip_string(s, f->p, f->end);
        for (const char *p = from; p < f->p && s->key_len < sizeof(s->key); p++)
                s->key[s->key_len++] = *p;
        if (!s->in_string)
                s->state = COLON;
        return keep(&s->rest, s, from, f);
}

static int step_colon(struct jsplit *s, struct feed *f) {
        if (*f->p != ':')
                return unexpected(s, f, "a colon");
        buf_putc(&s->rest, *f->p++);
        s->state = MEMBER_START;
        return 0;
}

static int step_member_start(struct jsplit *s, struct feed *f) {
        static const char items[] = "items\""; /* the key is kept with its quote */

        if (*f->p == '[' && s->key_len == strlen(items) && memcmp(s->key, items, s->key_len) == 0) {
                f->p++;
                buf_puts(&s->rest, "[]");
                s->state = FIRST_ITEM;
                return 0;
        }
        s->state = MEMBER;
        return begin_value(s, f);
}

static int step_member(struct jsplit *s, struct feed *f) {
        const char *from = f->p;

        if (skip_value(s, f))
                s->state = AFTER_MEMBER;
        return keep(&s->rest, s, from, f);
}

static int step_after_member(struct jsplit *s, struct feed *f) {
        if (*f->p != ',' && *f->p != '}')
                return unexpected(s, f, "a comma or the object's end");
        s->state = *f->p == ',' ? KEY : DONE;
        buf_putc(&s->rest, *f->p++);
        return 0;
}

static int step_next_item(struct jsplit *s, struct feed *f) {
        if (s->state == FIRST_ITEM && *f->p == ']') {
                f->p++;
                s->state = AFTER_MEMBER;
                return 0;
        }
        s->state = ITEM;
        return begin_value(s, f);
}

static int step_after_item(struct jsplit *s, struct feed *f) {
        if (*f->p != ',' && *f->p != ']')
                return unexpected(s, f, "a comma or the list's end");
        s->state = *f->p++ == ',' ? NEXT_ITEM : AFTER_MEMBER;
        return 0;
}

static int step_done(struct jsplit *s, struct feed *f) {
        return unexpected(s, f, "nothing more");
}

static int step_failed(struct jsplit *s, struct feed *f) {
        return err_set(f->err, -EBADMSG, "the stream failed before");
}

static const struct {
        int (*step)(struct jsplit *s, struct feed *f);
        bool inside; /* blanks belong to the value */
} states[STATE_MAX] = {
        [GAP] = { step_gap, false },
        [VALUE] = { step_item, true },
        [START] = { step_start, false },
        [FIRST_KEY] = { step_key, false },
        [KEY] = { step_key, false },
        [KEY_TEXT] = { step_key_text, true },
        [COLON] = { step_colon, false },
        [MEMBER_START] = { step_member_start, false },
        [MEMBER] = { step_member, true },
        [AFTER_MEMBER] = { step_after_member, false },
        [FIRST_ITEM] = { step_next_item, false },
        [NEXT_ITEM] = { step_next_item, false },
        [ITEM] = { step_item, true },
        [AFTER_ITEM] = { step_after_item, false },
        [DONE] = { step_done, false },
        [FAILED] = { step_failed, false },
};

int jsplit_feed(struct jsplit *s, const char *data, size_t len, struct err *err) {
        struct feed f = { .p = data, .start = data, .end = data + len, .err = err };

        while (f.p < f.end) {
                int r;

                if (!states[s->state].inside && is_blank(*f.p)) {
                        f.p++;
                        continue;
                }
                r = states[s->state].step(s, &f);
                if (r < 0) {
                        s->state = FAILED;
                        return r;
                }
        }
        s->at += len;
        return 0;
}

int jsplit_end(struct jsplit *s, struct err *err) {
        int r;

        /* Only a bare number, true, false or null ends with its stream. */
        if (s->state == VALUE && s->scalar) {
                s->state = GAP;
                r = hand_out(s, buf_str(&s->part), s->part.len, err);
                buf_clear(&s->part);
                return r < 0 ? r : 0;
        }
        if (s->state == GAP || s->state == DONE)
                return 0;
        if (s->state == FAILED)
                return err_set(err, -EBADMSG, "the stream failed before");
        return err_set(err, -EBADMSG, "the stream ends inside a value, after %llu bytes",
                       (unsigned long long)s->at);
}

const char *jsplit_rest(const struct jsplit *s, size_t *ret_len) {
        if (ret_len)
                *ret_len = s->rest.len;
        return buf_str(&s->rest);
}
