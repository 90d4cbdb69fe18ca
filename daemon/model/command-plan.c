/* SPDX-License-Identifier: Apache-2.0 */
/* command-plan.c - goes on with a plan of what the loop would do, and with one that limits hold
 *
 * A rule, a window, a fight or a pause keeps things back. Each row gets the digest of what the plan
 * said of it, and the loop goes over what keeps it back as long as that is so (resource_released):
 * not once more, and not with anything else. */
#include "command-internal.h"

#include "limit.h"

#include <errno.h>
#include <stdlib.h>

void command_release_digest(const char *content, const char *seen, uint8_t ret[DIGEST_SIZE]) {
        cleanup_(buf_free) struct buf b = BUF_INIT;

        buf_printf(&b, "%s\n%s", content, seen);
        digest_sha256(b.data, b.len, ret);
}

int command_release_plan(struct tx *tx, const struct q_application_row *a, const char *content,
                         struct err *err) {
        struct w_application_set_release_in in = { .id = a->id };
        uint8_t removal[DIGEST_SIZE], changes[DIGEST_SIZE];

        if (!limit_content_read(content, removal, changes))
                return err_set(err, -EINVAL, "not what a plan is called");
        in.release_digest = removal;
        in.release_changes = changes;
        in.release_digest_len = in.release_changes_len = DIGEST_SIZE;
        tx_mark(tx, MARK_APPLICATION, a->id);
        return w_application_set_release(tx, &in, err);
}

char *command_held_content(const struct q_application_row *a) {
        static const uint8_t none[DIGEST_SIZE];
        char content[LIMIT_CONTENT_SIZE];

        if (!a->held)
                return NULL;
        return str_dup(limit_content(a->held_digest_len == DIGEST_SIZE ? a->held_digest : none,
                                     a->held_changes_len == DIGEST_SIZE ? a->held_changes : none,
                                     content));
}

static int tell_held(struct command *c, const struct q_application_row *a, struct err *err) {
        cleanup_(json_freep) json_t *list = NULL;
        size_t i;
        json_t *item;
        int r = json_parse(a->held_list, strlen(a->held_list), &list, err);

        json_array_foreach(list, i, item)
                command_change(c, "release", a->name, "%s", json_string_value(item));
        return r;
}

static int release_plan(struct tx *tx, struct command *c, const struct q_model_row *model,
                        const json_t *line, struct err *err) {
        const char *name = json_get_str(line, "path", "");
        const char *content = json_get_str(line, "content", "");
        const struct q_application_row *a;
        cleanup_(freep) char *held = NULL;
        int r = lookup_live_application(tx, model, name, &a, err);

        if (r < 0)
                return r;
        held = command_held_content(a);
        if (!str_eq(held, content))
                return err_set(err, -ESTALE, "application %s: %s", name,
                               held ? a->held : "no plan of it is held any more");
        r = command_release_plan(tx, a, content, err);
        command_change(c, "release", name, "apply the plan that is held: %s", a->held);
        return r < 0 ? r : tell_held(c, a, err);
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

/* What no release lets go: a plan that is held is, what is lost or being deleted is not. */
static bool is_blocked(const json_t *line) {
        return str_eq(json_get_str(line, "action", ""), "block") &&
               !str_eq(json_get_str(line, "type", ""), "plan");
}

static int tell_blocked(struct command *c, const json_t *line, bool all, struct err *err) {
        const char *type = json_get_str(line, "type", ""), *path = json_get_str(line, "path", "");
        const char *why = json_get_str(line, "why", "");

        if (all)
                return err_set(err, -EBUSY,
                               "nothing of this plan can be done: %s %s is blocked: %s", type, path,
                               why);
        command_note(c, "%s %s stays blocked: %s", type, path, why);
        return 0;
}

bool command_plan_is_blocked(const json_t *lines) {
        const json_t *line;
        size_t i;

        json_array_foreach((json_t *)lines, i, line)
                if (!is_blocked(line) && !json_get_bool(line, "frozen", false))
                        return false;
        return true;
}

int command_plan_apply(struct tx *tx, struct command *c, struct err *err) {
        const struct command_plan *plan = command_of(c, command_plan);
        bool all = command_plan_is_blocked(plan->lines);
        const struct q_model_row *model;
        const json_t *line;
        size_t i;
        int r = lookup_live_model(tx, plan->model, &model, err);

        c->is_apply = true;
        json_array_foreach(plan->lines, i, line)
                if (r >= 0 && is_blocked(line))
                        r = tell_blocked(c, line, all, err);
                else if (r >= 0 && str_eq(json_get_str(line, "type", ""), "plan"))
                        r = release_plan(tx, c, model, line, err);
                else if (r >= 0)
                        r = release(tx, c, line, err);
        return r < 0 ? r : 0;
}
