/* SPDX-License-Identifier: Apache-2.0 */
/* channel.c - see channel.h */
#include "channel.h"

#include "buf.h"

#include <ctype.h>
#include <errno.h>

static bool is_risk(const char *s, size_t n) {
        static const char *const risks[] = { "stable", "candidate", "beta", "edge" };

        for (size_t i = 0; i < ARRAY_SIZE(risks); i++) {
                if (strlen(risks[i]) == n && strncmp(risks[i], s, n) == 0)
                        return true;
        }
        return false;
}

static bool is_part(const char *s, size_t n) {
        for (size_t i = 0; i < n; i++) {
                if (!isalnum((unsigned char)s[i]) && !strchr("._-", s[i]))
                        return false;
        }
        return n > 0;
}

static int wrong(const char *text, const char *why, struct err *err) {
        return err_set(
                err, -EINVAL,
                "channel \"%.80s\" %s: wants TRACK/RISK with risk stable, candidate, beta or "
                "edge, as in 8.0/stable",
                text, why);
}

int channel_parse(const char *text, char ret[CHANNEL_MAX], struct err *err) {
        const char *parts[3] = {};
        size_t lengths[3] = {}, n = 0;

        for (const char *p = text; p; n++) {
                const char *slash = strchr(p, '/');

                if (n == ARRAY_SIZE(parts))
                        return wrong(text, "has too many parts", err);
                parts[n] = p;
                lengths[n] = strcspn(p, "/");
                if (!is_part(p, lengths[n]))
                        return wrong(text, "has an empty part or a letter that cannot be", err);
                p = slash ? slash + 1 : NULL;
        }
        if (strlen(text) > CHANNEL_MAX - sizeof("latest//stable"))
                return wrong(text, "is too long", err);
        if (n == 1 && is_risk(parts[0], lengths[0]))
                snprintf(ret, CHANNEL_MAX, "latest/%s", text);
        else if (n == 1)
                snprintf(ret, CHANNEL_MAX, "%s/stable", text);
        else if (is_risk(parts[1], lengths[1]))
                str_copy(ret, CHANNEL_MAX, text);
        else if (n == 2 && is_risk(parts[0], lengths[0]))
                snprintf(ret, CHANNEL_MAX, "latest/%s", text);
        else
                return wrong(text, "has no known risk", err);
        return 0;
}

bool channel_serves(char *const *channels, const char *asked) {
        char full[CHANNEL_MAX];

        for (size_t i = 0; channels[i]; i++) {
                if (str_eq(channels[i], "*"))
                        return true;
                if (channel_parse(channels[i], full, NULL) == 0 && str_eq(full, asked))
                        return true;
        }
        return false;
}

char *channel_list(char *const *channels) {
        struct buf out = BUF_INIT;

        for (size_t i = 0; channels[i]; i++)
                buf_printf(&out, "%s%s", i ? ", " : "", channels[i]);
        return buf_take(&out);
}
