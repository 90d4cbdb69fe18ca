/* SPDX-License-Identifier: Apache-2.0 */
/* kubeconfig.c - reads and checks what a cluster's row says; see kubeconfig.h
 *
 * Pure: opens no file. What the files of a user's kubeconfig hold was read by mooringctl with
 * the caller's rights (kubeconfig-flatten.c). */
#include "kubeconfig.h"

#include "clock.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define AT(member) offsetof(struct kubeconfig, member)
static const struct json_field config_fields[] = {
        { "server", JSON_FIELD_STRING, AT(server), JSON_REQUIRED },
        { "tls-server-name", JSON_FIELD_STRING, AT(tls_name), JSON_NULL_OK },
        { "insecure-skip-tls-verify", JSON_FIELD_BOOL, AT(insecure), JSON_NULL_OK },
        { "namespace", JSON_FIELD_STRING, AT(namespace), JSON_NULL_OK },
        { "token-file", JSON_FIELD_STRING, AT(token_file), JSON_NULL_OK },
        { "exec", JSON_FIELD_OBJECT, AT(exec_table), JSON_NULL_OK },
        {}
};
static const struct json_field credential_fields[] = {
        { "ca", JSON_FIELD_STRING, AT(ca), JSON_NULL_OK },
        { "cert", JSON_FIELD_STRING, AT(cert), JSON_NULL_OK },
        { "key", JSON_FIELD_STRING, AT(key), JSON_NULL_OK | JSON_SECRET },
        { "token", JSON_FIELD_STRING, AT(token), JSON_NULL_OK | JSON_SECRET },
        { "username", JSON_FIELD_STRING, AT(username), JSON_NULL_OK },
        { "password", JSON_FIELD_STRING, AT(password), JSON_NULL_OK | JSON_SECRET },
        { "proxy-url", JSON_FIELD_STRING, AT(proxy), JSON_NULL_OK | JSON_SECRET },
        { "exec-args", JSON_FIELD_LIST, AT(exec.args), JSON_NULL_OK | JSON_SECRET },
        { "exec-env", JSON_FIELD_OBJECT, AT(exec.env), JSON_NULL_OK | JSON_SECRET },
        {}
};
#undef AT

#define AT(member) offsetof(struct kubeconfig_exec, member)
static const struct json_field exec_fields[] = {
        { "command", JSON_FIELD_STRING, AT(command), JSON_REQUIRED },
        { "api-version", JSON_FIELD_STRING, AT(api_version), JSON_NULL_OK },
        { "provide-cluster-info", JSON_FIELD_BOOL, AT(cluster_info), JSON_NULL_OK },
        {}
};
#undef AT

/* Logins of kubelogin that need a person or another program's session. */
static const char *const interactive_modes[] = { "devicecode", "interactive", "azurecli",
                                                 "azd",        "ropc",        NULL };

static const char *arg_after(const json_t *args, const char *name, const char *letter) {
        size_t n = json_array_size(args);

        for (size_t i = 0; i < n; i++) {
                const char *arg = json_string_value(json_array_get(args, i));

                if (str_starts(arg, name) && arg[strlen(name)] == '=')
                        return arg + strlen(name) + 1;
                if (str_eq(arg, name) || str_eq(arg, letter))
                        return json_string_value(json_array_get(args, i + 1));
        }
        return NULL;
}

static const char *base_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

/* An interactive login (kubelogin devicecode, azurecli, ...) cannot be run by a daemon. */
static int check_login(const struct kubeconfig_exec *e, struct err *err) {
        const char *program = base_name(e->command);
        const char *mode;

        if (!str_eq(program, "kubelogin") && !str_eq(program, "kubectl-oidc_login") &&
            !str_eq(program, "az"))
                return 0;
        if (str_eq(program, "az"))
                return err_set(
                        err, -EINVAL,
                        "the login runs \"az\", which needs a person's session: convert it with "
                        "`kubelogin convert-kubeconfig -l msi` (or -l spn, -l workloadidentity) "
                        "and add the cluster again");
        if (str_eq(program, "kubectl-oidc_login"))
                return err_set(err, -EINVAL,
                               "the login \"%s\" opens a browser: give the cluster a service "
                               "account's token",
                               program);
        mode = arg_after(e->args, "--login", "-l");
        /* kubelogin's own default is devicecode. */
        for (const char *const *m = interactive_modes; *m; m++)
                if (str_eq(mode ? mode : "devicecode", *m))
                        return err_set(err, -EINVAL,
                                       "the login mode %s needs a person: convert the kubeconfig "
                                       "with `kubelogin convert-kubeconfig "
                                       "-l msi` (or -l spn, -l workloadidentity) and add the "
                                       "cluster again",
                                       *m);
        return 0;
}

/* What decides which code a program runs, and what we set ourselves. Which other names a plugin may
 * be given the daemon's options say. */
