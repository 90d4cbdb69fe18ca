/* SPDX-License-Identifier: Apache-2.0 */
/* audit-heads.c - reads the journal; see audit-heads.h
 *
 * Any process can send the journal an entry with our fields, but the unit that it came from is the
 * journal's own word (_SYSTEMD_UNIT). All heads are taken, not the newest alone: who cuts the
 * tail and lets the daemon go on has a newest head that fits. */
#include "audit-heads.h"

#include <errno.h>
#include <systemd/sd-journal.h>

#define HEADS_MAX 100000 /* what the daemon takes at once: the newest, of a month at least */

static void close_journal(sd_journal **j) {
        sd_journal_close(*j);
}

static int match(sd_journal *j, const char *field, const char *value) {
        cleanup_(freep) char *text = str_format("%s=%s", field, value);

        return sd_journal_add_match(j, text, strlen(text));
}

static char *read_field(sd_journal *j, const char *field) {
        const void *data;
        size_t len, name = strlen(field) + 1;

        if (sd_journal_get_data(j, field, &data, &len) < 0 || len < name)
                return NULL;
        return str_ndup((const char *)data + name, len - name);
}

int audit_heads_read(const char *unit, const char *controller, json_t *list, struct err *err) {
        cleanup_(close_journal) sd_journal *j = NULL;
        int r = sd_journal_open(&j, SD_JOURNAL_LOCAL_ONLY);

        if (r >= 0)
                r = match(j, "_SYSTEMD_UNIT", unit);
        if (r >= 0)
                r = match(j, "MOORING_EVENT", "audit-head");
        if (r >= 0)
                r = match(j, "MOORING_CONTROLLER", controller);
        if (r >= 0)
                r = sd_journal_seek_tail(j);
        if (r < 0)
                return err_set(err, r, "the journal: %s", strerror(-r));
        while (json_array_size(list) < HEADS_MAX && (r = sd_journal_previous(j)) > 0) {
                cleanup_(freep) char *row = read_field(j, "MOORING_AUDIT_ROW");
                cleanup_(freep) char *hash = read_field(j, "MOORING_AUDIT_HASH");
                cleanup_(freep) char *head = row && hash ? str_format("%s:%s", row, hash) : NULL;

                if (head)
                        json_array_append_new(list, json_string(head));
        }
        return r < 0 ? err_set(err, r, "the journal: %s", strerror(-r)) : 0;
}
