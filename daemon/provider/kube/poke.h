/* SPDX-License-Identifier: Apache-2.0 */
/* poke.h - objects that are looked at once because something beside them happened
 *
 * A watch with a label selector says DELETED both when an object is gone and when it lost our
 * labels; a pod's trouble is its controller's reason; a version that is not the preferred one
 * has to be asked for. Each is one GET, soon, once for many causes. */
#pragma once

#include "target.h"

enum { POKE_EVENTS = 1 }; /* asks for the events that say why there is no pod, too */

void poke_soon(struct target *t, const char *type, const char *path, unsigned flags);
struct poke_queue *poke_queue_new(struct target *t);
struct poke_queue *poke_queue_free(struct poke_queue *q);
