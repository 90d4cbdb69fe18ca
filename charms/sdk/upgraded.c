/* SPDX-License-Identifier: Apache-2.0 */
/* upgraded.c - what is wanted of a server in an upgrade and on the way back, as options; see
 * upgraded.h */
#include "upgraded.h"

#include "charm.gen.h"

const char *upgraded_image(const struct charm_view *v, const char *resource) {
        return charm_option_set(v, OPTION_SERVER_IMAGE) ? charm_option(v, OPTION_SERVER_IMAGE)
                                                        : charm_image(v, resource);
}

bool upgraded_may_begin(const struct charm_world *w, struct charm_ask *a, const char *runs,
                        bool ready, const char *maintenance) {
        const struct charm_view *v = charm_world_view(w);

        if (!strcmp(charm_param(w, "image"), runs)) {
                charm_give_up(a,
                              ready ? "%s is what runs already"
                                    : "%s is what is wanted already, and does not run: "
                                      "after a refresh mooringctl rollback %s, else "
                                      "attach-resource of the image of before; then this",
                              runs, charm_application(v));
                return false;
        }
        if (charm_option_bool(v, OPTION_MAINTENANCE)) {
                charm_give_up(a,
                              "the server is %s (option maintenance): an action broke off before; "
                              "restore, or reset the option, first",
                              maintenance);
                return false;
        }
        return true;
}

const char *upgraded_note_old(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        const char *old = charm_option_set(v, OPTION_SERVER_IMAGE)
                                  ? charm_option(v, OPTION_SERVER_IMAGE)
                                  : UPGRADE_NO_IMAGE;

        charm_set(a, "old-image", old);
        charm_set(a, "old-from", charm_option(v, OPTION_UPGRADED_FROM));
        return old;
}

bool upgraded_is_switched(const struct charm_world *w) {
        return !strcmp(charm_option(charm_world_view(w), OPTION_SERVER_IMAGE),
                       charm_param(w, "image"));
}

const char *upgraded_option(const char *image) {
        return strcmp(image, UPGRADE_NO_IMAGE) ? image : NULL;
}

const char *upgraded_old_from(const struct charm_world *w) {
        const char *from = charm_state(w, "old-from");

        return from && *from ? from : NULL;
}

void upgraded_choose(const struct charm_world *w, struct charm_ask *a) {
        const char *from = charm_option(charm_world_view(w), OPTION_UPGRADED_FROM);
        size_t id = strcspn(from, " "), image = from[id] ? strcspn(from + id + 1, " ") : 0;

        if (!image)
                return charm_give_up(a,
                                     "there is no upgrade to go back from: %s was not "
                                     "upgraded by the action upgrade",
                                     CHARM_GEN_NAME);
        charm_set(a, "id", charm_text(charm_paper(a), "%.*s", (int)id, from));
        charm_set(a, "image", charm_text(charm_paper(a), "%.*s", (int)image, from + id + 1));
        charm_next(a);
}
