/* SPDX-License-Identifier: Apache-2.0 */
/* floor.c - the least that the same work costs: a bare loop of libcurl multi over HTTP/2
 *
 *     floor apply  IN-FLIGHT <bodies    sends each once, IN-FLIGHT at a time; prints seconds
 *     floor list   URL [TIMES]          fetches URL; prints the seconds of each and the bytes
 *     floor repair URL <bodies          watches URL; an edited object is applied again at once
 *     floor edit   URL PER-SECOND MARK <bodies
 *                                       edits each object once and waits until it is put right;
 *                                       prints microseconds from the edit's answer to the repairing
 *                                       write seen on a watch of its own, one a line
 *
 * A body is one line: path of the object, a tab, the server-side apply's JSON. URL is the watch of
 * the objects' list, from a resource version on. An edit writes data.salt, beginning with "edited";
 * text that holds "edited is damaged, any other is whole: nothing is parsed. Credentials and
 * server by FLOOR_SERVER, FLOOR_CA, FLOOR_CERT, FLOOR_KEY (files); FLOOR_MANAGER names the field
 * manager. Runs until its work is done, or repair until SIGTERM.
 *
 * It does not: retry, back off, keep a state, or look at anything but status codes. */
#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define IN_FLIGHT_MAX 64
#define LINE_MAX_BYTES (4 << 20) /* of a watch: above what an API server stores */
#define TODO_MAX 4096            /* damaged objects that wait: more than any bench edits at once */
#define WAIT_SECONDS 60          /* for the last repair; a longer one is a failure */

struct body {
        char *path, *text;
        int64_t edited_us, repaired_us; /* edit: when its answer came, when it was put right */
        bool damaged;
};

struct transfer {
        CURL *easy;
        struct body *body;
        char *url;
        char patch[128];
        bool busy;
};

struct program {
        CURLM *multi;
        const char *server, *manager;
        struct curl_slist *apply_type, *merge_type;
        struct body *bodies;
        size_t count, next, done, in_flight;
        struct transfer transfers[IN_FLIGHT_MAX];
        void (*line)(struct program *p, char *text, size_t len);
        CURL *watch;
        char *watch_url;
        char *buffer;
        size_t length, bytes;
        struct body *todo[TODO_MAX]; /* repair: damaged, not sent yet */
        size_t todo_count;
        int failed;
};

static int64_t now_us(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static const char *need(const char *name) {
        const char *value = getenv(name);

        if (!value) {
                fprintf(stderr, "floor: %s is not set\n", name);
                exit(2);
        }
        return value;
}

static int by_path(const void *a, const void *b) {
        return strcmp(((const struct body *)a)->path, ((const struct body *)b)->path);
}

static void read_bodies(struct program *p) {
        char *line = NULL;
        size_t size = 0, room = 0;
        ssize_t n;

        while ((n = getline(&line, &size, stdin)) > 0) {
                char *tab = strchr(line, '\t');

                if (!tab)
                        continue;
                if (p->count == room) {
                        room = room ? room * 2 : 1024;
                        p->bodies = realloc(p->bodies, room * sizeof(*p->bodies));
                }
                line[strcspn(line, "\n")] = '\0';
                *tab = '\0';
                p->bodies[p->count++] =
                        (struct body){ .path = strdup(line), .text = strdup(tab + 1) };
        }
        free(line);
        qsort(p->bodies, p->count, sizeof(*p->bodies), by_path);
}

/* ---- requests */

static size_t drop(char *data, size_t size, size_t n, void *arg) {
        struct program *p = arg;

        p->bytes += size * n;
        return size * n;
}

static CURL *new_easy(struct program *p) {
        CURL *e = curl_easy_init();

        curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
        curl_easy_setopt(e, CURLOPT_PIPEWAIT, 1L);
        curl_easy_setopt(e, CURLOPT_CAINFO, need("FLOOR_CA"));
        curl_easy_setopt(e, CURLOPT_SSLCERT, need("FLOOR_CERT"));
        curl_easy_setopt(e, CURLOPT_SSLKEY, need("FLOOR_KEY"));
        curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, drop);
        curl_easy_setopt(e, CURLOPT_WRITEDATA, p);
        curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
        return e;
}

