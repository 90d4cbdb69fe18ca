/* SPDX-License-Identifier: Apache-2.0 */
/* desk.c - see desk.h */
#include "desk.h"

#include "rekey.h"

#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STEPS_MAX 20000 /* of 5 ms at most: a machine that is this slow shows a fault, not a race */

/* Groups that every Debian has; nobody of the test's own users needs to be in them. */
static const char *const group_names[] = { NULL, "daemon", "bin", "sys" };

static void on_mark(void *arg, enum store_mark kind, int64_t id) {
        struct desk *d = arg;

        if (d->reconcile)
                reconcile_mark(d->reconcile, kind, id);
}

static void on_event(void *arg, const json_t *event) {
        struct desk *d = arg;

        if (d->admin)
                admin_event(d->admin, event);
}

int desk_open_admin(struct desk *d, struct admin **ret, struct err *err) {
        struct admin_options o = { .loop = d->loop,
                                   .store = d->store,
                                   .reconcile = d->reconcile,
                                   .host = d->host,
                                   .sealer = d->sealer,
                                   .rekey = d->rekey,
                                   .audit = &d->audit,
                                   .socket = d->socket,
                                   .state_dir = d->dir,
                                   .viewer_group = group_names[ROLE_VIEWER],
                                   .operator_group = group_names[ROLE_OPERATOR],
                                   .admin_group = group_names[ROLE_ADMIN],
                                   .controller = "00000000-0000-4000-8000-000000000000",
                                   .name = "test" };

        return admin_new(&o, ret, err);
}

static void open_parts(struct desk *d) {
        static const char *const dirs[] = { CHARMS, NULL };
        struct store_options store = { .state_dir = d->dir, .mark = on_mark, .arg = d };
        struct seal_options seal = { .state_dir = d->dir };
        struct charm_host_options host = {
                .state_dir = d->dir, .charm_dirs = dirs, .worker = WORKER, .sandbox = SANDBOX
        };
        struct reconcile_options reconcile = { .limits = LIMITS_DEFAULT,
                                               .loop = d->loop,
                                               .controller = "00000000-0000-4000-8000-000000000000",
                                               .state_dir = d->dir,
                                               .in_flight = 4,
                                               .event = on_event,
                                               .arg = d };
        struct err err = { 0 };

        assert_int_equal(store_open(d->loop, &store, &d->store, &err), 0);
        assert_int_equal(seal_new(&seal, &d->sealer, NULL, &err), 0);
        d->rekey = rekey_new(&(struct rekey_options){
                .loop = d->loop, .store = d->store, .sealer = d->sealer, .seal = seal });
        d->audit =
                (struct audit){ .sealer = d->sealer, .keep_ms = INT64_MAX / 2, .keep_rows = 50000 };
        assert_int_equal(charm_host_new(d->loop, &host, &d->host, &err), 0);
        assert_int_equal(http_new(d->loop, &d->http, &err), 0);
        reconcile.store = d->store;
        reconcile.http = d->http;
        reconcile.host = d->host;
        reconcile.sealer = d->sealer;
        reconcile.audit = &d->audit;
        assert_int_equal(reconcile_new(&reconcile, &d->reconcile, &err), 0);
        assert_int_equal(reconcile_start(d->reconcile, &err), 0);
        assert_int_equal(desk_open_admin(d, &d->admin, &err), 0);
}

int desk_set_up(void **state) {
        struct desk *d = mem_new(struct desk);
        struct err err = { 0 };

        d->dir = str_dup("/tmp/mooring-admin-XXXXXX");
        assert_non_null(mkdtemp(d->dir));
        d->socket = str_format("%s/s", d->dir);
        assert_int_equal(loop_new(&d->loop, &err), 0);
        open_parts(d);
        desk_role(ROLE_ADMIN);
        *state = d;
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
        return remove(path);
}

int desk_tear_down(void **state) {
        struct desk *d = *state;

        d->admin = admin_free(d->admin);
        reconcile_stop(d->reconcile);
        rekey_stop(d->rekey);
        loop_finish_jobs(d->loop);
        d->store = store_close(d->store);
        d->reconcile = reconcile_free(d->reconcile);
        d->host = charm_host_free(d->host);
        d->http = http_free(d->http);
        d->rekey = rekey_free(d->rekey);
        d->sealer = seal_free(d->sealer);
        d->loop = loop_free(d->loop);
        peer_set_fake(NULL);
        nftw(d->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        free(d->socket);
        free(d->dir);
        free(d);
        return 0;
}

/* ---- who asks */

void desk_role(enum role role) {
        static struct peer_fake fake;
        static gid_t group;
        const struct group *g = group_names[role] ? getgrnam(group_names[role]) : NULL;

        if (g)
                group = g->gr_gid;
        fake = (struct peer_fake){
                .uid = 65000, .gid = 65000, .groups = &group, .count = g != NULL
        };
        peer_set_fake(&fake);
}

/* ---- the client */

int desk_knock(struct desk *d) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        str_copy(address.sun_path, sizeof(address.sun_path), d->socket);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        return fd;
}

