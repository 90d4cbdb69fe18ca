/* SPDX-License-Identifier: Apache-2.0 */
/* answer.c - from HTTP status and Status object to one outcome with a reason
 *
 * Called at the end of every request, pure. Order: what was answered by something in front of
 * the object (a webhook, a policy, a quota, rights) is told apart by the words of the message,
 * because the code is chosen by whoever denied. What may pass by itself is NOT_YET (a kind, a
 * namespace, a webhook that is not there yet), so that it is tried again without anybody's help. */
#include "answer.h"

#include <errno.h>
#include <stdlib.h>

/* Of a long message its beginning says what and its end why; between them stands a whole value. */
#define MESSAGE_HEAD 160
#define MESSAGE_TAIL 240
#define AGAIN_SOON_MS 1000 /* a change under us, a namespace that is going: gone in a moment */

struct reading {
        const struct answer *a;
        struct answer_meaning *m;
        struct err *err;
        char *reason, *message;
        struct scan_slice details;
};

static void reading_free(struct reading *r) {
        free(r->reason);
        free(r->message);
}

static void say(struct reading *r, enum outcome outcome, const char *fmt, ...) printf_(3, 4);
static void say(struct reading *r, enum outcome outcome, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        r->m->outcome = outcome;
        err_set(r->err, outcome == OUTCOME_DENIED ? -EACCES : -EPROTO, "%s", text);
}

static bool has(const struct reading *r, const char *words) {
        return strstr(r->message, words) != NULL;
}

/* What stands in QUOTE marks behind WORDS in the message, or NULL. */
static char *quoted_after(const struct reading *r, const char *words, char quote) {
        const char *p = strstr(r->message, words);
        const char *end;

        if (!p || !(p = strchr(p + strlen(words), quote)))
                return NULL;
        end = strchr(++p, quote);
        return end ? str_ndup(p, (size_t)(end - p)) : NULL;
}

bool answer_says_immutable(const char *message) {
        static const char *const words[] = {
                "field is immutable",
                "is immutable",
                "are immutable",
                "cannot change roleRef",
                "may not change once set",
                "updates to statefulset spec for fields other than",
                "Forbidden: updates to ",
                "may not be changed after",
                NULL,
        };

        for (const char *const *w = words; *w; w++)
                if (strstr(message, *w))
                        return true;
        return false;
}

/* ---- a Secret's values stay out of messages: of its refusals only fields and reasons are told */

static char *causes_only(const struct reading *r) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        struct scan_slice cause;
        struct scan_cursor c;

        buf_puts(&out, "the server refuses it");
        if (!scan_list(scan_get(r->details, "causes"), &c))
                return buf_take(&out);
        while (scan_item(&c, &cause)) {
                buf_puts(&out, ": ");
                scan_text(scan_get(cause, "field"), &out);
                buf_putc(&out, ' ');
                scan_text(scan_get(cause, "reason"), &out);
        }
        return buf_take(&out);
}

static void mask_secret(struct reading *r) {
        long s = r->a->status;

        if (!str_eq(r->a->type, "Secret") || s < 400 || s >= 500 || s == 403 || s == 404 ||
            s == 429)
                return;
        r->m->immutable = answer_says_immutable(r->message);
        freep(&r->message);
        r->message = causes_only(r);
}

/* "Job.batch "x" is invalid: spec.template: Invalid value: {2 KB of it}: field is immutable" */
static void shorten(struct reading *r) {
        size_t len = strlen(r->message);
        char *cut;

        if (len <= MESSAGE_HEAD + MESSAGE_TAIL)
                return;
        cut = str_format("%.*s ... %s", MESSAGE_HEAD, r->message, r->message + len - MESSAGE_TAIL);
        free(r->message);
        r->message = cut;
}

/* ---- who refused */

