/* SPDX-License-Identifier: Apache-2.0 */
/* audit-trail.c - follows the file and remembers; see audit-trail.h */
#include "audit-trail.h"

#include "clock.h"
#include "log.h"
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OURS "mooringd/" /* how our own requests call themselves */

struct written {
        char *key; /* "group/plural/ns/name"; of a collection without the name */
        char *user, *manager;
        int64_t at; /* clock_wall */
        bool deleted;
};

struct audit_trail {
        struct timer timer;
        char *cluster, *path;
        int fd; /* -1: not open */
        ino_t inode;
        off_t at;        /* of what is read next */
        bool began;      /* it was opened once: what comes later is read from its beginning */
        bool skip;       /* up to the end of this line */
        int failure;     /* that was told: errno */
        struct buf rest; /* the beginning of a line */
        struct written kept[AUDIT_TRAIL_KEPT];
        size_t next;
};

/* ---- one line */

static void written_clear(struct written *w) {
        free(w->key);
        free(w->user);
        free(w->manager);
        *w = (struct written){ 0 };
}

static bool is_write(struct scan_slice verb, bool *ret_deleted) {
        *ret_deleted = scan_says(verb, "delete") || scan_says(verb, "deletecollection");
        return *ret_deleted || scan_says(verb, "update") || scan_says(verb, "patch") ||
               scan_says(verb, "create");
}

/* "...?fieldManager=kubectl-edit&force=true", else the first word of the user agent. */
static char *manager_of(struct scan_slice event) {
        static const char parameter[] = "fieldManager=";
        cleanup_(freep) char *uri = scan_dup(scan_get(event, "requestURI"));
        cleanup_(freep) char *agent = scan_dup(scan_get(event, "userAgent"));
        const char *at = uri ? strstr(uri, parameter) : NULL;

        if (at) {
                at += strlen(parameter);
                return str_ndup(at, strcspn(at, "&"));
        }
        return agent ? str_ndup(agent, strcspn(agent, "/")) : NULL;
}

static char *key_of(struct scan_slice object) {
        cleanup_(buf_free) struct buf key = BUF_INIT;
        static const char *const parts[] = { "apiGroup", "resource", "namespace", "name" };

        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                struct scan_slice part = scan_get(object, parts[i]);

                if (i >= 2 && scan_is_null(part))
                        continue;
                if (i)
                        buf_putc(&key, '/');
                scan_text(part, &key);
        }
        return buf_take(&key);
}

static void take_line(struct audit_trail *t, const char *line, size_t len) {
        struct scan_slice event = scan_of(line, len), object = scan_get(event, "objectRef");
        struct written *w = &t->kept[t->next];
        cleanup_(freep) char *agent = NULL;
        cleanup_(freep) char *stamp = NULL;
        bool deleted;

        if (!scan_says(scan_get(event, "stage"), "ResponseComplete") ||
            !is_write(scan_get(event, "verb"), &deleted) ||
            !scan_is_null(scan_get(object, "subresource")) ||
            scan_int(scan_dig(event, "responseStatus", "code", NULL), 0) >= 300)
                return;
        agent = scan_dup(scan_get(event, "userAgent"));
        stamp = scan_dup(scan_get(event, "stageTimestamp"));
        if (agent && str_starts(agent, OURS))
                return;
        written_clear(w);
        if (!stamp || !clock_parse_iso(stamp, &w->at))
                return;
        w->key = key_of(object);
        w->user = scan_dup(scan_dig(event, "user", "username", NULL));
        w->manager = manager_of(event);
        w->deleted = deleted;
        if (w->user)
                t->next = (t->next + 1) % AUDIT_TRAIL_KEPT;
}

/* ---- the file */

static void take_bytes(struct audit_trail *t, const char *p, size_t len) {
        while (len) {
                const char *end = memchr(p, '\n', len);
                size_t n = end ? (size_t)(end - p) : len;

                if (!t->skip && t->rest.len + n > AUDIT_TRAIL_LINE_MAX)
                        t->skip = true;
                if (!t->skip)
                        buf_add(&t->rest, p, n);
                if (end && !t->skip && t->rest.len)
                        take_line(t, t->rest.data, t->rest.len);
                if (end || t->skip)
                        buf_clear(&t->rest);
                if (end)
                        t->skip = false;
                n += end != NULL;
                p += n;
                len -= n;
        }
}