static bool reserved(const char *name) {
        return !*name || strchr(name, '=') || str_starts(name, "LD_") || str_eq(name, "PATH") ||
               str_eq(name, "HOME") || str_eq(name, "KUBERNETES_EXEC_INFO");
}

static int check_texts(const struct kubeconfig_exec *e, struct err *err) {
        const json_t *value;
        const char *name;
        size_t i;

        json_array_foreach(e->args, i, value)
                if (!json_is_string(value))
                        return err_set(err, -EINVAL, "exec-args: item %zu is no text", i);
        json_object_foreach(e->env, name, value) {
                if (reserved(name))
                        return err_set(err, -EINVAL, "exec-env: %s cannot be set for a login",
                                       name);
                if (!json_is_string(value))
                        return err_set(err, -EINVAL, "exec-env.%s is no text", name);
        }
        return 0;
}

static int read_exec(struct kubeconfig *k, bool judge, struct err *err) {
        struct json_where where = { .path = "exec" };
        int r;

        if (!k->exec_table)
                return 0;
        k->has_exec = true;
        k->exec.api_version = "client.authentication.k8s.io/v1";
        r = json_decode(k->exec_table, exec_fields, false, &k->exec, &where, err);
        if (r < 0)
                return r;
        if (!str_eq(k->exec.api_version, "client.authentication.k8s.io/v1") &&
            !str_eq(k->exec.api_version, "client.authentication.k8s.io/v1beta1"))
                return err_set(err, -EINVAL,
                               "exec: API version %s is not known (v1 and v1beta1 are)",
                               k->exec.api_version);
        r = check_texts(&k->exec, err);
        return r < 0 || !judge ? r : check_login(&k->exec, err);
}

static int check_server(const struct kubeconfig *k, struct err *err) {
        const char *host;

        if (!str_starts(k->server, "https://") && !str_starts(k->server, "http://"))
                return err_set(err, -EINVAL, "server \"%s\" is no https:// address", k->server);
        host = strstr(k->server, "://") + 3;
        if (!*host || *host == '/')
                return err_set(err, -EINVAL, "server \"%s\" names no host", k->server);
        if (memchr(host, '@', strcspn(host, "/?#")))
                return err_set(err, -EINVAL,
                               "the server's address holds a user: it belongs to the user's "
                               "username and password");
        if (str_starts(k->server, "http://") && !str_starts(host, "127.0.0.1:") &&
            (k->token || k->password || k->key || k->token_file || k->has_exec))
                return err_set(err, -EINVAL, "server \"%s\" would be given credentials without TLS",
                               k->server);
        return 0;
}

/* Text that is none would be taken here, and told by TLS only, as an unreachable cluster. */
static int check_pem(const struct kubeconfig *k, struct err *err) {
        const struct {
                const char *what, *text;
        } parts[] = { { "certificate-authority", k->ca },
                      { "client-certificate", k->cert },
                      { "client-key", k->key } };

        for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
                if (parts[i].text && !strstr(parts[i].text, "-----BEGIN "))
                        return err_set(err, -EINVAL, "%s: is no PEM (no line -----BEGIN ...)",
                                       parts[i].what);
        return 0;
}

int kubeconfig_read(const json_t *config, const json_t *credential, struct kubeconfig *ret,
                    struct err *err) {
        struct json_where where = { .path = "" };
        struct kubeconfig k = { 0 };
        int r = json_decode(config, config_fields, false, &k, &where, err);

        if (r == 0 && json_is_object(credential))
                r = json_decode(credential, credential_fields, false, &k, &where, err);
        if (r == 0)
                r = read_exec(&k, json_is_object(credential), err);
        if (r == 0)
                r = check_server(&k, err);
        if (r < 0)
                return r;
        if (!k.cert != !k.key)
                return err_set(err, -EINVAL, "a client certificate and its key must come together");
        if (k.ca && k.insecure)
                return err_set(
                        err, -EINVAL,
                        "a certificate authority and insecure-skip-tls-verify exclude each other");
        r = check_pem(&k, err);
        if (r < 0)
                return r;
        *ret = k;
        return 0;
}

static int64_t wall_of(const ASN1_TIME *t) {
        struct tm tm = { 0 };

        return ASN1_TIME_to_tm(t, &tm) ? (int64_t)timegm(&tm) * 1000 : 0;
}

int kubeconfig_check_certificate(const char *pem, int64_t now_wall, struct err *err) {
        BIO *bio = BIO_new_mem_buf(pem, -1);
        X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        char text[CLOCK_TEXT_MAX];
        int64_t end;

        BIO_free(bio);
        if (!certificate)
                return err_set(err, -EINVAL, "the client certificate is not PEM");
        end = wall_of(X509_get0_notAfter(certificate));
        X509_free(certificate);
        if (end >= now_wall)
                return 0;
        return err_set(err, -EKEYEXPIRED,
                       "the client certificate expired at %s: renew it and add the cluster again "
                       "(or `mooringctl update-cluster`)",
                       clock_iso(end, false, text));
}