static bool any_cause(const struct reading *r, const char *member, const char *value) {
        struct scan_slice cause;
        struct scan_cursor c;

        if (!scan_list(scan_get(r->details, "causes"), &c))
                return false;
        while (scan_item(&c, &cause))
                if (scan_says(scan_get(cause, member), value))
                        return true;
        return false;
}

/* Refusals by what stands in front of the object; true: it was one. */
static bool by_admission(struct reading *r) {
        cleanup_(freep) char *name = NULL;

        if (has(r, "failed calling webhook") || has(r, "conversion webhook for")) {
                name = quoted_after(r,
                                    has(r, "failed calling webhook") ? "failed calling webhook"
                                                                     : "webhook for",
                                    '"');
                say(r, OUTCOME_NOT_YET, "webhook %s does not answer: %s", name ? name : "(unnamed)",
                    r->message);
                return true;
        }
        if (has(r, "admission webhook \"")) {
                name = quoted_after(r, "admission webhook", '"');
                r->m->immutable = answer_says_immutable(r->message);
                say(r, OUTCOME_REFUSED, "refused by webhook %s: %s", name ? name : "(unnamed)",
                    r->message);
                return true;
        }
        if (has(r, "ValidatingAdmissionPolicy '")) {
                name = quoted_after(r, "ValidatingAdmissionPolicy", '\'');
                say(r, OUTCOME_DENIED, "denied by policy %s: %s", name ? name : "(unnamed)",
                    r->message);
                return true;
        }
        if (has(r, "violates PodSecurity \"")) {
                name = quoted_after(r, "violates PodSecurity", '"');
                say(r, OUTCOME_DENIED, "denied by policy PodSecurity %s: %s", name ? name : "",
                    r->message);
                return true;
        }
        return false;
}

static void by_quota(struct reading *r) {
        const char *p = strstr(r->message, "exceeded quota: ") + strlen("exceeded quota: ");

        say(r, OUTCOME_DENIED, "quota %.*s is exceeded: %s", (int)strcspn(p, ",;"), p, r->message);
}

/* 'deployments.apps is forbidden: User "x" cannot patch resource "deployments" in API group
 * "apps" in the namespace "y"' */
static void by_rights(struct reading *r) {
        const char *p = strstr(r->message, " cannot ");
        cleanup_(freep) char *user = quoted_after(r, "User", '"');

        if (!p)
                say(r, OUTCOME_DENIED, "forbidden: %s", r->message);
        else
                say(r, OUTCOME_DENIED, "missing right: %s (as %s)", p + strlen(" cannot "),
                    user ? user : "?");
}

/* Not a right that is missing: the class, or what made the volume, cannot do it. */
static bool cannot_grow(const struct reading *r) {
        return str_eq(r->a->type, "PersistentVolumeClaim") && has(r, "must support resize");
}

static void read_forbidden(struct reading *r) {
        if (any_cause(r, "reason", "NamespaceTerminating")) {
                say(r, OUTCOME_NOT_YET, "%s", r->message);
                r->m->again_at = r->a->now + AGAIN_SOON_MS;
        } else if (cannot_grow(r)) {
                say(r, OUTCOME_DENIED,
                    "the volume cannot grow: its storage class does not allow it "
                    "(allowVolumeExpansion). Allow it there, where its driver can, or go back: "
                    "mooringctl set-storage APPLICATION NAME=SIZE --force");
        } else if (has(r, "exceeded quota: ")) {
                by_quota(r);
        } else {
                by_rights(r);
        }
}

/* One that is not bound cannot even grow, and is not bound before its pod, which waits for it: the
 * server says that with a page of differences. */
static bool is_fixed_claim(const struct reading *r) {
        return str_eq(r->a->type, "PersistentVolumeClaim") &&
               has(r, "spec is immutable after creation");
}

