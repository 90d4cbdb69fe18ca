/* SPDX-License-Identifier: Apache-2.0 */
/* backup-name.c - what backups are called, and which of a folder's are this controller's
 *
 *      mooring-NAME-1a2b3c4d-20261122T164512Z.backup
 *
 * By name in the order of their times. The eight digits are the controller's own: two of one name
 * may have one folder, and neither takes away what the other made. */
#include "backup-internal.h"

#include <ctype.h>
#include <stdlib.h>

#define OWN_DIGITS 8             /* of the controller's uuid */
#define STAMP "00000000T000000Z" /* a 0 is any digit */
#define STAMP_LEN (sizeof(STAMP) - 1)

char *backup_keeper_folder(const struct backup_keeper *k) {
        const char *folder = k->options.folder;

        return folder && *folder ? str_dup(folder)
                                 : str_format("%s/controller-backups", k->options.seal.state_dir);
}

static char *prefix_of(const struct backup_keeper *k) {
        return str_format("mooring-%s-%.*s-", k->options.name, OWN_DIGITS, k->options.controller);
}

char *backup_keeper_path(const struct backup_keeper *k, const char *folder) {
        cleanup_(freep) char *prefix = prefix_of(k), *file = NULL;
        char stamp[CLOCK_TEXT_MAX], *to = stamp;

        clock_iso(clock_wall(), false, stamp);
        for (const char *from = stamp; *from; from++)
                if (*from != '-' && *from != ':')
                        *to++ = *from;
        *to = '\0';
        file = str_format("%s%s" BACKUP_SUFFIX, prefix, stamp);
        return place_join(folder, file);
}

static bool is_stamp(const char *s) {
        for (const char *p = STAMP; *p; p++, s++)
                if (*p == '0' ? !isdigit((unsigned char)*s) : *s != *p)
                        return false;
        return true;
}

/* Where in FILE its stamp begins, or NULL. */
static const char *stamp_of(const char *file) {
        size_t len = strlen(file), tail = STAMP_LEN + strlen(BACKUP_SUFFIX);

        if (!str_ends(file, BACKUP_SUFFIX) || len < tail || !is_stamp(file + len - tail))
                return NULL;
        return file + len - tail;
}

bool backup_keeper_made(const struct backup_keeper *k, const char *file) {
        cleanup_(freep) char *prefix = prefix_of(k);

        return str_starts(file, prefix) && stamp_of(file) == file + strlen(prefix);
}

bool backup_keeper_stamp(const char *file, char ret[CLOCK_TEXT_MAX]) {
        const char *s = stamp_of(file);

        if (s)
                snprintf(ret, CLOCK_TEXT_MAX, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", s, s + 4, s + 6,
                         s + 9, s + 11, s + 13);
        return s != NULL;
}
