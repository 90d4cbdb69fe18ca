/* SPDX-License-Identifier: Apache-2.0 */
/* commands.c - config changes over the admin socket, acknowledged ones a second
 *
 *     commands SOCKET PATH CLIENTS SECONDS
 *
 * Each client is a thread with a connection that is kept; it sends the next change when the one
 * before is answered. Every change is another value. Prints "RATE P50-MS P99-MS". Any answer but
 * 200 ends with 1. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 64
#define SAMPLES_MAX 200000 /* of a client; above what one connection can do in a minute */

struct client {
        pthread_t thread;
        const char *socket, *path;
        int number, fd;
        int64_t ends_at;
        int64_t *samples;
        size_t count;
        int failed;
};

static int64_t now_us(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int connect_to(const char *path) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
        if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
                perror(path);
                exit(1);
        }
        return fd;
}

/* Headers and a body of Content-Length. Returns the status, 0 for anything unexpected. */
static int read_reply(int fd) {
        char text[16384];
        size_t n = 0, need = 0;
        int status = 0;

        while (!need || n < need) {
                ssize_t got = read(fd, text + n, sizeof(text) - 1 - n);
                char *end, *length;

                if (got <= 0)
                        return 0;
                n += (size_t)got;
                text[n] = '\0';
                end = strstr(text, "\r\n\r\n");
                if (need || !end)
                        continue;
                length = strcasestr(text, "\r\nContent-Length:");
                if (!length || sscanf(text, "HTTP/1.1 %d", &status) != 1)
                        return 0;
                need = (size_t)(end + 4 - text) + strtoul(length + 17, NULL, 10);
                if (need >= sizeof(text))
                        return 0;
        }
        if (status != 200)
                fprintf(stderr, "commands: %s\n", text);
        return status;
}

static int change(struct client *c) {
        char body[128], text[512];
        int n, len;

        n = snprintf(body, sizeof(body), "{\"set\":{\"salt\":\"%d-%zu\"}}", c->number, c->count);
        len = snprintf(text, sizeof(text),
                       "PATCH %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                       "Content-Length: %d\r\n\r\n%s",
                       c->path, n, body);
        return write(c->fd, text, (size_t)len) == len && read_reply(c->fd) == 200 ? 0 : -1;
}

static void *run(void *arg) {
        struct client *c = arg;

        while (c->count < SAMPLES_MAX && !c->failed) {
                int64_t start = now_us();

                if (start >= c->ends_at)
                        break;
                c->failed = change(c) < 0;
                c->samples[c->count++] = now_us() - start;
        }
        return NULL;
}

static int compare(const void *a, const void *b) {
        int64_t x = *(const int64_t *)a;
        int64_t y = *(const int64_t *)b;

        return (x > y) - (x < y);
}

int main(int argc, char **argv) {
        static struct client clients[CLIENTS_MAX];
        int n = argc == 5 ? (int)strtol(argv[3], NULL, 10) : 0;
        int64_t *all, start = now_us();
        size_t count = 0;
        int failed = 0;
        double seconds;

        if (n < 1 || n > CLIENTS_MAX || strtod(argv[4], NULL) <= 0) {
                fprintf(stderr, "usage: commands SOCKET PATH CLIENTS SECONDS\n");
                return 2;
        }
        all = malloc(sizeof(*all) * SAMPLES_MAX * (size_t)n);
        for (int i = 0; i < n; i++) {
                clients[i] =
                        (struct client){ .path = argv[2],
                                         .number = i,
                                         .fd = connect_to(argv[1]),
                                         .ends_at = start + (int64_t)(strtod(argv[4], NULL) * 1e6),
                                         .samples = all + (size_t)i * SAMPLES_MAX };
                pthread_create(&clients[i].thread, NULL, run, &clients[i]);
        }
        for (int i = 0; i < n; i++) {
                pthread_join(clients[i].thread, NULL);
                memmove(all + count, clients[i].samples, clients[i].count * sizeof(*all));
                count += clients[i].count;
                failed |= clients[i].failed;
        }
        seconds = (now_us() - start) / 1e6;
        qsort(all, count, sizeof(*all), compare);
        printf("%.1f %.3f %.3f\n", count / seconds, all[count / 2] / 1e3,
               all[count * 99 / 100] / 1e3);
        free(all);
        return failed;
}
