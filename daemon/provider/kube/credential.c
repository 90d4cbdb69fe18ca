/* SPDX-License-Identifier: Apache-2.0 */
/* credential.c - tokens, token files and exec plugins; see credential.h
 *
 * A plugin is a program that an operator listed by its absolute path. It must be root's,
 * writable by nobody else, and runs with a clean environment, no stdin, a deadline and an output
 * limit, never as root. Variables of its environment are those that an operator listed. Its
 * answer is kept until shortly before it runs out; a 401 makes it run again, at most once in
 * REFUSED_PAUSE_MS, so that a wrong login is not a storm.
 *
 *   IDLE --opened, runs out, refused--> RUNNING --answer--> IDLE
 *                                          \--failure, deadline--> IDLE, again with back-off */
#include "credential.h"

#include "clock.h"
#include "digest.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define REFUSED_PAUSE_MS 5000
#define ARGS_MAX 64
#define RUN_AS "nobody" /* when we are root */

struct credential {
        struct credential_config c;
        char *authorization;     /* "Bearer ...": wiped when replaced */
        char *certificate, *key; /* of a plugin */

        char *token_file;
        int64_t file_checked;
        struct timespec file_time;

        char *command, *info; /* info: KUBERNETES_EXEC_INFO */
        char **args, **env;
        uid_t uid;
        gid_t gid;
        struct child *child;
        struct watcher *watcher;
        int out;
        struct buf output;
        bool too_much, ended;
        int wait_status;
        struct timer deadline; /* while it runs; else: when it is to run again */
        int failures;          /* in a row */
        int64_t asked;
        bool ready;
};

static void run_plugin(struct credential *c);

static void set_authorization(struct credential *c, const char *scheme, const char *value) {
        wipep(&c->authorization);
        c->authorization = str_format("%s %s", scheme, value);
}

/* ---- token file */

static bool listed(const json_t *options, const char *list, const char *path, bool below) {
        const json_t *item;
        size_t i;

        json_array_foreach(json_get(options, list), i, item) {
                const char *allowed = json_string_value(item);
                size_t n = allowed ? strlen(allowed) : 0;

                if (!n)
                        continue;
                while (below && n > 1 && allowed[n - 1] == '/')
                        n--;
                if (below ? strncmp(path, allowed, n) == 0 && path[n] == '/'
                          : str_eq(path, allowed))
                        return true;
        }
        return false;
}

static int check_token_file(const char *path, const json_t *options, struct err *err) {
        if (path[0] != '/' || strstr(path, "/../") || strstr(path, "/./"))
                return err_set(err, -EINVAL, "token-file %s is no plain absolute path", path);
        if (!listed(options, "token-folders", path, true))
                return err_set(err, -EPERM,
                               "token-file %s: its folder is not listed as token-folder of the "
                               "daemon's options",
                               path);
        return 0;
}

/* Symbolic links are followed: kubelets swap whole folders by one. The real file must lie below
 * a listed folder too. */
static int open_token_file(struct credential *c, struct err *err) {
        cleanup_(freep) char *real = realpath(c->token_file, NULL);
        int fd;

        if (!real)
                return err_set(err, -errno, "token-file %s: %s", c->token_file, strerror(errno));
        if (!listed(c->c.options, "token-folders", real, true))
                return err_set(err, -EPERM, "token-file %s leads out of the listed folders",
                               c->token_file);
        fd = open(real, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0)
                return err_set(err, -errno, "token-file %s: %s", c->token_file, strerror(errno));
        return fd;
}

static int read_token_file(struct credential *c, struct err *err) {
        cleanup_(closep) int fd = open_token_file(c, err);
        char text[CREDENTIAL_FILE_MAX];
        struct stat st;
        ssize_t n;

        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return err_set(err, -EINVAL, "token-file %s is no file", c->token_file);
        if (c->authorization && st.st_mtim.tv_sec == c->file_time.tv_sec &&
            st.st_mtim.tv_nsec == c->file_time.tv_nsec)
                return 0;
        n = read(fd, text, sizeof(text) - 1);
        while (n > 0 && strchr(" \r\n\t", text[n - 1]))
                n--;
        if (n <= 0)
                return err_set(err, -EINVAL, "token-file %s is empty", c->token_file);
        text[n] = '\0';
        c->file_time = st.st_mtim;
        set_authorization(c, "Bearer", text);
        explicit_bzero(text, sizeof(text));
        return 0;
}

/* ---- exec plugin */

