/* SPDX-License-Identifier: Apache-2.0 */
/* test_kubeconfig.c - kubeconfig files and the rows made of them */
#include "certs.h"
#include "clock.h"
#include "kubeconfig-flatten.h"
#include "kubeconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/mooring-kubeconfig-XXXXXX";

static void put(const char *name, const char *text) {
        cleanup_(freep) char *path = str_format("%s/%s", dir, name);
        cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static int flatten(const char *text, const char *context, json_t **config, json_t **credential,
                   struct err *err) {
        cleanup_(freep) char *path = str_format("%s/config", dir);

        put("config", text);
        return kubeconfig_flatten(path, context, config, credential, err);
}

static void assert_fails(const char *text, const char *context, int code, const char *says) {
        json_t *config = NULL, *credential = NULL;
        struct err err = { 0 };

        assert_int_equal(flatten(text, context, &config, &credential, &err), code);
        if (!strstr(err.text, says))
                fail_msg("\"%s\" lacks \"%s\"", err.text, says);
}

#define CLUSTERS                                                                                   \
        "clusters:\n- name: c\n  cluster: {server: 'https://h:6443', certificate-authority: "      \
        "ca.pem, tls-server-name: kube}\n"
#define CONTEXTS                                                                                   \
        "contexts:\n- name: one\n  context: {cluster: c, user: u, namespace: ns}\n"                \
        "- name: two\n  "                                                                          \
        "context: {cluster: x, user: u}\n- name: three\n  context: {cluster: c, user: gone}\n"
#define HEAD "current-context: one\n" CLUSTERS CONTEXTS "users:\n- name: u\n  user: "

static void files_that_it_names_are_read_and_sent_as_contents(void **state) {
        cleanup_(json_freep) json_t *config = NULL;
        cleanup_(json_freep) json_t *credential = NULL;
        struct err err = { 0 };

        put("ca.pem", "-----BEGIN CA-----\n");
        if (flatten(HEAD "{token: t0ken}\n", NULL, &config, &credential, &err) < 0)
                fail_msg("%s", err.text);
        assert_string_equal(json_get_str(config, "server", ""), "https://h:6443");
        assert_string_equal(json_get_str(config, "tls-server-name", ""), "kube");
        assert_string_equal(json_get_str(config, "namespace", ""), "ns");
        assert_string_equal(json_get_str(credential, "ca", ""), "-----BEGIN CA-----\n");
        assert_string_equal(json_get_str(credential, "token", ""), "t0ken");
        assert_null(json_get(config, "token"));
}

static void what_cannot_work_is_said_with_what_there_is(void **state) {
        put("ca.pem", "hello");
        assert_fails(HEAD "{token: t0ken}\n", NULL, -EINVAL, "certificate-authority: is no PEM");
        put("ca.pem", "-----BEGIN CA-----\n");
        assert_fails("", NULL, -EINVAL, "empty");
        assert_fails("[1]", NULL, -EINVAL, "no kubeconfig");
        assert_fails("a: [", NULL, -EBADMSG, "config:");
        assert_fails("contexts: []\n", NULL, -EINVAL, "no current-context");
        assert_fails(HEAD "{}\n", "four", -EINVAL,
                     "no context \"four\" (there are: one, two, three)");
        assert_fails(HEAD "{}\n", "two", -EINVAL, "no cluster \"x\" (there are: c)");
        assert_fails(HEAD "{}\n", "three", -EINVAL, "no user \"gone\" (there are: u)");
        assert_fails(HEAD "{client-certificate: none.pem}\n", NULL, -ENOENT,
                     "none.pem: No such file");
        assert_fails(HEAD "{client-certificate-data: '!'}\n", NULL, -EBADMSG,
                     "client-certificate-data");
        assert_fails(HEAD "{auth-provider: {name: azure}}\n", NULL, -EINVAL,
                     "kubelogin convert-kubeconfig");
        assert_fails(HEAD "{exec: {command: /usr/bin/kubelogin, args: [get-token, --login, "
                          "devicecode], apiVersion: client.authentication.k8s.io/v1}}\n",
                     NULL, -EINVAL, "kubelogin convert-kubeconfig -l msi");
        assert_fails(HEAD "{exec: {command: /usr/bin/kubelogin, args: [get-token], apiVersion: "
                          "client.authentication.k8s.io/v1beta1}}\n",
                     NULL, -EINVAL, "devicecode");
        assert_fails(HEAD
                     "{exec: {command: /usr/bin/kubelogin, args: [get-token, -l, azurecli]}}\n",
                     NULL, -EINVAL, "azurecli");
        assert_fails(HEAD "{exec: {command: /bin/x, interactiveMode: Always}}\n", NULL, -EINVAL,
                     "terminal");
        assert_fails(
                HEAD
                "{exec: {command: /bin/x, apiVersion: client.authentication.k8s.io/v1alpha1}}\n",
                NULL, -EINVAL, "v1alpha1");
        assert_fails("current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: "
                     "[{name: c, cluster: {server: 'ftp://h'}}]\n",
                     NULL, -EINVAL, "https://");
        assert_fails("current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: "
                     "[{name: c, cluster: {}}]\n",
                     NULL, -EINVAL, "no server");
}

static void of_an_exec_plugin_only_its_name_is_not_secret(void **state) {
        cleanup_(json_freep) json_t *config = NULL;
        cleanup_(json_freep) json_t *credential = NULL;
        struct err err = { 0 };

        put("ca.pem", "-----BEGIN CA-----\n");
        if (flatten(HEAD "{exec: {command: /opt/login, args: [get-token, -l, msi], env: [{name: A, "
                         "value: b}], apiVersion: client.authentication.k8s.io/v1beta1}}\n",
                    NULL, &config, &credential, &err) < 0)
                fail_msg("%s", err.text);
        assert_string_equal(json_get_str(json_get(config, "exec"), "command", ""), "/opt/login");
        assert_string_equal(json_get_str(json_get(credential, "exec-env"), "A", ""), "b");
        assert_string_equal(json_string_value(json_at(credential, "/exec-args/2")), "msi");
        assert_null(json_dig(config, "exec", "env", NULL));
        assert_null(json_dig(config, "exec", "args", NULL));
}

static void a_proxy_may_hold_a_password_and_is_secret(void **state) {
        cleanup_(json_freep) json_t *config = NULL;
        cleanup_(json_freep) json_t *credential = NULL;
        struct err err = { 0 };
        struct kubeconfig k;

        if (flatten("current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: "
                    "[{name: c, cluster: {server: 'https://h', proxy-url: "
                    "'http://user:hunter2@proxy'}}]\n",
                    NULL, &config, &credential, &err) < 0)
                fail_msg("%s", err.text);
        assert_null(json_get(config, "proxy-url"));
        assert_int_equal(kubeconfig_read(config, credential, &k, &err), 0);
        assert_string_equal(k.proxy, "http://user:hunter2@proxy");
}

static json_t *parse(const char *text) {
        json_t *j = NULL;

        assert_int_equal(json_parse(text, strlen(text), &j, NULL), 0);
        return j;
}

#define EXEC "{\"server\":\"https://h\",\"exec\":{\"command\":\"/x\"}}"

static void a_row_that_cannot_be_is_refused_without_its_secrets(void **state) {
        static const struct {
                const char *config, *credential, *says;
        } bad[] = {
                { "{}", "{}", "server" },
                { "{\"server\":1}", "{}", "server" },
                { "{\"server\":\"https://h\",\"sever\":\"x\"}", "{}", "sever" },
                { "{\"server\":\"https://h\"}", "{\"cert\":\"c\"}", "together" },
                { "{\"server\":\"https://h\",\"insecure-skip-tls-verify\":true}", "{\"ca\":\"c\"}",
                  "exclude" },
                { "{\"server\":\"https://h\"}", "{\"ca\":\"hunter2\"}", "no PEM" },
                { "{\"server\":\"http://h\"}", "{\"token\":\"hunter2\"}", "without TLS" },
                { "{\"server\":\"https://h\"}", "{\"token\":[\"hunter2\"]}", "token" },
                { "{\"server\":\"https://u:hunter2@h\"}", "{}", "username" },
                { "{\"server\":\"https://h\",\"exec\":{\"command\":\"/x\",\"args\":[\"a\"]}}", "{}",
                  "args" },
                { EXEC, "{\"exec-args\":[1]}", "exec-args" },
                { EXEC, "{\"exec-env\":{\"A\":[\"hunter2\"]}}", "exec-env.A" },
                { EXEC, "{\"exec-env\":{\"LD_PRELOAD\":\"/tmp/x.so\"}}", "LD_PRELOAD" },
                { EXEC, "{\"exec-env\":{\"PATH\":\"/tmp\"}}", "PATH" },
                { EXEC, "{\"exec-env\":{\"A=B\":\"\"}}", "A=B" },
                { "{\"server\":\"https://h\",\"exec\":{\"command\":\"/kubelogin\"}}",
                  "{\"exec-args\":[\"-l\",\"azurecli\"]}", "azurecli" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                cleanup_(json_freep) json_t *config = parse(bad[i].config);
                cleanup_(json_freep) json_t *credential = parse(bad[i].credential);
                struct kubeconfig k;
                struct err err = { 0 };

                assert_int_equal(kubeconfig_read(config, credential, &k, &err), -EINVAL);
                if (!strstr(err.text, bad[i].says) || strstr(err.text, "hunter2"))
                        fail_msg("%s", err.text);
        }
}

static void an_expired_certificate_is_named_with_its_date(void **state) {
        struct certs *ca = certs_new("test");
        struct err err = { 0 };
        char *good, *old, *key;

        certs_issue(ca, "user", NULL, 10, &good, &key);
        free(key);
        certs_issue(ca, "user", NULL, -1, &old, &key);
        assert_int_equal(kubeconfig_check_certificate("no pem", clock_wall(), &err), -EINVAL);
        assert_int_equal(kubeconfig_check_certificate(good, clock_wall(), &err), 0);
        assert_int_equal(kubeconfig_check_certificate(old, clock_wall() + 2 * 86400000LL, &err),
                         -EKEYEXPIRED);
        assert_non_null(strstr(err.text, "expired at 2"));
        assert_non_null(strstr(err.text, "update-cluster"));
        free(good);
        free(old);
        free(key);
        certs_free(ca);
}

static int setup(void **state) {
        return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state) {
        static const char *const files[] = { "config", "ca.pem" };

        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                cleanup_(freep) char *path = str_format("%s/%s", dir, files[i]);

                unlink(path);
        }
        return rmdir(dir);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(files_that_it_names_are_read_and_sent_as_contents),
                cmocka_unit_test(what_cannot_work_is_said_with_what_there_is),
                cmocka_unit_test(of_an_exec_plugin_only_its_name_is_not_secret),
                cmocka_unit_test(a_proxy_may_hold_a_password_and_is_secret),
                cmocka_unit_test(a_row_that_cannot_be_is_refused_without_its_secrets),
                cmocka_unit_test(an_expired_certificate_is_named_with_its_date),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