static void forget_file(struct audit_trail *t) {
        if (t->fd >= 0)
                close(t->fd);
        t->fd = -1;
        buf_clear(&t->rest);
        t->skip = false;
}

static void tell_failure(struct audit_trail *t, int e) {
        if (t->failure != e)
                log_plain(LOG_WARNING, "audit-trail",
                          "cluster %s: its audit log %s cannot be read (%s): drift does not name "
                          "users until it can",
                          t->cluster, t->path, strerror(e));
        t->failure = e;
}

/* Rotated: another file has the name, or it begins anew. */
static bool is_other(const struct audit_trail *t, const struct stat *s) {
        return t->fd >= 0 && (s->st_ino != t->inode || s->st_size < t->at);
}

static bool open_file(struct audit_trail *t) {
        struct stat s;

        if (stat(t->path, &s) < 0) {
                tell_failure(t, errno);
                return t->fd >= 0; /* what is open is read to its end */
        }
        if (is_other(t, &s))
                forget_file(t);
        if (t->fd >= 0)
                return true;
        t->fd = open(t->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (t->fd < 0 || fstat(t->fd, &s) < 0 || !S_ISREG(s.st_mode)) {
                tell_failure(t, t->fd < 0 ? errno : EINVAL);
                forget_file(t);
                return false;
        }
        t->failure = 0;
        t->inode = s.st_ino;
        t->at = t->began ? 0 : MAX_OF(s.st_size - (off_t)AUDIT_TRAIL_BACK, 0);
        t->skip = t->at > 0;
        t->began = true;
        return true;
}

static void on_timer(void *arg) {
        struct audit_trail *t = arg;
        cleanup_(freep) char *bytes = NULL;
        ssize_t n = 0;

        if (open_file(t)) {
                bytes = mem_alloc(AUDIT_TRAIL_SLICE);
                n = pread(t->fd, bytes, AUDIT_TRAIL_SLICE, t->at);
        }
        if (n > 0) {
                t->at += n;
                take_bytes(t, bytes, (size_t)n);
        }
        timer_after(&t->timer, n == (ssize_t)AUDIT_TRAIL_SLICE ? 0 : AUDIT_TRAIL_POLL_MS);
}

struct audit_trail *audit_trail_new(struct loop *l, const char *cluster, const char *path) {
        struct audit_trail *t = mem_new(struct audit_trail);

        t->cluster = str_dup(cluster);
        t->path = str_dup(path);
        t->fd = -1;
        timer_init(&t->timer, l, "audit-trail", on_timer, t);
        timer_after(&t->timer, 0);
        return t;
}

struct audit_trail *audit_trail_free(struct audit_trail *t) {
        if (!t)
                return NULL;
        timer_cancel(&t->timer);
        forget_file(t);
        for (size_t i = 0; i < AUDIT_TRAIL_KEPT; i++)
                written_clear(&t->kept[i]);
        buf_free(&t->rest);
        free(t->cluster);
        free(t->path);
        free(t);
        return NULL;
}

/* ---- asking */

/* A deletion of the whole collection is one of the object, too. */
static bool is_about(const struct written *w, const char *key, const struct audit_trail_ask *a) {
        size_t folder = (size_t)(strrchr(key, '/') - key);

        if (!w->key || w->at + AUDIT_TRAIL_SKEW_MS < a->since || w->deleted != a->deleted)
                return false;
        if (a->manager && !str_eq(w->manager, a->manager))
                return false;
        return str_eq(w->key, key) ||
               (a->deleted && strlen(w->key) == folder && strncmp(w->key, key, folder) == 0);
}

bool audit_trail_user(const struct audit_trail *t, const struct audit_trail_ask *a, char *text,
                      size_t size) {
        cleanup_(freep) char *key = str_format("%s/%s/%s", a->group, a->plural, a->path);
        const struct written *found = NULL;
        bool alone = true;

        for (size_t i = 0; i < AUDIT_TRAIL_KEPT; i++) {
                const struct written *w = &t->kept[i];

                if (!is_about(w, key, a))
                        continue;
                alone &= !found || str_eq(found->user, w->user);
                if (!found || w->at >= found->at)
                        found = w;
        }
        if (!found || (!alone && !a->manager && !a->deleted))
                return false;
        str_copy(text, size, found->user);
        return true;
}