static int check_plugin_file(const char *path, const json_t *options, struct err *err) {
        struct stat st;

        if (path[0] != '/')
                return err_set(err, -EINVAL, "exec: %s is no absolute path", path);
        if (!listed(options, "exec-plugins", path, false))
                return err_set(err, -EPERM,
                               "exec: %s is not listed as exec-plugin of the daemon's options",
                               path);
        if (lstat(path, &st) < 0)
                return err_set(err, -errno, "exec: %s: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode) || st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH))
                return err_set(err, -EPERM,
                               "exec: %s must be a file of root that nobody else can write", path);
        return 0;
}

/* As root we are somebody else for it. */
static int find_user(struct credential *c, struct err *err) {
        struct passwd *user;

        c->uid = (uid_t)-1;
        c->gid = (gid_t)-1;
        if (geteuid() != 0)
                return 0;
        user = getpwnam(RUN_AS);
        if (!user || user->pw_uid == 0)
                return err_set(err, -EINVAL, "exec: there is no user " RUN_AS " to run plugins as");
        c->uid = user->pw_uid;
        c->gid = user->pw_gid;
        return 0;
}

static void make_args(struct credential *c, const struct kubeconfig_exec *e) {
        size_t n = MIN_OF(json_array_size(e->args), (size_t)ARGS_MAX);

        c->args = mem_array(char *, n + 2);
        c->args[0] = str_dup(c->command);
        for (size_t i = 0; i < n; i++)
                c->args[i + 1] = str_dup(json_string_value(json_array_get(e->args, i)));
}

/* A plugin's variables may say what it loads, which files it sends and to whom. */
static int check_variables(const struct kubeconfig_exec *e, const json_t *options,
                           struct err *err) {
        const json_t *value;
        const char *name;

        json_object_foreach(e->env, name, value)
                if (!listed(options, "exec-variables", name, false))
                        return err_set(err, -EPERM,
                                       "exec: the variable %s is not listed under exec-variable of "
                                       "the daemon's options",
                                       name);
        return 0;
}

static void make_env(struct credential *c, const struct kubeconfig_exec *e) {
        const char *name;
        json_t *value;
        size_t n = 0;

        c->env = mem_array(char *, json_object_size(e->env) + 4);
        c->env[n++] = str_dup("PATH=/usr/local/bin:/usr/bin:/bin");
        c->env[n++] = str_dup("HOME=/nonexistent");
        c->env[n++] = str_format("KUBERNETES_EXEC_INFO=%s", c->info);
        json_object_foreach(e->env, name, value)
                c->env[n++] = str_format("%s=%s", name, json_string_value(value));
}

static char *exec_info(const struct kubeconfig *k) {
        cleanup_(json_freep) json_t *info = json_object();
        json_t *spec = json_object();
        json_t *cluster;

        json_object_set_new(info, "kind", json_string("ExecCredential"));
        json_object_set_new(info, "apiVersion", json_string(k->exec.api_version));
        json_object_set_new(info, "spec", spec);
        json_object_set_new(spec, "interactive", json_false());
        if (k->exec.cluster_info) {
                cluster = json_object();
                json_object_set_new(spec, "cluster", cluster);
                json_object_set_new(cluster, "server", json_string(k->server));
                if (k->tls_name)
                        json_object_set_new(cluster, "tls-server-name", json_string(k->tls_name));
        }
        return json_text(info);
}

/* From an ExecCredential's status. */
static int take_status(struct credential *c, const json_t *answer, struct err *err) {
        const json_t *status = json_get(answer, "status");
        const char *token = json_get_str(status, "token", NULL);
        const char *expires = json_get_str(status, "expirationTimestamp", NULL);
        int64_t at;

        if (!str_eq(json_get_str(answer, "kind", ""), "ExecCredential") || !status)
                return err_set(err, -EBADMSG,
                               "exec: %s did not answer with an ExecCredential that has a status",
                               c->command);
        if (!token && !json_get(status, "clientCertificateData"))
                return err_set(err, -EBADMSG, "exec: %s gave neither a token nor a certificate",
                               c->command);
        wipep(&c->certificate);
        wipep(&c->key);
        c->certificate = str_dup(json_get_str(status, "clientCertificateData", NULL));
        c->key = str_dup(json_get_str(status, "clientKeyData", NULL));
        if (token)
                set_authorization(c, "Bearer", token);
        if (expires && clock_parse_iso(expires, &at))
                timer_after(&c->deadline, MAX_OF(at - clock_wall() - CREDENTIAL_EARLY_MS,
                                                 (int64_t)REFUSED_PAUSE_MS));
        return 0;
}

/* The child's last words are not passed on: a plugin may print what it holds. */
static int read_answer(struct credential *c, struct err *err) {
        cleanup_(json_freep) json_t *answer = NULL;

        if (c->too_much)
                return err_set(err, -E2BIG, "exec: %s printed more than %d bytes", c->command,
                               CREDENTIAL_EXEC_OUTPUT_MAX);
        if (c->wait_status)
                return err_set(err, -EKEYREJECTED,
                               "exec: %s failed with status %d: run it by hand to see why",
                               c->command, c->wait_status);
        if (json_parse(buf_str(&c->output), c->output.len, &answer, NULL) < 0)
                return err_set(err, -EBADMSG, "exec: %s did not print JSON", c->command);
        return take_status(c, answer, err);
}

static void stop_plugin(struct credential *c) {
        c->child = child_free(c->child);
        if (c->watcher)
                c->watcher = watcher_stop(c->watcher);
        closep(&c->out);
        c->out = -1;
}

/* Nobody else would try again: without a login there is no request that could be refused. */
static void run_again_later(struct credential *c) {
        int64_t ms = CREDENTIAL_RETRY_MS;

        for (int i = 0; i < c->failures && ms < CREDENTIAL_RETRY_MAX_MS; i++)
                ms *= 2;
        c->failures++;
        timer_after(&c->deadline, MIN_OF(ms, (int64_t)CREDENTIAL_RETRY_MAX_MS));
}

static void finish_plugin(struct credential *c, int r, struct err *err) {
        stop_plugin(c);
        timer_cancel(&c->deadline);
        if (r == 0)
                r = read_answer(c, err);
        buf_wipe(&c->output);
        if (r < 0) {
                run_again_later(c);
        } else {
                c->ready = true;
                c->failures = 0;
        }
        c->c.changed(c->c.arg, r, err);
}

static void finish_when_both(struct credential *c) {
        struct err err = { 0 };

        if (c->ended && !c->watcher)
                finish_plugin(c, 0, &err);
}

static void on_output(void *arg, int fd, int events) {
        struct credential *c = arg;
        char text[4096];
        ssize_t n = read(fd, text, sizeof(text));

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n > 0 && c->output.len + (size_t)n <= CREDENTIAL_EXEC_OUTPUT_MAX) {
                buf_add(&c->output, text, (size_t)n);
                explicit_bzero(text, (size_t)n);
                return;
        }
        if (n > 0) {
                c->too_much = true;
                child_kill(c->child, SIGKILL);
                return;
        }
        c->watcher = watcher_stop(c->watcher);
        finish_when_both(c);
}

