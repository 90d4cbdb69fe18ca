/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade-path.c - which version's data which other takes on
 *
 * MySQL: upward, and over no series of long-term support: 8.0 to 8.4 and on to 9.7, or from one to
 * an innovation release before the next. MariaDB: upward, over any number of series. Neither
 * goes back on the same data. */
#include "upgrade.h"

#include <stdlib.h>

/* Long-term support, and 8.0, which is before that. One that came later than this text is not
 * known: then more is allowed than the server takes, which says so by itself. */
static const int lts[] = { 507, 800, 804, 907 };

static bool read_numbers(const char *text, struct upgrade_version *ret) {
        char *end;
        struct upgrade_version v = { .mariadb = strstr(text, "MariaDB") != NULL };

        v.major = (int)strtol(text, &end, 10);
        if (end == text || *end != '.')
                return false;
        text = end + 1;
        v.minor = (int)strtol(text, &end, 10);
        if (end == text)
                return false;
        if (*end == '.')
                v.patch = (int)strtol(end + 1, NULL, 10);
        *ret = v;
        return true;
}

bool upgrade_version_of(const char *text, struct upgrade_version *ret) {
        const char *at = text ? strstr(text, "Ver ") : NULL;

        return text && read_numbers(at ? at + strlen("Ver ") : text, ret);
}

bool upgrade_version_of_tag(struct charm_plan *p, const char *image, struct upgrade_version *ret) {
        const char *name = strrchr(image, '/');
        const char *tag = strchr(name ? name : image, ':');

        if (!tag)
                return false;
        return read_numbers(charm_text(p, "%.*s", (int)strcspn(tag + 1, "@"), tag + 1), ret);
}

int upgrade_series(const struct upgrade_version *v) {
        return v->major * 100 + v->minor;
}

static const char *text_of(struct charm_plan *p, const struct upgrade_version *v) {
        return charm_text(p, "%s %d.%d.%d", v->mariadb ? "MariaDB" : "MySQL", v->major, v->minor,
                          v->patch);
}

const char *upgrade_path_wrong(struct charm_plan *p, const struct upgrade_version *from,
                               const struct upgrade_version *to) {
        int was = upgrade_series(from), is = upgrade_series(to);

        if (from->mariadb != to->mariadb)
                return charm_text(p,
                                  "%s does not take on data of %s: deploy another application, "
                                  "and restore a dump there",
                                  text_of(p, to), text_of(p, from));
        if (is < was || (is == was && to->patch < from->patch))
                return charm_text(p,
                                  "%s is older than %s, which runs: no server takes on data of "
                                  "a newer one",
                                  text_of(p, to), text_of(p, from));
        for (size_t i = 0; !from->mariadb && i < sizeof(lts) / sizeof(*lts); i++)
                if (was < lts[i] && lts[i] < is)
                        return charm_text(
                                p, "from %s to %s leaves out %d.%d: upgrade to that first",
                                text_of(p, from), text_of(p, to), lts[i] / 100, lts[i] % 100);
        return NULL;
}
