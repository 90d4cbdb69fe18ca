/* SPDX-License-Identifier: Apache-2.0 */
/* answer.h - what an API server's answer means in the provider's words */
#pragma once

#include "provider.h"
#include "scan.h"

enum answer_verb { ANSWER_GET, ANSWER_APPLY, ANSWER_CREATE, ANSWER_DELETE };

struct answer {
        const char
                *type; /* of the object asked about: a Secret's values never get into a message */
        enum answer_verb verb;
        long status;
        struct scan_slice body; /* a Status when it was refused */
        int64_t retry_after_ms; /* -1: not said */
        int64_t now;            /* clock_mono */
};

struct answer_meaning {
        enum outcome outcome;
        int64_t again_at;
        bool duplicate;  /* 422, two items of a keyed list have one name: to be taken over */
        bool immutable;  /* says so; to be confirmed */
        bool credential; /* 401: our credentials are refused */
        bool kind;       /* 404 because the kind (or its version) is not served */
};

/* Pure. ERR gets the reason when the outcome is not DONE. */
void answer_read(const struct answer *a, struct answer_meaning *ret, struct err *err);
/* "the field is immutable" in one of the ways in which servers and webhooks say it. */
bool answer_says_immutable(const char *message);
