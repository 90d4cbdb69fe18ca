/* SPDX-License-Identifier: Apache-2.0 */
/* step-world.c - the reading half of actions in charm.h; see step-world.h */
#include "step-world.h"

#include <errno.h>

int step_world_open(struct charm_world *w, const char *text, size_t len, const json_t *meta,
                    struct arena *arena, struct err *err) {
        cleanup_(json_freep) json_t *root = NULL;
        cleanup_(freep) char *view = NULL;
        int r = json_parse(text, len, &root, err);

        *w = (struct charm_world){};
        if (r < 0)
                return err_add(err, r, "world");
        view = json_text(json_get(root, "view"));
        r = view_open(&w->view, view, strlen(view), meta, arena, err);
        if (r < 0)
                return r;
        w->root = take_ptr(root);
        w->meta = json_dig(meta, "actions", json_get_str(w->root, "action", ""), NULL);
        return 0;
}

void step_world_close(struct charm_world *w) {
        view_close(&w->view);
        json_decref(w->root);
        *w = (struct charm_world){};
}

const struct charm_view *charm_world_view(const struct charm_world *w) {
        return &w->view;
}

const char *charm_operation(const struct charm_world *w) {
        return json_get_str(w->root, "operation", "");
}

const char *charm_key(const struct charm_world *w) {
        return json_get_str(w->root, "key", "");
}

int64_t charm_now(const struct charm_world *w) {
        return json_get_int(w->root, "now", 0);
}

const char *charm_unit(const struct charm_world *w) {
        return json_get_str(w->root, "unit", "");
}

/* ---- parameters */

static json_t *param(const struct charm_world *w, const char *function, const char *name) {
        json_t *value = json_dig(w->root, "params", name, NULL);

        if (!value && !json_dig(w->meta, "params", name, NULL) &&
            !json_is_true(json_get(w->meta, "additionalProperties")))
                plan_out_mistake(w->view.plan, "%s: charm.yaml has no parameter \"%s\" of %s",
                                 function, name, json_get_str(w->root, "action", ""));
        return value;
}

const char *charm_param(const struct charm_world *w, const char *name) {
        return view_text(&w->view, param(w, "charm_param", name));
}

int64_t charm_param_int(const struct charm_world *w, const char *name) {
        return json_integer_value(param(w, "charm_param_int", name));
}

bool charm_param_bool(const struct charm_world *w, const char *name) {
        return json_is_true(param(w, "charm_param_bool", name));
}

/* ---- so far */

const char *charm_state(const struct charm_world *w, const char *key) {
        return json_get_str(json_get(w->root, "state"), key, NULL);
}

const char *charm_outcome(const struct charm_world *w) {
        return json_get_str(w->root, "outcome", NULL);
}

const char *charm_error(const struct charm_world *w) {
        return json_get_str(w->root, "error", "");
}

const char *charm_answer(const struct charm_world *w, const char *pointer) {
        json_t *answer = json_get(w->root, "answer");

        return answer ? view_text(&w->view, json_at(answer, pointer)) : NULL;
}

const char *charm_owned(const struct charm_world *w, const char *label, const char *field) {
        cleanup_(freep) char *name = str_format("%s/%s", label, field);

        return json_get_str(json_get(w->view.root, "secrets"), name, NULL);
}