static void send_patch(struct program *p, struct body *b, struct curl_slist *type,
                       const char *query, const char *text) {
        struct transfer *t = p->transfers;

        while (t->busy)
                t++;
        if (!t->easy)
                t->easy = new_easy(p);
        free(t->url);
        if (asprintf(&t->url, "%s%s%s", p->server, b->path, query) < 0)
                abort();
        if (text)
                snprintf(t->patch, sizeof(t->patch), "%s", text);
        t->body = b;
        t->busy = true;
        curl_easy_setopt(t->easy, CURLOPT_URL, t->url);
        curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, "PATCH");
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, text ? t->patch : b->text);
        curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, type);
        curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
        curl_multi_add_handle(p->multi, t->easy);
        p->in_flight++;
}

static void send_apply(struct program *p, struct body *b) {
        char query[128];

        snprintf(query, sizeof(query), "?fieldManager=%s&force=true&fieldValidation=Strict",
                 p->manager);
        send_patch(p, b, p->apply_type, query, NULL);
}

static void take_done(struct program *p) {
        CURLMsg *m;
        int left;

        while ((m = curl_multi_info_read(p->multi, &left))) {
                struct transfer *t = NULL;
                long status = 0;

                if (m->msg != CURLMSG_DONE)
                        continue;
                curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
                curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
                if (m->data.result != CURLE_OK || status >= 300) {
                        fprintf(stderr, "floor: %s: %s, status %ld\n", t ? t->url : "watch",
                                curl_easy_strerror(m->data.result), status);
                        p->failed = 1;
                }
                curl_multi_remove_handle(p->multi, m->easy_handle);
                if (!t)
                        continue;
                t->busy = false;
                p->in_flight--;
                p->done++;
                if (t->body)
                        t->body->edited_us = now_us();
        }
}

static void turn(struct program *p, int timeout_ms) {
        int running;

        curl_multi_perform(p->multi, &running);
        take_done(p);
        curl_multi_poll(p->multi, NULL, 0, timeout_ms, NULL);
        curl_multi_perform(p->multi, &running);
        take_done(p);
}

/* ---- the watch */

static size_t on_watch(char *data, size_t size, size_t n, void *arg) {
        struct program *p = arg;
        char *end, *start = p->buffer;

        n *= size;
        if (p->length + n > LINE_MAX_BYTES)
                return 0;
        memcpy(p->buffer + p->length, data, n);
        p->length += n;
        while ((end = memchr(start, '\n', p->length - (size_t)(start - p->buffer)))) {
                *end = '\0';
                p->line(p, start, (size_t)(end - start));
                start = end + 1;
        }
        p->length -= (size_t)(start - p->buffer);
        memmove(p->buffer, start, p->length);
        return n;
}

static void start_watch(struct program *p, const char *url) {
        p->watch = new_easy(p);
        p->buffer = malloc(LINE_MAX_BYTES);
        if (asprintf(&p->watch_url, "%s%s", p->server, url) < 0)
                abort();
        curl_easy_setopt(p->watch, CURLOPT_URL, p->watch_url);
        curl_easy_setopt(p->watch, CURLOPT_WRITEFUNCTION, on_watch);
        curl_multi_add_handle(p->multi, p->watch);
}

/* The object of an event: "name" of the object comes before those of owners, managers have none. */
static struct body *body_of(struct program *p, const char *text) {
        static const char mark[] = "\"name\":\"";
        const char *name = strstr(text, mark);
        size_t low = 0, high = p->count, length;

        if (!name)
                return NULL;
        name += strlen(mark);
        length = strcspn(name, "\"");
        while (low < high) {
                size_t mid = (low + high) / 2;
                const char *other = strrchr(p->bodies[mid].path, '/') + 1;
                int c = strncmp(name, other, length);

                if (!c && !other[length])
                        return &p->bodies[mid];
                if (c < 0 || !c)
                        high = mid;
                else
                        low = mid + 1;
        }
        return NULL;
}

static bool is_edited(const char *text) {
        return strstr(text, ":\"edited");
}

/* ---- commands */

static int apply(struct program *p, int argc, char **argv) {
        size_t limit = argc > 2 ? (size_t)strtol(argv[2], NULL, 10) : 1;
        int64_t start;

        if (limit < 1 || limit > IN_FLIGHT_MAX)
                return 2;
        read_bodies(p);
        start = now_us();
        while (p->done < p->count) {
                while (p->next < p->count && p->in_flight < limit)
                        send_apply(p, &p->bodies[p->next++]);
                turn(p, 1000);
        }
        printf("%.6f\n", (now_us() - start) / 1e6);
        return p->failed;
}

