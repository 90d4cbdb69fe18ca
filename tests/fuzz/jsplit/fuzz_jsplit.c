/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_jsplit.c - the splitter: any chunking gives the same items, and they are those that
 * jansson sees
 *
 * The first byte chooses the mode and the size of the chunks. When the whole is a list that
 * jansson reads, the items must be its items. */
#include "jsplit.h"
#include "json.h"

#include <stdlib.h>

#define ITEM_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int collect(void *arg, const char *text, size_t len, struct err *err) {
        if (!len)
                abort();
        buf_add(arg, text, len);
        buf_putc(arg, '\0');
        return 0;
}

static int run(enum jsplit_mode mode, const char *text, size_t len, size_t chunk, struct buf *items,
               struct buf *rest) {
        struct jsplit s;
        int r = 0;

        jsplit_init(&s, mode, ITEM_MAX, collect, items);
        for (size_t at = 0; at < len && r == 0; at += chunk) {
                size_t n = MIN_OF(chunk, len - at);
                cleanup_(freep) char *copy = mem_dup(text + at, n);

                r = jsplit_feed(&s, copy, n, NULL);
        }
        if (r == 0)
                r = jsplit_end(&s, NULL);
        buf_puts(rest, jsplit_rest(&s, NULL));
        jsplit_deinit(&s);
        return r;
}

static void check_against_jansson(const char *text, size_t len, int r, const struct buf *items) {
        cleanup_(json_freep) json_t *whole = NULL;
        const char *p = buf_str(items);
        json_t *list;
        json_t *value;
        size_t i;

        if (json_parse(text, len, &whole, NULL) < 0 || !json_is_object(whole))
                return;
        if (r < 0)
                abort();
        list = json_get(whole, "items");
        /* "items" may be written with an escape, which the splitter does not look for. */
        if (!memmem(text, len, "\"items\"", 7) || memchr(text, '\\', len))
                return;
        json_array_foreach(list, i, value) {
                cleanup_(json_freep) json_t *item = NULL;

                if (json_parse(p, strlen(p), &item, NULL) < 0 || !json_equal(item, value))
                        abort();
                p += strlen(p) + 1;
        }
        if (p != buf_str(items) + items->len)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup_(buf_free) struct buf a = BUF_INIT, b = BUF_INIT, ra = BUF_INIT, rb = BUF_INIT;
        enum jsplit_mode mode;
        size_t chunk;
        int ea, eb;

        if (size < 1)
                return 0;
        mode = data[0] & 1 ? JSPLIT_LIST : JSPLIT_VALUES;
        chunk = (data[0] >> 1) + 1u;
        data++;
        size--;
        ea = run(mode, (const char *)data, size, size + 1, &a, &ra);
        eb = run(mode, (const char *)data, size, chunk, &b, &rb);
        if (ea != eb || a.len != b.len || (a.len && memcmp(a.data, b.data, a.len) != 0))
                abort();
        if (ea == 0 && strcmp(buf_str(&ra), buf_str(&rb)) != 0)
                abort();
        if (mode == JSPLIT_LIST)
                check_against_jansson((const char *)data, size, ea, &a);
        return 0;
}
