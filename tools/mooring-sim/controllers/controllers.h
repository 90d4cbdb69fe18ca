/* SPDX-License-Identifier: Apache-2.0 */
/* controllers.h - which controller looks at what after a change, and each one's work on one object
 *
 * All are level-triggered: they look at the whole of what is stored and write what is missing. */
#pragma once

#include "sim.h"
#include "work.h"

void controllers_changed(struct sim *sim, struct kind *kind, const struct store_event *event);
/* What a new cluster has: namespaces, nodes, a storage class. */
void controllers_seed(struct sim *sim);
/* All pods again: after what makes them fail has changed. */
void controllers_all_pods(struct sim *sim);

work_run_one deployment_sync, replicaset_sync, statefulset_sync, daemonset_sync, job_sync;
work_run_one pod_sync, namespace_sync, pvc_sync, service_sync;
/* Owner references: NAME is the uid of an owner that changed or went. */
work_run_one owner_sync;
/* One object whose deletion waits for its dependents: NAME is "group/plural/name". */
work_run_one owner_finish;
void owner_count(struct sim *sim, const struct store_event *event);
