/* SPDX-License-Identifier: Apache-2.0 */
/* charm-choice.c - what will serve an application, as resolved on the loop; see command.h */
#include "command.h"
#include "queries.gen.h"

#include <stdlib.h>

void charm_choice_found(struct charm_choice *c, const char *sha256, const struct charm_meta *meta) {
        cleanup_(json_freep) json_t *copy = json_deep_copy(meta->json);

        charm_choice_deinit(c);
        str_copy(c->sha256, sizeof(c->sha256), sha256);
        /* It was read from the same tree once, so it cannot fail now. */
        if (charm_meta_from_json(copy, &c->meta, NULL) < 0)
                abort();
}

void charm_choice_missing(struct charm_choice *c, bool refused, const char *why) {
        charm_choice_deinit(c);
        c->missing = str_dup(why);
        c->refused = refused;
}

void charm_choice_deinit(struct charm_choice *c) {
        charm_meta_free(c->meta);
        free(c->missing);
        *c = (struct charm_choice){};
}

int charm_choice_put(struct tx *tx, const struct charm_choice *choice, struct err *err) {
        cleanup_(freep) char *metadata = json_text(choice->meta->json);
        struct w_charm_put_in in = { .sha256 = choice->sha256,
                                     .name = choice->meta->name,
                                     .revision = choice->meta->revision,
                                     .metadata = metadata,
                                     .added_at = tx_now(tx) };
        int r = w_charm_put(tx, &in, err);

        return r < 0 ? r : 0;
}
