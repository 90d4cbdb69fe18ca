/* SPDX-License-Identifier: Apache-2.0 */
/* kubeconfig-flatten.c - reads a kubeconfig; see kubeconfig-flatten.h
 *
 * Called by mooringctl (add-cluster, update-cluster) and by tests. tokenFile and exec stay
 * names: the first is read again by the daemon when it changes, the second is run there; both
 * only where the daemon's options allow it. */
#include "kubeconfig-flatten.h"

#include "clock.h"
#include "digest.h"
#include "kubeconfig.h"
#include "yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (1u << 20) /* a kubeconfig with a hundred clusters has 500 KB */

struct flatten {
        const char *path;
        json_t *root;
        json_t *config, *credential;
};

/* Wiped: it may hold keys. */
static int read_file(const char *path, struct buf *out, struct err *err) {
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = 1;

        if (fd < 0)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        while (n > 0) {
                buf_reserve(out, 16384);
                n = read(fd, out->data + out->len, 16384);
                if (n < 0)
                        return err_set(err, -errno, "%s: %s", path, strerror(errno));
                out->len += (size_t)n;
                if (out->len > FILE_MAX)
                        return err_set(err, -E2BIG, "%s: larger than %u bytes: no kubeconfig", path,
                                       FILE_MAX);
        }
        buf_putc(out, '\0');
        out->len--;
        return 0;
}

/* Named relative to the kubeconfig's folder, as kubectl does. */
static char *beside(const struct flatten *f, const char *file) {
        const char *slash = strrchr(f->path, '/');

        if (file[0] == '/' || !slash)
                return str_dup(file);
        return str_format("%.*s/%s", (int)(slash - f->path), f->path, file);
}

static json_t *named(const struct flatten *f, const char *list, const char *member,
                     const char *name) {
        json_t *item;
        size_t i;

        json_array_foreach(json_get(f->root, list), i, item)
                if (str_eq(json_get_str(item, "name", ""), name))
                        return json_get(item, member);
        return NULL;
}

static char *names_of(const struct flatten *f, const char *list) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        json_t *item;
        size_t i;

        json_array_foreach(json_get(f->root, list), i, item)
                buf_printf(&out, "%s%s", i ? ", " : "", json_get_str(item, "name", "?"));
        return buf_take(&out);
}

static void set_text(json_t *to, const char *member, const char *value) {
        if (value && *value)
                json_object_set_new(to, member, json_string(value));
}

/* MEMBER-data in base64, or MEMBER, a file. */
static int take_material(struct flatten *f, const json_t *from, const char *member, const char *as,
                         struct err *err) {
        cleanup_(freep) char *data_member = str_format("%s-data", member);
        const char *data = json_get_str(from, data_member, NULL);
        const char *file = json_get_str(from, member, NULL);
        cleanup_(buf_wipe) struct buf text = BUF_INIT;
        cleanup_(freep) char *path = NULL;
        int r;

        if (data && *data) {
                r = digest_unbase64(data, strlen(data), &text, err);
                if (r < 0)
                        return err_add(err, r, "%s: %s", f->path, data_member);
        } else if (file && *file) {
                path = beside(f, file);
                r = read_file(path, &text, err);
                if (r < 0)
                        return err_add(err, r, "%s: %s", f->path, member);
        } else {
                return 0;
        }
        set_text(f->credential, as, buf_str(&text));
        return 0;
}

static int take_cluster(struct flatten *f, const char *name, struct err *err) {
        const json_t *cluster = named(f, "clusters", "cluster", name);
        cleanup_(freep) char *known = names_of(f, "clusters");

        if (!cluster)
                return err_set(err, -EINVAL, "%s: no cluster \"%s\" (there %s: %s)", f->path, name,
                               *known ? "are" : "is", *known ? known : "none");
        if (!*json_get_str(cluster, "server", ""))
                return err_set(err, -EINVAL, "%s: cluster \"%s\" has no server", f->path, name);
        set_text(f->config, "server", json_get_str(cluster, "server", NULL));
        set_text(f->config, "tls-server-name", json_get_str(cluster, "tls-server-name", NULL));
        set_text(f->credential, "proxy-url", json_get_str(cluster, "proxy-url", NULL));
        if (json_get_bool(cluster, "insecure-skip-tls-verify", false))
                json_object_set_new(f->config, "insecure-skip-tls-verify", json_true());
        return take_material(f, cluster, "certificate-authority", "ca", err);
}

/* A bare name is looked up in the caller's PATH: the daemon wants to know which file is meant. */
static char *find_program(struct flatten *f, const char *command) {
        const char *path = getenv("PATH");

        if (strchr(command, '/'))
                return beside(f, command);
        while (path && *path) {
                size_t n = strcspn(path, ":");
                cleanup_(freep) char *full = str_format("%.*s/%s", (int)n, path, command);

                if (access(full, X_OK) == 0)
                        return take_ptr(full);
                path += n + (path[n] == ':');
        }
        return str_dup(command);
}

