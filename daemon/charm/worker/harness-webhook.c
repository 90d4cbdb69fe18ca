/* SPDX-License-Identifier: Apache-2.0 */
/* harness-webhook.c - a webhook that must answer before the pods that answer for it may start;
 * see harness-webhook.h
 *
 * Such a charm runs until all of its pods are gone at once (a node, a night), and never again by
 * itself. A webhook passes when it asks about no pods, when its failure is ignored, or when a
 * selector leaves its own pods out; what a selector of expressions, or of namespaces, leaves out
 * is not judged. */
#include "harness-webhook.h"

#include <errno.h>

static bool has_text(const json_t *list, const char *a, const char *b) {
        const json_t *item;
        size_t i;

        json_array_foreach((json_t *)list, i, item)
                if (json_is_string(item) &&
                    (str_eq(json_string_value(item), a) || str_eq(json_string_value(item), b)))
                        return true;
        return false;
}

static bool asks_about_pods(const json_t *webhook) {
        const json_t *rule;
        size_t i;

        json_array_foreach(json_get(webhook, "rules"), i, rule)
                if (has_text(json_get(rule, "apiGroups"), "", "*") &&
                    (has_text(json_get(rule, "resources"), "pods", "*") ||
                     has_text(json_get(rule, "resources"), "*/*", "*/*")) &&
                    has_text(json_get(rule, "operations"), "CREATE", "*"))
                        return true;
        return false;
}

/* All of SELECTOR's labels are among LABELS. */
static bool selects(const json_t *selector, const json_t *labels) {
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)selector, name, value) {
                if (!json_equal(value, json_get(labels, name)))
                        return false;
        }
        return true;
}

static bool leaves_out(const json_t *webhook, const json_t *labels) {
        const json_t *object = json_get(webhook, "objectSelector");

        return json_object_size(json_get(webhook, "namespaceSelector")) ||
               json_array_size(json_get(object, "matchExpressions")) ||
               !selects(json_get(object, "matchLabels"), labels);
}

/* The selector of the plan's Service NAME, or NULL. */
static const json_t *selector_of(const json_t *documents, const char *name) {
        const json_t *d;
        size_t i;

        json_array_foreach((json_t *)documents, i, d) {
                const json_t *selector = json_get(json_get(d, "spec"), "selector");

                if (str_eq(json_get_str(d, "kind", ""), "Service") &&
                    str_eq(json_get_str(json_get(d, "metadata"), "name", ""), name) &&
                    json_object_size(selector))
                        return selector;
        }
        return NULL;
}

static int check_webhook(const json_t *documents, const json_t *webhook, struct err *err) {
        const json_t *service = json_dig(webhook, "clientConfig", "service", NULL);
        const json_t *selector = selector_of(documents, json_get_str(service, "name", ""));
        const json_t *d;
        size_t i;

        if (!selector || !asks_about_pods(webhook) ||
            str_eq(json_get_str(webhook, "failurePolicy", ""), "Ignore"))
                return 0;
        json_array_foreach((json_t *)documents, i, d) {
                const json_t *labels = json_dig(d, "spec", "template", "metadata", "labels", NULL);

                if (!labels || !selects(selector, labels) || leaves_out(webhook, labels))
                        continue;
                return err_set(err, -EDEADLK,
                               "webhook %s must answer before pods of %s %s start, and those are "
                               "who answers: leave them out with an objectSelector, or ignore its "
                               "failure",
                               json_get_str(webhook, "name", ""), json_get_str(d, "kind", ""),
                               json_get_str(json_get(d, "metadata"), "name", ""));
        }
        return 0;
}

int harness_webhook_check(const struct plan *p, struct err *err) {
        cleanup_(json_freep) json_t *documents = json_array();
        const json_t *d, *webhook;
        size_t i, k;
        int r = 0;

        for (i = 0; r >= 0 && i < p->doc_count; i++) {
                json_t *document = NULL;

                if (p->docs[i].target)
                        continue;
                r = json_parse(p->docs[i].text, p->docs[i].len, &document, err);
                if (r >= 0)
                        json_array_append_new(documents, document);
        }
        json_array_foreach(documents, i, d)
                if (strstr(json_get_str(d, "kind", ""), "WebhookConfiguration"))
                        json_array_foreach(json_get(d, "webhooks"), k, webhook)
                                if (r >= 0)
                                        r = check_webhook(documents, webhook, err);
        return r;
}