static int list(struct program *p, int argc, char **argv) {
        int times = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 1;
        char *url;

        if (argc < 3 || asprintf(&url, "%s%s", p->server, argv[2]) < 0)
                return 2;
        for (int i = 0; i < times; i++) {
                CURL *e = new_easy(p);
                int64_t start = now_us();

                p->bytes = 0;
                curl_easy_setopt(e, CURLOPT_URL, url);
                if (curl_easy_perform(e) != CURLE_OK)
                        return 1;
                printf("%.6f %zu\n", (now_us() - start) / 1e6, p->bytes);
                curl_easy_cleanup(e);
        }
        free(url);
        return 0;
}

/* Called by curl, which takes no new request from inside a callback: repair sends it after. */
static void on_repair_line(struct program *p, char *text, size_t len) {
        struct body *b = is_edited(text) ? body_of(p, text) : NULL;

        if (b && p->todo_count < TODO_MAX)
                p->todo[p->todo_count++] = b;
}

static int repair(struct program *p, int argc, char **argv) {
        if (argc < 3)
                return 2;
        read_bodies(p);
        p->line = on_repair_line;
        start_watch(p, argv[2]);
        for (;;) {
                turn(p, p->todo_count ? 0 : 1000);
                while (p->todo_count && p->in_flight < IN_FLIGHT_MAX)
                        send_apply(p, p->todo[--p->todo_count]);
        }
}

static void on_edit_line(struct program *p, char *text, size_t len) {
        struct body *b = body_of(p, text);

        if (!b)
                return;
        if (is_edited(text))
                b->damaged = true;
        else if (b->damaged && !b->repaired_us)
                b->repaired_us = now_us();
}

static size_t repaired(const struct program *p) {
        size_t n = 0;

        for (size_t i = 0; i < p->count; i++)
                n += p->bodies[i].repaired_us && p->bodies[i].edited_us;
        return n;
}

static int edit(struct program *p, int argc, char **argv) {
        double per_second = argc > 4 ? strtod(argv[3], NULL) : 0;
        int64_t start, end;
        char patch[128];

        if (per_second <= 0)
                return 2;
        read_bodies(p);
        p->line = on_edit_line;
        start_watch(p, argv[2]);
        snprintf(patch, sizeof(patch), "{\"data\":{\"salt\":\"edited-%s\"}}", argv[4]);
        start = now_us() + 1000000; /* both watches stand by then */
        end = start + (int64_t)(p->count / per_second * 1e6) + WAIT_SECONDS * 1000000ll;
        while (repaired(p) < p->count && now_us() < end) {
                int64_t due = start + (int64_t)(p->next * 1e6 / per_second);
                int64_t wait = p->next < p->count ? due - now_us() : 100000;

                if (p->next < p->count && wait <= 0 && p->in_flight < IN_FLIGHT_MAX) {
                        send_patch(p, &p->bodies[p->next++], p->merge_type,
                                   "?fieldManager=kubectl-edit", patch);
                        wait = 0;
                }
                turn(p, wait > 100000 ? 100 : (int)((wait + 999) / 1000));
        }
        for (size_t i = 0; i < p->count; i++)
                if (p->bodies[i].repaired_us)
                        printf("%lld\n",
                               (long long)(p->bodies[i].repaired_us - p->bodies[i].edited_us));
        if (repaired(p) < p->count)
                fprintf(stderr, "floor: %zu of %zu were not put right\n", p->count - repaired(p),
                        p->count);
        return p->failed || repaired(p) < p->count;
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                int (*run)(struct program *p, int argc, char **argv);
        } commands[] = {
                { "apply", apply }, { "list", list }, { "repair", repair }, { "edit", edit }
        };
        static struct program p;

        p.server = need("FLOOR_SERVER");
        p.manager = getenv("FLOOR_MANAGER");
        if (!p.manager)
                p.manager = "floor";
        curl_global_init(CURL_GLOBAL_ALL);
        p.multi = curl_multi_init();
        curl_multi_setopt(p.multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)IN_FLIGHT_MAX * 2);
        p.apply_type = curl_slist_append(NULL, "Content-Type: application/apply-patch+yaml");
        p.merge_type = curl_slist_append(NULL, "Content-Type: application/merge-patch+json");
        for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
                if (!strcmp(commands[i].name, argv[1]))
                        return commands[i].run(&p, argc, argv);
        fprintf(stderr, "usage: floor apply IN-FLIGHT | list URL [TIMES] | repair URL | "
                        "edit URL PER-SECOND MARK\n");
        return 2;
}
