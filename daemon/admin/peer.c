/* SPDX-License-Identifier: Apache-2.0 */
/* peer.c - who asks, from the socket: uid and groups give the role
 *
 * root and who started the daemon are admins. Groups come from the kernel (SO_PEERGROUPS): what
 * the peer had when it connected, so no look-up in a directory service can hold the loop. */
#include "admin-internal.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAMES_MAX 256    /* users of one machine who may ask; beyond it all are read anew */
#define GROUPS_MAX 65536 /* NGROUPS_MAX of Linux */

static const char *const role_names[] = { "none", "viewer", "operator", "admin" };
_Static_assert(ARRAY_SIZE(role_names) == ROLE_MAX, "a role without a name");

const char *request_role_name(enum role r) {
        return role_names[r];
}

static const struct peer_fake *fake_peer;

void peer_set_fake(const struct peer_fake *fake) {
        fake_peer = fake;
}

static void know_group(struct admin *a, enum role role, const char *name) {
        const struct group *g = name && name[0] ? getgrnam(name) : NULL;

        a->group_known[role] = g != NULL;
        if (g)
                a->groups[role] = g->gr_gid;
}

void peer_init(struct admin *a) {
        know_group(a, ROLE_VIEWER, a->options.viewer_group);
        know_group(a, ROLE_OPERATOR, a->options.operator_group);
        know_group(a, ROLE_ADMIN, a->options.admin_group);
        a->owner = geteuid();
}

static enum role role_of_groups(const struct admin *a, const gid_t *gids, size_t n, gid_t own) {
        for (enum role role = ROLE_ADMIN; role > ROLE_NONE; role--) {
                if (!a->group_known[role])
                        continue;
                if (own == a->groups[role])
                        return role;
                for (size_t i = 0; i < n; i++)
                        if (gids[i] == a->groups[role])
                                return role;
        }
        return ROLE_NONE;
}

static enum role find_role(const struct admin *a, int fd, const struct ucred *peer) {
        cleanup_(freep) gid_t *gids = NULL;
        socklen_t size = 0;

        if (fake_peer && peer->uid != 0)
                return role_of_groups(a, fake_peer->groups, fake_peer->count, peer->gid);
        if (peer->uid == 0 || peer->uid == a->owner)
                return ROLE_ADMIN;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) < 0 && errno != ERANGE)
                size = 0;
        size = MIN_OF(size, (socklen_t)(GROUPS_MAX * sizeof(gid_t)));
        gids = mem_alloc(size);
        if (size && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &size) < 0)
                size = 0;
        return role_of_groups(a, gids, size / sizeof(gid_t), peer->gid);
}

/* From the machine's own /etc/passwd: a directory service could hold the loop for seconds, so
 * its users are shown by number. */
static char *read_name(uid_t uid) {
        cleanup_(fclosep) FILE *f = fopen("/etc/passwd", "re");

        for (struct passwd *p; f && (p = fgetpwent(f));)
                if (p->pw_uid == uid)
                        return str_dup(p->pw_name);
        return str_dup("");
}

/* Users are few, and names of uids do not change. */
const char *peer_name(struct admin *a, uid_t uid) {
        char *name = map_find_bytes(&a->names, &uid, sizeof(uid));

        if (!name) {
                if (a->names.count == NAMES_MAX)
                        peer_deinit(a);
                name = read_name(uid);
                map_set_bytes(&a->names, &uid, sizeof(uid), name);
        }
        return name[0] ? name : NULL;
}

void peer_deinit(struct admin *a) {
        map_free_with(&a->names, free);
        a->names = (struct map)MAP_INIT;
}

int peer_identify(struct admin *a, int fd, uid_t *ret_uid, enum role *ret_role) {
        struct ucred peer;
        socklen_t size = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return -errno;
        if (fake_peer)
                peer = (struct ucred){ .uid = fake_peer->uid, .gid = fake_peer->gid };
        *ret_uid = peer.uid;
        *ret_role = find_role(a, fd, &peer);
        return 0;
}

void peer_describe(struct request *q) {
        const char *name = peer_name(q->admin, q->uid);

        q->user = name ? str_dup(name) : str_format("%u", q->uid);
        q->actor = str_format("uid %u (%s)", q->uid, name ? name : "?");
}
