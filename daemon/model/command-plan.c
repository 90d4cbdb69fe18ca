/* SPDX-License-Identifier: Apache-2.0 */
/* command-plan.c - goes on with a plan of what the loop would do
 *
 * A rule, a window, a fight or a pause keeps things back. Each row gets the digest of what the plan
 * said of it, and the loop goes over what keeps it back as long as that is so (resource_released):
 * not once more, and not with anything else. */
#include "command-internal.h"

#include "shown.h"

void command_release_digest(const char *content, const char *seen, uint8_t ret[DIGEST_SIZE]) {
        cleanup_(buf_free) struct buf b = BUF_INIT;

        buf_printf(&b, "%s\n%s", content, seen);
        digest_sha256(b.data, b.len, ret);
}

static int release(struct tx *tx, struct command *c, const json_t *line, struct err *err) {
        const char *application = json_get_str(line, "application", NULL);
        int64_t id = json_get_int(line, "resource", 0);
        uint8_t digest[DIGEST_SIZE];
        int r;

        if (!id)
                return 0;
        command_release_digest(json_get_str(line, "content", ""), json_get_str(line, "seen", ""),
                               digest);
        r = w_resource_release(
                tx,
                &(struct w_resource_release_in){ .release = digest,
                                                 .release_len = DIGEST_SIZE,
                                                 .release_until = tx_now(tx) + COMMAND_RELEASE_MS,
                                                 .id = id },
                err);
        tx_mark(tx, MARK_RESOURCE, id);
        command_change(c, "release", application, "%s %s %s", json_get_str(line, "do", ""),
                       json_get_str(line, "type", ""), json_get_str(line, "path", ""));
        return r;
}

int command_plan_apply(struct tx *tx, struct command *c, struct err *err) {
        const struct command_plan *plan = command_of(c, command_plan);
        const struct q_model_row *model;
        const json_t *line;
        size_t i;
        int r = lookup_live_model(tx, plan->model, &model, err);

        json_array_foreach(plan->lines, i, line)
                if (r >= 0)
                        r = release(tx, c, line, err);
        return r < 0 ? r : 0;
}