static void on_exit_of_plugin(void *arg, int status, int signum) {
        struct credential *c = arg;

        c->ended = true;
        c->wait_status = signum ? 128 + signum : status;
        finish_when_both(c);
}

/* One timer: the deadline of a run, or the time to run again. */
static void on_timer(void *arg) {
        struct credential *c = arg;
        struct err err = { 0 };
        char span[CLOCK_TEXT_MAX];

        if (!c->child) {
                run_plugin(c);
                return;
        }
        finish_plugin(c,
                      err_set(&err, -ETIMEDOUT,
                              "exec: %s gave no answer in %s (does it wait for a person?)",
                              c->command, clock_span(CREDENTIAL_EXEC_MS, span)),
                      &err);
}

static int start_plugin(struct credential *c, struct err *err) {
        cleanup_(closep) int in = -1;
        int fds[2], r;
        int map[3] = { -1, -1, -1 };
        struct child_spec spec = {
                .argv = (const char *const *)c->args,
                .env = (const char *const *)c->env,
                .fds = map,
                .nfds = ARRAY_SIZE(map),
                .uid = c->uid,
                .gid = c->gid,
                .session = true,
                .name = "exec-plugin",
                .exited = on_exit_of_plugin,
                .arg = c,
        };

        /* Checked again each time: the file may have been replaced since. */
        r = check_plugin_file(c->command, c->c.options, err);
        if (r < 0)
                return r;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return err_set(err, -errno, "exec: no pipe: %s", strerror(errno));
        c->out = fds[0];
        in = map[1] = fds[1];
        fcntl(c->out, F_SETFL, O_NONBLOCK);
        c->ended = c->too_much = false;
        buf_wipe(&c->output);
        r = watcher_start(c->c.loop, "exec-plugin", c->out, LOOP_READ | LOOP_HANGUP, on_output, c,
                          &c->watcher, err);
        return r < 0 ? r : child_start(c->c.loop, &spec, &c->child, err);
}

static void run_plugin(struct credential *c) {
        struct err err = { 0 };
        int r;

        if (c->child)
                return;
        c->asked = clock_mono();
        r = start_plugin(c, &err);
        if (r == 0) {
                timer_after(&c->deadline, CREDENTIAL_EXEC_MS);
                return;
        }
        finish_plugin(c, r, &err);
}

/* ---- when a token ends */

