/* SPDX-License-Identifier: Apache-2.0 */
/* serving.c - which Services a webhook configuration or an APIService is served by, and whether
 * anybody is there to answer; see serving.h
 *
 * Called before such an object is applied for the first time: switched on with nobody behind it,
 * it fails the writes of others. Pure. */
#include "serving.h"

#include "target.h"

static void add_service(json_t *services, const json_t *service) {
        const json_t *known;
        size_t i;

        if (!json_get(service, "name"))
                return;
        json_array_foreach(services, i, known)
                if (json_equal(json_get(known, "name"), json_get(service, "name")) &&
                    json_equal(json_get(known, "namespace"), json_get(service, "namespace")))
                        return;
        json_array_append(services, (json_t *)service);
}

/* Services that have to answer before this may be switched on. */
json_t *serving_services(const char *type, const json_t *wanted) {
        json_t *services = json_array();
        const json_t *webhook;
        size_t i;

        if (str_eq(type, TARGET_API_SERVICE))
                add_service(services, json_dig(wanted, "spec", "service", NULL));
        if (strstr(type, "WebhookConfiguration.admissionregistration.k8s.io"))
                json_array_foreach(json_get(wanted, "webhooks"), i, webhook)
                        add_service(services, json_dig(webhook, "clientConfig", "service", NULL));
        return services;
}

static bool slice_is_ready(struct scan_slice slice) {
        struct scan_slice endpoint;
        struct scan_cursor c;

        if (!scan_list(scan_get(slice, "endpoints"), &c))
                return false;
        while (scan_item(&c, &endpoint)) {
                struct scan_slice ready = scan_dig(endpoint, "conditions", "ready", NULL);

                if (!ready.text || ready.len == strlen("true"))
                        return true;
        }
        return false;
}

bool serving_is_ready(struct scan_slice slices) {
        struct scan_slice slice;
        struct scan_cursor c;

        if (scan_list(scan_get(slices, "items"), &c))
                while (scan_item(&c, &slice))
                        if (slice_is_ready(slice))
                                return true;
        return false;
}