static void read_invalid(struct reading *r) {
        r->m->duplicate = any_cause(r, "reason", "FieldValueDuplicate");
        r->m->immutable = r->m->immutable || answer_says_immutable(r->message);
        if (is_fixed_claim(r))
                say(r, OUTCOME_REFUSED,
                    "the claim that is there asks for another size, class or access mode than is "
                    "wanted, and cannot be changed: only the size of a bound one can grow. Look at "
                    "it with kubectl get pvc: while it is Pending it holds nothing, so delete it, "
                    "and it is made as wanted; if it is Bound, want of it what it has (storage, in "
                    "the bundle or with deploy --storage)");
        else
                say(r, OUTCOME_REFUSED, "%s", r->message);
}

static void read_missing(struct reading *r) {
        bool named = !scan_is_null(scan_get(r->details, "name"));

        if (!named && (r->details.text == NULL || scan_is_null(scan_get(r->details, "kind")))) {
                r->m->kind = true;
                say(r, OUTCOME_NOT_YET, "the server does not serve %s", r->a->type);
        } else if (r->a->verb == ANSWER_GET || r->a->verb == ANSWER_DELETE) {
                say(r, OUTCOME_GONE, "%s", r->message);
        } else {
                say(r, OUTCOME_NOT_YET, "%s", r->message);
        }
}

static void read_conflict(struct reading *r) {
        if (any_cause(r, "reason", "FieldManagerConflict")) {
                say(r, OUTCOME_CONFLICT, "%s", r->message);
                return;
        }
        if (r->a->verb == ANSWER_DELETE && has(r, "UID in the precondition")) {
                say(r, OUTCOME_GONE, "another one of that name is there now");
                return;
        }
        say(r, OUTCOME_NOT_YET, "it changed under us: %s", r->message);
        r->m->again_at = r->a->now + AGAIN_SOON_MS;
}

/* What a server says with 500 although the document is what is wrong. */
static bool is_typing_error(const struct reading *r) {
        return has(r, "failed to create typed patch object") ||
               has(r, "field not declared in schema");
}

static void read_wait(struct reading *r) {
        int64_t wait = r->a->retry_after_ms;
        bool throttled = r->a->status == 429 || wait >= 0;

        say(r, throttled ? OUTCOME_THROTTLED : OUTCOME_UNREACHABLE,
            "the API server answered %ld: %s", r->a->status, r->message);
        if (throttled)
                r->m->again_at = r->a->now + (wait >= 0 ? wait : AGAIN_SOON_MS);
}

static void read_status(struct reading *r) {
        long s = r->a->status;

        if (by_admission(r))
                return;
        if (s == 401) {
                r->m->credential = true;
                say(r, OUTCOME_UNREACHABLE, "the API server refuses our credentials (401): %s",
                    r->message);
        } else if (s == 403) {
                read_forbidden(r);
        } else if (s == 404) {
                read_missing(r);
        } else if (s == 409) {
                read_conflict(r);
        } else if (s == 422) {
                read_invalid(r);
        } else if (s == 500 && is_typing_error(r)) {
                say(r, OUTCOME_REFUSED, "%s", r->message);
        } else if (s == 429 || s >= 500) {
                read_wait(r);
        } else if (s == 410) {
                say(r, OUTCOME_GONE, "%s", r->message);
        } else {
                say(r, OUTCOME_REFUSED, "the API server answered %ld: %s", s, r->message);
        }
}

void answer_read(const struct answer *a, struct answer_meaning *ret, struct err *err) {
        cleanup_(reading_free) struct reading r = { .a = a, .m = ret, .err = err };

        *ret = (struct answer_meaning){ .outcome = OUTCOME_DONE };
        if (a->status >= 200 && a->status < 300)
                return;
        r.details = scan_get(a->body, "details");
        r.reason = scan_dup(scan_get(a->body, "reason"));
        r.message = scan_dup(scan_get(a->body, "message"));
        if (!r.message)
                r.message = str_format("(no reason given, %zu bytes)", a->body.len);
        mask_secret(&r);
        shorten(&r);
        read_status(&r);
}
