/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - one event a line, to the journal or to stderr; see log.h
 *
 * Any thread may log: a line is one write, the ring has a lock. Whether stderr is the journal is
 * looked up once: a program that redirects its stderr later starts a new image. */
#define SD_JOURNAL_SUPPRESS_LOCATION 1
#include "log.h"

#include "buf.h"
#include "clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#define FIELDS_MAX 16        /* of one event; we use five at most, more is a bug and is left out */
#define TEXT_MAX (16u << 10) /* of one message: four screens; longer ones are cut */
#define RING_MAX 500         /* lines kept for debug-log: 100 KB at 200 bytes each */

/* A line in the ring, with everything it points at in one piece of memory. */
struct kept {
        struct log_line line;
        struct log_field fields[FIELDS_MAX + 1];
        char text[];
};

static atomic_int max_level = LOG_INFO;
static log_sink *sink;
static void *sink_arg;
static pthread_mutex_t ring_lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept *ring[RING_MAX];
static size_t ring_next;

static const struct {
        int level;
        const char *name;
} level_names[] = {
        { LOG_ERR, "error" }, { LOG_WARNING, "warning" }, { LOG_NOTICE, "notice" },
        { LOG_INFO, "info" }, { LOG_DEBUG, "debug" },
};

void log_set_level(int level) {
        max_level = level;
}

int log_level_from_name(const char *name) {
        for (size_t i = 0; i < ARRAY_SIZE(level_names); i++)
                if (strcmp(level_names[i].name, name) == 0)
                        return level_names[i].level;
        return -1;
}

const char *log_level_name(int level) {
        for (size_t i = 0; i < ARRAY_SIZE(level_names); i++)
                if (level_names[i].level == level)
                        return level_names[i].name;
        return level < LOG_ERR ? "error" : "debug";
}

void log_set_sink(log_sink *new_sink, void *arg) {
        sink = new_sink;
        sink_arg = arg;
}

/* systemd sets JOURNAL_STREAM to device and inode of the stderr it gave us. */
static bool look_for_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        char here[64];
        struct stat st;

        if (!stream || fstat(STDERR_FILENO, &st) < 0)
                return false;
        snprintf(here, sizeof(here), "%llu:%llu", (unsigned long long)st.st_dev,
                 (unsigned long long)st.st_ino);
        return strcmp(here, stream) == 0;
}

static bool is_journal(void) {
        static atomic_int known; /* 0: not looked yet, 1: no, 2: yes */

        if (!known)
                known = look_for_journal() ? 2 : 1;
        return known == 2;
}

static void add_entry(struct iovec *entries, int *count, char *text) {
        entries[*count].iov_base = text;
        entries[*count].iov_len = strlen(text);
        (*count)++;
}

static bool write_journal(const struct log_line *line) {
        struct iovec entries[FIELDS_MAX + 3];
        int count = 0;
        int r;

        add_entry(entries, &count, str_format("MESSAGE=%s", line->text));
        add_entry(entries, &count, str_format("PRIORITY=%d", line->level));
        add_entry(entries, &count, str_format("MOORING_EVENT=%s", line->event));
        for (const struct log_field *f = line->fields; f && f->name; f++) {
                /* The journal itself knows MESSAGE_ID; all others are ours. */
                const char *prefix = strcmp(f->name, "MESSAGE_ID") == 0 ? "" : "MOORING_";

                if (f->value && count < (int)ARRAY_SIZE(entries))
                        add_entry(entries, &count,
                                  str_format("%s%s=%s", prefix, f->name, f->value));
        }
        r = sd_journal_sendv(entries, count);
        for (int i = 0; i < count; i++)
                free(entries[i].iov_base);
        return r >= 0;
}

/* Control bytes as escapes, so that no text can forge a line or steer a terminal. */
static void add_safe(struct buf *out, const char *text) {
        for (; *text; text++) {
                unsigned char c = (unsigned char)*text;

                if (c == '\n')
                        buf_puts(out, "\\n");
                else if (c == '\t')
                        buf_puts(out, "\\t");
                else if (c < 0x20 || c == 0x7f)
                        buf_printf(out, "\\x%02x", c);
                else
                        buf_putc(out, *text);
        }
}

static void write_stderr(const struct log_line *line) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        char stamp[CLOCK_TEXT_MAX];
        ssize_t n;

        buf_printf(&out, "%s %s %s: ", clock_iso(line->at, false, stamp),
                   log_level_name(line->level), line->event);
        add_safe(&out, line->text);
        for (const struct log_field *f = line->fields; f && f->name; f++) {
                const char *quote = f->value && strpbrk(f->value, " =\"") ? "\"" : "";

                if (!f->value)
                        continue;
                buf_printf(&out, " %s=%s", f->name, quote);
                add_safe(&out, f->value);
                buf_puts(&out, quote);
        }
        buf_putc(&out, '\n');
        do
                n = write(STDERR_FILENO, out.data, out.len);
        while (n < 0 && errno == EINTR);
}

static char *pack(char **p, const char *s) {
        char *start = *p;
        size_t n = strlen(s) + 1;

        memcpy(start, s, n);
        *p += n;
        return start;
}

static struct kept *copy_line(const struct log_line *line) {
        size_t size = strlen(line->event) + strlen(line->text) + 2;
        struct kept *k;
        size_t n = 0;
        char *p;

        for (const struct log_field *f = line->fields; f && f->name; f++)
                if (f->value)
                        size += strlen(f->name) + strlen(f->value) + 2;
        k = mem_alloc(sizeof(*k) + size);
        p = k->text;
        k->line = (struct log_line){ .at = line->at, .level = line->level, .fields = k->fields };
        k->line.event = pack(&p, line->event);
        k->line.text = pack(&p, line->text);
        for (const struct log_field *f = line->fields; f && f->name && n < FIELDS_MAX; f++) {
                if (!f->value)
                        continue;
                k->fields[n].name = pack(&p, f->name);
                k->fields[n++].value = pack(&p, f->value);
        }
        return k;
}

static void keep(const struct log_line *line) {
        struct kept *new_one = copy_line(line);

        pthread_mutex_lock(&ring_lock);
        free(ring[ring_next]);
        ring[ring_next] = new_one;
        ring_next = (ring_next + 1) % RING_MAX;
        pthread_mutex_unlock(&ring_lock);
}

void log_event(int level, const char *event, const struct log_field *fields, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        struct log_line line = { .level = level, .event = event, .fields = fields };
        va_list ap;

        if (level > max_level)
                return;
        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        if (strlen(text) > TEXT_MAX)
                memcpy(text + TEXT_MAX - 3, "...", 4);
        line.text = text;
        line.at = clock_wall();
        if (!is_journal() || !write_journal(&line))
                write_stderr(&line);
        keep(&line);
        if (sink)
                sink(sink_arg, &line);
}

void log_recent(log_sink *each, void *arg) {
        pthread_mutex_lock(&ring_lock);
        for (size_t i = 0; i < RING_MAX; i++) {
                const struct kept *k = ring[(ring_next + i) % RING_MAX];

                if (k)
                        each(arg, &k->line);
        }
        pthread_mutex_unlock(&ring_lock);
}

void log_reset(void) {
        pthread_mutex_lock(&ring_lock);
        for (size_t i = 0; i < RING_MAX; i++) {
                free(ring[i]);
                ring[i] = NULL;
        }
        ring_next = 0;
        pthread_mutex_unlock(&ring_lock);
        log_set_sink(NULL, NULL);
        log_set_level(LOG_INFO);
}
