/* SPDX-License-Identifier: Apache-2.0 */
/* command-certificate.c - certificates and authorities that a person wants replaced, and an
 * authority that somebody else signs */
#include "command-internal.h"

#include "certificate.h"

#include <errno.h>

static int rotate_one(struct tx *tx, struct command *c, const char *application,
                      const struct q_certificate_row *row, struct err *err) {
        int r = w_certificate_set_due(
                tx, &(struct w_certificate_set_due_in){ .id = row->id, .renew_at = 0 }, err);

        if (r < 0)
                return r;
        command_change(c, "rotate-certificate", application, "renew certificate %s/%s now",
                       application, row->label);
        command_record(c, application, tx_format(tx, "certificate %s", row->label),
                       json_string(row->serial_number), json_string("to be renewed"));
        return 0;
}

static int no_certificate(const struct command_certificate *rotate, struct err *err) {
        return err_set(
                err, -ENOENT, "application %s has no certificate%s%s; mooringctl certs lists them",
                rotate->application, rotate->label ? " " : "", rotate->label ? rotate->label : "");
}

int command_certificate_rotate(struct tx *tx, struct command *c, struct err *err) {
        struct command_certificate *rotate = command_of(c, command_certificate);
        const struct q_application_row *a;
        struct q_certificate_row *rows;
        const struct q_model_row *model;
        size_t n, found = 0;
        int r = lookup_live_model(tx, rotate->model, &model, err);

        if (r >= 0)
                r = lookup_live_application(tx, model, rotate->application, &a, err);
        if (r >= 0)
                r = q_certificate_by_application(
                        tx, &(struct q_certificate_by_application_in){ .application_id = a->id },
                        &rows, &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (rotate->label && !str_eq(rows[i].label, rotate->label))
                        continue;
                found++;
                r = rotate_one(tx, c, a->name, &rows[i], err);
        }
        if (r < 0)
                return r;
        if (!found)
                return no_certificate(rotate, err);
        tx_mark(tx, MARK_APPLICATION, a->id);
        return 0;
}

int command_certificate_rotate_ca(struct tx *tx, struct command *c, struct err *err) {
        struct command_certificate *rotate = command_of(c, command_certificate);
        const struct q_authority_row *before;
        const struct q_model_row *model;
        int r = lookup_live_model(tx, rotate->model, &model, err);

        if (r >= 0)
                r = authority_find(tx, model->id, "current", &before, err);
        if (r >= 0 && before && !before->renew_at)
                return err_set(err, -EBUSY,
                               "the model's CA (%s) was signed by %s: mooringctl ca-csr, have that "
                               "signed, then set-ca",
                               before->subject, before->issuer);
        if (r >= 0)
                r = authority_rotate(tx, c->sealer, model->id, err);
        if (r < 0)
                return r;
        command_change(
                c, "rotate-ca", NULL,
                before ? "make a new CA of model %s; the old one (%s) goes when all is issued "
                         "anew and delivered"
                       : "make the CA of model %s%s",
                model->name, before ? before->serial_number : "");
        command_record(c, NULL, "ca", before ? json_string(before->serial_number) : NULL,
                       json_string("to be replaced"));
        return 0;
}

int command_certificate_ca_csr(struct tx *tx, struct command *c, struct err *err) {
        struct command_certificate *ask = command_of(c, command_certificate);
        const struct q_authority_row *asked;
        const struct q_model_row *model;
        const char *pem;
        int r = lookup_live_model(tx, ask->model, &model, err);

        if (r >= 0)
                r = authority_find(tx, model->id, "asked", &asked, err);
        if (r >= 0)
                r = authority_ask(tx, c->sealer, model->id, &pem, err);
        if (r < 0)
                return r;
        if (!asked) {
                command_change(c, "ca-csr", NULL, "make a key for a CA of model %s that you sign",
                               model->name);
                command_record(c, NULL, "ca-request", NULL, json_string("out"));
        }
        command_say(c, "request", json_string(pem));
        return 0;
}

int command_certificate_set_ca(struct tx *tx, struct command *c, struct err *err) {
        struct command_certificate *set = command_of(c, command_certificate);
        cleanup_(cert_facts_free) struct cert_facts f = { .names = NULL };
        const struct q_authority_row *before;
        const struct q_model_row *model;
        int r = lookup_live_model(tx, set->model, &model, err);

        if (r >= 0)
                r = authority_find(tx, model->id, "current", &before, err);
        if (r >= 0)
                r = authority_set(tx, c->sealer, model->id, set->pem, err);
        if (r >= 0)
                r = cert_read(set->pem, &f, err);
        if (r < 0)
                return r;
        command_change(
                c, "set-ca", NULL, "issue the certificates of model %s by %s, signed by %s%s",
                model->name, f.subject, f.issuer,
                before ? "; the CA before it goes when all is issued anew and delivered" : "");
        command_record(c, NULL, "ca", before ? json_string(before->serial_number) : NULL,
                       json_string(f.serial));
        return 0;
}
