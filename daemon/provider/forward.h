/* SPDX-License-Identifier: Apache-2.0 */
/* forward.h - a port on loopback that leads through another target's tunnel to one port of one
 * instance
 *
 * For client libraries that want to dial themselves. The listener takes connections of this very
 * process only: whoever else finds the port is closed at once. Each connection has a tunnel of
 * its own, with bounded memory both ways. */
#pragma once

#include "provider.h"

#define FORWARD_CONNECTIONS_MAX 8 /* the sql provider uses two: its session and a login check */
#define FORWARD_BUFFER_MAX                                                                         \
        (1u << 20) /* bytes that wait on one connection; the tunnel cannot be told to stop */

struct forward;
/* PATH is "NAMESPACE/POD". -ENOTSUP: the target is reached through nothing that has tunnels. */
int forward_open(struct loop *l, const struct provider *through, struct target *target,
                 const char *path, int port, struct forward **ret, struct err *err);
struct forward *forward_close(struct forward *f);
int forward_port(const struct forward *f);
/* Why the newest tunnel did not open or ended in error, since forward_forget; text "" when there
 * is nothing to say. */
const struct err *forward_last(const struct forward *f);
/* What that means in the provider's words: a missing right is DENIED, a pod that is not there or
 * does not listen is NOT_YET, all else UNREACHABLE. */
enum outcome forward_outcome(const struct err *why);
void forward_forget(struct forward *f);