static int take_exec(struct flatten *f, const json_t *exec, struct err *err) {
        cleanup_(freep) char *program = NULL;
        json_t *to = json_object();
        json_t *env = json_object();
        json_t *item;
        size_t i;

        json_object_set_new(f->config, "exec", to);
        json_object_set_new(f->credential, "exec-env", env);
        if (!*json_get_str(exec, "command", ""))
                return err_set(err, -EINVAL, "%s: exec without a command", f->path);
        if (str_eq(json_get_str(exec, "interactiveMode", ""), "Always"))
                return err_set(err, -EINVAL,
                               "%s: the login \"%s\" needs a terminal (interactiveMode: Always); a "
                               "daemon has none",
                               f->path, json_get_str(exec, "command", ""));
        program = find_program(f, json_get_str(exec, "command", ""));
        set_text(to, "command", program);
        set_text(to, "api-version", json_get_str(exec, "apiVersion", NULL));
        if (json_array_size(json_get(exec, "args")))
                json_object_set(f->credential, "exec-args", json_get(exec, "args"));
        json_array_foreach(json_get(exec, "env"), i, item)
                json_object_set_new(env, json_get_str(item, "name", ""),
                                    json_string(json_get_str(item, "value", "")));
        if (json_get_bool(exec, "provideClusterInfo", false))
                json_object_set_new(to, "provide-cluster-info", json_true());
        return 0;
}

static int take_user(struct flatten *f, const char *name, struct err *err) {
        const json_t *user = named(f, "users", "user", name);
        cleanup_(freep) char *known = names_of(f, "users");
        int r;

        if (!user)
                return err_set(err, -EINVAL, "%s: no user \"%s\" (there %s: %s)", f->path, name,
                               *known ? "are" : "is", *known ? known : "none");
        if (json_get(user, "auth-provider"))
                return err_set(err, -EINVAL,
                               "%s: user \"%s\" logs in with an auth-provider, which Kubernetes "
                               "removed in 1.26: "
                               "convert it (`kubelogin convert-kubeconfig -l msi` for Azure)",
                               f->path, name);
        r = take_material(f, user, "client-certificate", "cert", err);
        if (r == 0)
                r = take_material(f, user, "client-key", "key", err);
        if (r < 0)
                return r;
        set_text(f->credential, "token", json_get_str(user, "token", NULL));
        set_text(f->credential, "username", json_get_str(user, "username", NULL));
        set_text(f->credential, "password", json_get_str(user, "password", NULL));
        if (json_get_str(user, "tokenFile", NULL)) {
                cleanup_(freep) char *file = beside(f, json_get_str(user, "tokenFile", ""));

                set_text(f->config, "token-file", file);
        }
        if (json_is_object(json_get(user, "exec")))
                r = take_exec(f, json_get(user, "exec"), err);
        return r;
}

static int take_context(struct flatten *f, const char *context, struct err *err) {
        const char *name = context ? context : json_get_str(f->root, "current-context", "");
        cleanup_(freep) char *known = names_of(f, "contexts");
        const json_t *c;
        int r;

        if (!*name)
                return err_set(err, -EINVAL,
                               "%s: no current-context: choose one with --context (%s)", f->path,
                               *known ? known : "the file has none");
        c = named(f, "contexts", "context", name);
        if (!c)
                return err_set(err, -EINVAL, "%s: no context \"%s\" (there %s: %s)", f->path, name,
                               *known ? "are" : "is", *known ? known : "none");
        set_text(f->config, "namespace", json_get_str(c, "namespace", NULL));
        r = take_cluster(f, json_get_str(c, "cluster", ""), err);
        if (r == 0 && *json_get_str(c, "user", ""))
                r = take_user(f, json_get_str(c, "user", ""), err);
        return r;
}

static int check_result(struct flatten *f, struct err *err) {
        struct kubeconfig k;
        int r = kubeconfig_read(f->config, f->credential, &k, err);

        if (r == 0 && k.cert)
                r = kubeconfig_check_certificate(k.cert, clock_wall(), err);
        return r < 0 ? err_add(err, r, "%s", f->path) : 0;
}

int kubeconfig_flatten(const char *path, const char *context, json_t **ret_config,
                       json_t **ret_credential, struct err *err) {
        cleanup_(buf_wipe) struct buf text = BUF_INIT;
        cleanup_(yaml_stream_free) struct yaml_stream stream = { 0 };
        cleanup_(json_freep) json_t *config = json_object();
        cleanup_(json_freep) json_t *credential = json_object();
        struct flatten f = { .path = path, .config = config, .credential = credential };
        int r = read_file(path, &text, err);

        if (r == 0)
                r = yaml_parse(buf_str(&text), text.len, path, YAML_KUBERNETES, &stream, err);
        if (r < 0)
                return r;
        f.root = stream.count ? stream.documents[0].root : NULL;
        if (!json_is_object(f.root))
                return err_set(err, -EINVAL, "%s: is empty, or no kubeconfig", path);
        r = take_context(&f, context, err);
        if (r == 0)
                r = check_result(&f, err);
        if (r < 0)
                return r;
        *ret_config = take_ptr(config);
        *ret_credential = take_ptr(credential);
        return 0;
}
