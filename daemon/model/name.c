/* SPDX-License-Identifier: Apache-2.0 */
/* name.c - see name.h */
#include "name.h"

#include <ctype.h>
#include <errno.h>

#define LABEL_MAX 63   /* Kubernetes: the name of a label's key, and its value */
#define PREFIX_MAX 253 /* Kubernetes: a DNS name */
#define SHOWN_MAX 64   /* letters of a wrong name that a message repeats */

static int wrong(struct err *err, const char *what, const char *name, const char *why) {
        return err_set(err, -EINVAL, "%s name \"%.*s\" %s", what, SHOWN_MAX, name, why);
}

static bool is_label_char(char c) {
        return islower((unsigned char)c) || isdigit((unsigned char)c) || c == '-';
}

/* What is wrong with NAME as a DNS label, or NULL. */
static const char *label_fault(const char *name) {
        if (!*name)
                return "is empty";
        for (const char *p = name; *p; p++) {
                if (isupper((unsigned char)*p))
                        return "has upper-case letters, which Kubernetes refuses";
                if (!is_label_char(*p))
                        return "may only have lower-case letters, digits and hyphens: Kubernetes "
                               "refuses others";
        }
        if (name[0] == '-' || name[strlen(name) - 1] == '-')
                return "begins or ends with a hyphen, which Kubernetes refuses";
        return NULL;
}

/* Whether a part between hyphens has digits only, or nothing. */
static bool has_bare_part(const char *name) {
        for (const char *part = name; part;
             part = strchr(part, '-'), part = part ? part + 1 : NULL) {
                size_t n = strcspn(part, "-");

                if (strspn(part, "0123456789") >= n)
                        return true;
        }
        return false;
}

static int check_letters(const char *what, const char *name, size_t most, struct err *err) {
        const char *fault = label_fault(name);

        if (fault)
                return wrong(err, what, name, fault);
        if (!islower((unsigned char)name[0]))
                return wrong(err, what, name, "does not begin with a letter, as a Service's must");
        if (strlen(name) > most)
                return err_set(err, -EINVAL,
                               "%s name \"%.*s...\" has %zu letters, at most %zu fit "
                               "into the names of Kubernetes objects",
                               what, SHOWN_MAX, name, strlen(name), most);
        return 0;
}

int name_check_application(const char *name, struct err *err) {
        int r = check_letters("application", name, NAME_APPLICATION_MAX, err);

        if (r < 0)
                return r;
        if (has_bare_part(name))
                return wrong(err, "application", name,
                             "has a part without a letter, so it could be taken for a unit's name");
        return 0;
}

int name_check_charm(const char *name, struct err *err) {
        return check_letters("charm", name, NAME_MODEL_MAX, err);
}

int name_check_model(const char *name, struct err *err) {
        const char *fault = label_fault(name);

        if (fault)
                return wrong(err, "model", name, fault);
        if (strlen(name) > NAME_MODEL_MAX)
                return err_set(err, -EINVAL,
                               "model name \"%.*s...\" has %zu letters, a namespace "
                               "has at most %d",
                               SHOWN_MAX, name, strlen(name), NAME_MODEL_MAX);
        if (str_starts(name, "kube-"))
                return wrong(err, "model", name,
                             "is a namespace of Kubernetes itself: names with kube- are taken");
        return 0;
}

int name_check_cluster(const char *name, struct err *err) {
        size_t n = strlen(name);

        if (n == 0 || n > NAME_CLUSTER_MAX)
                return err_set(err, -EINVAL, "a cluster's name has 1 to %d letters, this has %zu",
                               NAME_CLUSTER_MAX, n);
        for (const char *p = name; *p; p++) {
                if (!isalnum((unsigned char)*p) && (p == name || !strchr("._-@", *p)))
                        return wrong(err, "cluster", name,
                                     "may only have letters, digits and . _ - @ after the first");
        }
        return 0;
}

static bool is_label_text(const char *s, size_t n) {
        if (n == 0 || n > LABEL_MAX || !isalnum((unsigned char)s[0]) ||
            !isalnum((unsigned char)s[n - 1]))
                return false;
        for (size_t i = 0; i < n; i++) {
                if (!isalnum((unsigned char)s[i]) && !strchr("._-", s[i]))
                        return false;
        }
        return true;
}

bool name_is_label_key(const char *key) {
        const char *slash = strchr(key, '/');
        size_t n = slash ? (size_t)(slash - key) : 0;

        if (slash && (n == 0 || n > PREFIX_MAX || key[0] == '.' || key[0] == '-'))
                return false;
        for (size_t i = 0; i < n; i++) {
                if (!is_label_char(key[i]) && key[i] != '.')
                        return false;
        }
        key = slash ? slash + 1 : key;
        return is_label_text(key, strlen(key));
}

bool name_is_label_value(const char *value) {
        return !*value || is_label_text(value, strlen(value));
}
