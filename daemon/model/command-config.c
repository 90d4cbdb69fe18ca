/* SPDX-License-Identifier: Apache-2.0 */
/* command-config.c - options of an application, from names and values, a list to reset, and a
 * file
 *
 * The file is YAML as Juju takes it: {name: value}, or {APPLICATION: {name: value}}. Values on
 * the command line win over it. */
#include "command-internal.h"

#include "yaml.h"

#include <errno.h>
#include <stdlib.h>

#define FILE_MAX (5u << 20) /* Juju's limit for a file of options */

/* Whoever sets it by hand says what is so outside, which nobody looks up. */
static void note_actions(const struct application_row *a, const char *option) {
        if (a->meta && meta_option_is_note(charm_meta_option(a->meta, option)))
                command_note(a->command,
                             "application %s: option %s is set by its actions: by hand only where "
                             "a runbook or a status says so",
                             a->name, option);
}

static int set_object(const struct application_row *a, const json_t *values, const char *file,
                      const struct json_lines *lines, struct err *err) {
        const char *name;
        json_t *value;
        int changed = 0;

        json_object_foreach((json_t *)values, name, value) {
                struct bundle_place at = { file, json_line_of(lines, values, name, 0) };
                int r = json_is_null(value) ? application_row_reset(a, name, at, err)
                                            : application_row_option(a, name, value, at, err);

                if (r < 0)
                        return r;
                if (r > 0)
                        note_actions(a, name);
                changed += r > 0;
        }
        return changed;
}

static int set_file(const struct application_row *a, const struct command_config *c,
                    struct err *err) {
        cleanup_(yaml_stream_free) struct yaml_stream stream = {};
        const char *file = c->file ? c->file : "file";
        const json_t *root, *own;
        int r;

        if (strlen(c->text) > FILE_MAX)
                return err_set(err, -EINVAL, "%s: has %zu bytes, at most %u are read", file,
                               strlen(c->text), FILE_MAX);
        r = yaml_parse(c->text, strlen(c->text), file, YAML_KUBERNETES, &stream, err);
        if (r < 0)
                return -EINVAL;
        root = stream.count == 1 ? stream.documents[0].root : NULL;
        if (!json_is_object(root))
                return err_set(err, -EINVAL, "%s: must be one object of options and values", file);
        own = json_get(root, a->name);
        return set_object(a, json_is_object(own) ? own : root, file, stream.documents[0].lines,
                          err);
}

static int reset_list(const struct application_row *a, const json_t *names, struct err *err) {
        int changed = 0;
        size_t i;
        json_t *name;

        json_array_foreach(names, i, name) {
                int r = json_is_string(name)
                                ? application_row_reset(a, json_string_value(name),
                                                        (struct bundle_place){}, err)
                                : err_set(err, -EINVAL, "reset: must be a list of names");

                if (r < 0)
                        return r;
                if (r > 0)
                        note_actions(a, json_string_value(name));
                changed += r > 0;
        }
        return changed;
}

int command_config_set(struct tx *tx, struct command *c, struct err *err) {
        struct command_config *config = command_of(c, command_config);
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        const struct q_application_row *row;
        const struct q_model_row *model;
        struct application_row a;
        int changed = 0;
        int r = lookup_live_model(tx, config->model, &model, err);

        if (r >= 0)
                r = lookup_live_application(tx, model, config->application, &row, err);
        if (r >= 0)
                r = lookup_meta(tx, row, &meta, err);
        if (r < 0)
                return r;
        a = (struct application_row){ tx, c, row->id, model->id, row->name, meta };
        if (config->text)
                changed = r = set_file(&a, config, err);
        if (r >= 0)
                changed += r = reset_list(&a, config->reset, err);
        if (r >= 0)
                changed += r = set_object(&a, config->set, NULL, NULL, err);
        if (r < 0)
                return r;
        if (changed == 0)
                return 0;
        tx_mark(tx, MARK_APPLICATION, row->id);
        return consequence_left(tx, c, model, row, err);
}