/* The middle part of HEAD.CLAIMS.SIGNATURE, as base64 with its own alphabet and padding. */
static void read_claims(const char *jwt, struct buf *ret) {
        const char *begin = strchr(jwt, '.'), *end = begin ? strchr(begin + 1, '.') : NULL;

        if (!end)
                return;
        for (const char *p = begin + 1; p < end; p++)
                buf_putc(ret, *p == '-' ? '+' : *p == '_' ? '/' : *p);
        while (ret->len % 4)
                buf_putc(ret, '=');
}

int64_t credential_token_ends(const struct credential *c) {
        cleanup_(buf_wipe) struct buf text = BUF_INIT;
        cleanup_(buf_wipe) struct buf claims = BUF_INIT;
        cleanup_(json_freep) json_t *parsed = NULL;

        if (c->token_file || c->command || !c->authorization ||
            !str_starts(c->authorization, "Bearer "))
                return 0;
        read_claims(c->authorization, &text);
        if (digest_unbase64(buf_str(&text), text.len, &claims, NULL) < 0 ||
            json_parse(buf_str(&claims), claims.len, &parsed, NULL) < 0)
                return 0;
        return (int64_t)(json_number_value(json_get(parsed, "exp")) * 1000);
}

/* ---- all kinds */

static int open_exec(struct credential *c, const struct kubeconfig *k, struct err *err) {
        int r;

        c->command = str_dup(k->exec.command);
        r = check_plugin_file(c->command, c->c.options, err);
        if (r == 0)
                r = check_variables(&k->exec, c->c.options, err);
        if (r == 0)
                r = find_user(c, err);
        if (r < 0)
                return r;
        c->info = exec_info(k);
        make_args(c, &k->exec);
        make_env(c, &k->exec);
        /* Soon, from the loop: nothing is called back before open returned. */
        timer_after(&c->deadline, 0);
        return 0;
}

static void set_basic(struct credential *c, const struct kubeconfig *k) {
        cleanup_(buf_wipe) struct buf plain = BUF_INIT;
        cleanup_(buf_wipe) struct buf text = BUF_INIT;

        buf_printf(&plain, "%s:%s", k->username, k->password);
        digest_base64(buf_str(&plain), plain.len, &text);
        set_authorization(c, "Basic", buf_str(&text));
}

static int open_kind(struct credential *c, const struct kubeconfig *k, struct err *err) {
        int r;

        c->ready = true;
        if (k->token_file) {
                c->token_file = str_dup(k->token_file);
                r = check_token_file(c->token_file, c->c.options, err);
                return r < 0 ? r : read_token_file(c, err);
        }
        if (k->token)
                set_authorization(c, "Bearer", k->token);
        else if (k->username && k->password)
                set_basic(c, k);
        else if (k->has_exec) {
                c->ready = false;
                return open_exec(c, k, err);
        }
        return 0;
}

int credential_new(const struct credential_config *config, struct credential **ret,
                   struct err *err) {
        struct credential *c = mem_new(struct credential);
        int r;

        c->c = *config;
        c->c.options = json_incref((json_t *)config->options);
        c->c.kubeconfig = NULL;
        c->out = -1;
        timer_init(&c->deadline, config->loop, "credential", on_timer, c);
        r = open_kind(c, config->kubeconfig, err);
        if (r < 0) {
                credential_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

static void free_list(char **list) {
        for (char **p = list; p && *p; p++)
                wipep(p);
        free(list);
}

struct credential *credential_free(struct credential *c) {
        if (!c)
                return NULL;
        stop_plugin(c);
        timer_cancel(&c->deadline);
        buf_wipe(&c->output);
        wipep(&c->authorization);
        wipep(&c->certificate);
        wipep(&c->key);
        free_list(c->args);
        free_list(c->env);
        free(c->token_file);
        free(c->command);
        free(c->info);
        json_decref((json_t *)c->c.options);
        free(c);
        return NULL;
}

bool credential_ready(const struct credential *c) {
        return c->ready;
}

void credential_refused(struct credential *c) {
        if (c->token_file)
                c->file_checked = 0;
        if (c->command && !c->child && clock_mono() - c->asked >= REFUSED_PAUSE_MS)
                run_plugin(c);
}

void credential_authorize(void *credential, struct buf *ret_value) {
        struct credential *c = credential;
        struct err ignored;

        if (c->token_file &&
            (!c->file_checked || clock_mono() - c->file_checked >= CREDENTIAL_FILE_CHECK_MS)) {
                /* A file that cannot be read keeps the token that was: the server decides
                 * whether it still holds. */
                read_token_file(c, &ignored);
                c->file_checked = clock_mono();
        }
        if (c->authorization)
                buf_puts(ret_value, c->authorization);
}

const char *credential_certificate(const struct credential *c, const char **ret_key) {
        *ret_key = c->key;
        return c->certificate;
}
