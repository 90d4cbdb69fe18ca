#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the metrics say is what happened."""
import time

from lib import metrics
from lib.drift import lines, repaired
from lib.runner import main, test

IMAGE = "/spec/template/spec/containers/0/image"


def expect(wanted, found):
    if wanted != found:
        raise RuntimeError(f"wanted {wanted}, found {found}")


def above(least, found):
    if not found > least:
        raise RuntimeError(f"wanted more than {least}, found {found}")


@test("a model in place: everything is active, ready, watched and reachable")
def _(world):
    model, before = world.cluster.model, lines(world)
    world.cluster.kube.delete("services", model, "mlflow-server")       # a start on which nothing changed writes nothing
    repaired(world, before, "Service", "mlflow-server", "deleted")
    world.wait_active()
    now = metrics.read(world)
    expect(3, now.total("mooring_applications", model=model, status="active"))
    expect(3, now.total("mooring_applications"))
    expect(now.total("mooring_resources"), now.total("mooring_resources", state="ready"))
    expect(len(world.daemon.rows("SELECT id FROM resource")), now.total("mooring_resources"))
    expect(len(world.daemon.rows("SELECT id FROM secret")), now.total("mooring_secrets"))
    expect([1], now.values("mooring_model_converged", model=model))
    above(time.time() - 60, now.total("mooring_model_last_converged_timestamp_seconds", model=model))
    expect({1}, set(now.values("mooring_target_up")))
    expect({"kubernetes", "sql", "s3"}, now.labels("mooring_target_up")["provider"])
    for kind in ("Pod", "Service", "Secret", "Deployment.apps", "StatefulSet.apps"):
        expect([0], now.values("mooring_watch_not_watching_seconds", type=kind))
        expect(1, len(now.values("mooring_watch_news_age_seconds", type=kind)))
    expect(0, now.total("mooring_store_read_only") + now.total("mooring_held_plans") + now.total("mooring_paused"))
    above(0, now.total("mooring_store_commits_total"))
    above(0, now.total("mooring_store_file_bytes", file="model.db-wal") + now.total("mooring_store_file_bytes", file="model.db"))
    expect(now.total("mooring_store_commits_total"), now.total("mooring_store_commit_seconds_count"))
    above(0, now.total("mooring_http_requests_total", verb="PATCH", code="201"))
    above(0, now.total("mooring_charm_plan_seconds_count"))
    above(0, now.total("mooring_charm_workers"))
    expect([1], now.values("mooring_build_info"))
    if abs(now.total("process_start_time_seconds") - time.time()) > 3600:
        raise RuntimeError("process_start_time_seconds is not the start")


@test("drift is counted by what happened, to what and by whom, with the time until it was seen and repaired")
def _(world):
    kube, before, was = world.cluster.kube, lines(world), metrics.read(world)
    kube.edit("deployments", world.cluster.model, "mlflow-server", IMAGE, "docker.io/library/busybox:1")
    repaired(world, before, "image", "busybox:1")
    before = lines(world)
    kube.delete("services", world.cluster.model, "mlflow-minio")
    repaired(world, before, "Service", "mlflow-minio", "deleted")
    now = metrics.read(world)
    for labels in ({"what": "changed", "type": "Deployment.apps", "who": "kubectl-edit"},
                   {"what": "deleted", "type": "Service", "who": "not recorded"}):
        expect(was.total("mooring_drift_total", **labels) + 1, now.total("mooring_drift_total", **labels))
    expect(was.total("mooring_drift_repair_seconds_count") + 2, now.total("mooring_drift_repair_seconds_count"))
    expect(was.total("mooring_drift_detection_seconds_count") + 1, now.total("mooring_drift_detection_seconds_count"))
    expect(0, now.total("mooring_drift_open"))
    world.wait_active()


@test("a pause shows, and what was found meanwhile stays open")
def _(world):
    world.ctl("pause", "mlflow-server", "--reason", "looking").ok()
    expect(1, metrics.read(world).total("mooring_paused", kind="application"))
    world.cluster.kube.edit("deployments", world.cluster.model, "mlflow-server", IMAGE, "docker.io/library/busybox:2")
    world.wait_for("open drift", lambda: metrics.read(world).total("mooring_drift_open") == 1)
    world.ctl("unpause", "mlflow-server").ok()
    world.wait_for("its repair", lambda: metrics.read(world).total("mooring_drift_open") == 0)
    expect(0, metrics.read(world).total("mooring_paused"))
    world.wait_active()


@test("while the cluster is away it is down, nothing is watched, and the last convergence stays where it was")
def _(world):
    world.wait_active()
    model = world.cluster.model
    world.cluster.server_down()
    world.wait_for("the loss to show", lambda: metrics.read(world).total("mooring_target_up", provider="kubernetes") == 0)
    world.wait_for("the status to follow", lambda: metrics.read(world).total("mooring_model_converged", model=model) == 0)
    first = metrics.read(world)
    above(0, first.total("mooring_watch_not_watching_seconds", type="Service"))
    above(0, first.total("mooring_applications", model=model, status="unknown"))
    world.wait_for("time to pass", lambda: metrics.read(world).total("mooring_watch_not_watching_seconds", type="Service") >
                   first.total("mooring_watch_not_watching_seconds", type="Service"))
    expect(first.total("mooring_model_last_converged_timestamp_seconds"),
           metrics.read(world).total("mooring_model_last_converged_timestamp_seconds"))
    world.cluster.server_up()
    world.wait_active()
    expect(1, metrics.read(world).total("mooring_target_up", provider="kubernetes"))
    expect([0], metrics.read(world).values("mooring_watch_not_watching_seconds", type="Service"))


@test("what is gone has no series any more", fresh=True)
def _(world):
    world.ctl("add-model", "other", "--cluster", world.cluster.name).ok()
    world.wait_for("its series", lambda: metrics.read(world).values("mooring_model_converged", model="other"))
    world.ctl("remove-model", "other").ok()
    world.wait_for("their end", lambda: not metrics.read(world).values("mooring_model_converged", model="other"))


if __name__ == "__main__":
    main()