static void send_all(struct desk *d, int fd, const char *data, size_t len) {
        for (int i = 0; len && i < STEPS_MAX; i++) {
                ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

                if (n < 0 && errno != EAGAIN)
                        return; /* refused and closed: the answer says why */
                data += n > 0 ? n : 0;
                len -= n > 0 ? (size_t)n : 0;
                loop_step(d->loop, 0);
        }
}

/* More bytes into OUT; false: the other side ended. */
static bool receive(struct desk *d, int fd, struct buf *out) {
        for (int i = 0; i < STEPS_MAX; i++) {
                char piece[65536];
                ssize_t n = recv(fd, piece, sizeof(piece), 0);

                if (n > 0) {
                        buf_add(out, piece, (size_t)n);
                        return true;
                }
                if (n == 0 || errno != EAGAIN)
                        return false;
                loop_step(d->loop, 5);
        }
        fail_msg("no answer");
        return false;
}

void answer_deinit(struct answer *a) {
        buf_free(&a->head);
        buf_free(&a->body);
        json_decref(a->json);
}

/* The head is there; STATUS and what follows are taken apart. */
static bool split_head(struct answer *a) {
        const char *end = strstr(buf_str(&a->head), "\r\n\r\n");
        size_t n = end ? (size_t)(end + 4 - a->head.data) : 0;

        if (!end)
                return false;
        a->status = (int)strtol(a->head.data + strlen("HTTP/1.1 "), NULL, 10);
        buf_add(&a->body, a->head.data + n, a->head.len - n);
        a->head.data[n] = '\0';
        a->head.len = n;
        return true;
}

void desk_ask(struct desk *d, const char *method, const char *path, const char *headers,
              const void *body, size_t len, struct answer *ret) {
        cleanup_(closep) int fd = desk_knock(d);
        cleanup_(freep) char *head = str_format(
                "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n",
                method, path, headers ? headers : "", len);

        *ret = (struct answer){ 0 };
        send_all(d, fd, head, strlen(head));
        send_all(d, fd, body, len);
        while (!split_head(ret))
                if (!receive(d, fd, &ret->head))
                        fail_msg("%s %s: no head", method, path);
        if (strstr(ret->head.data, "x-ndjson"))
                return; /* goes on for ever */
        while (receive(d, fd, &ret->body))
                ;
        if (ret->body.len && json_parse(ret->body.data, ret->body.len, &ret->json, NULL) < 0)
                ret->json = NULL;
}

int desk_status(struct desk *d, const char *method, const char *path, const char *body) {
        cleanup_(answer_deinit) struct answer a;

        desk_ask(d, method, path, NULL, body, body ? strlen(body) : 0, &a);
        return a.status;
}

char *desk_refusal(struct desk *d, const char *method, const char *path, const char *body,
                   int status) {
        cleanup_(answer_deinit) struct answer a;

        desk_ask(d, method, path, NULL, body, body ? strlen(body) : 0, &a);
        assert_int_equal(a.status, status);
        assert_non_null(a.json);
        return str_dup(json_get_str(json_get(a.json, "error"), "message", ""));
}

int desk_begin(struct desk *d, const char *method, const char *path, const char *body) {
        int fd = desk_knock(d);
        cleanup_(freep) char *text =
                str_format("%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", method,
                           path, strlen(body), body);

        send_all(d, fd, text, strlen(text));
        return fd;
}

int desk_connect(struct desk *d, const char *path) {
        return desk_begin(d, "GET", path, "");
}

void desk_read_until(struct desk *d, int fd, const char *what, struct buf *out) {
        while (!strstr(buf_str(out), what))
                if (!receive(d, fd, out))
                        fail_msg("the stream ended before \"%s\": %s", what, buf_str(out));
}

bool desk_ended(struct desk *d, int fd) {
        cleanup_(buf_free) struct buf rest = BUF_INIT;

        while (receive(d, fd, &rest))
                ;
        return true;
}

/* ---- rows */

struct writing {
        struct store_call call;
        bool done;
        int result;
};

static void written(struct store_call *c, int r, const struct err *err) {
        struct writing *w = container_of(c, struct writing, call);

        if (r < 0)
                print_error("%s\n", err_text(err));
        w->result = r;
        w->done = true;
}

void desk_write(struct desk *d, int (*run)(struct tx *tx, struct store_call *c, struct err *err),
                void *arg) {
        struct writing w = { .call = { .lane = STORE_COMMAND,
                                       .actor = "test",
                                       .run = run,
                                       .done = written,
                                       .arg = arg } };

        store_submit(d->store, &w.call);
        for (int i = 0; !w.done && i < STEPS_MAX; i++)
                loop_step(d->loop, 5);
        assert_true(w.done);
        assert_true(w.result >= 0);
}
