"""podd: the helper that runs pods of known images as real processes; podman-like, for one machine.

`python3 -m harness.podd DIR`, a component of the cluster.  One thread: informers tell of changes, each
pod has a worker.  Beside the pods it keeps the volumes (provision.py) and the hosts file, by which
`tools/peers run` and the containers find services.
"""
import asyncio
import json
import os
import signal
import sys
import traceback
from pathlib import Path

from . import cluster, images
from .containerwork import now
from .hosts import Hosts
from .kube import LOST, ApiError, Informer
from .podspec import values
from .podwork import PodWorker
from .provision import Provisioner
from .runtime import Addresses, unplug_all

EVENT_LIMIT = 200               # waiting to be sent; more is dropped, events are best effort


class Podd:
    """All of it for one DIR."""

    def __init__(self, folder, options):
        self.folder = Path(folder)
        self.options = options
        self.run_folder = self.folder / "run"
        self.api = cluster.Cluster(folder, options).api("podd", "peers-podd")
        self.addresses = Addresses()
        self.workers = {}
        self.tasks = set()
        self.events = asyncio.Queue(EVENT_LIMIT)
        self.services = Informer(self.api, "/api/v1/services", lambda *_: self.hosts.mark())
        self.slices = Informer(self.api, "/apis/discovery.k8s.io/v1/endpointslices", lambda *_: self.hosts.mark())
        self.hosts = Hosts(self.folder / "hosts", self.run_folder / "hosts", self.services, self.slices)
        self.pods = Informer(self.api, "/api/v1/pods?fieldSelector=spec.nodeName!%3D", self.pod_changed)
        self.provisioner = Provisioner(self.api, self.folder / "volumes", self.spawn)

    def spawn(self, work):
        """A task that is kept until its end, and whose failure is seen."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.done)
        return task

    def done(self, task):
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            traceback.print_exception(task.exception())
            sys.stderr.flush()

    # ---- pods ----

    def pod_changed(self, pod, gone):
        uid = pod["metadata"]["uid"]
        worker = self.workers.get(uid)
        if gone:
            if worker:
                worker.lost()
        elif worker:
            worker.update(pod)
        elif not self.options.get("no_podd") and images.is_real(pod):
            self.take(pod)

    def take(self, pod):
        phase = (pod.get("status") or {}).get("phase")
        if phase in ("Succeeded", "Failed") and not pod["metadata"].get("deletionTimestamp"):
            return                              # over already, from before a restart of podd
        worker = PodWorker(self, pod)
        self.workers[worker.uid] = worker
        if pod["metadata"].get("deletionTimestamp"):
            worker.deleted.set()

    def forget(self, worker):
        self.workers.pop(worker.uid, None)

    async def object_data(self, namespace, kind, name):
        """A Secret's or ConfigMap's data as bytes, None without it."""
        plural = {"Secret": "secrets", "ConfigMap": "configmaps"}[kind]
        try:
            return values(kind, await self.api.get(f"/api/v1/namespaces/{namespace}/{plural}/{name}"))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def refresh(self):
        """Mounted Secrets and ConfigMaps follow late, as under a kubelet."""
        while True:
            await asyncio.sleep(self.options["secret_refresh"])
            for worker in list(self.workers.values()):
                try:
                    await worker.volumes.refresh()
                except (ApiError, *LOST):
                    continue

    # ---- events ----

    def event(self, pod, kind, reason, message, path):
        meta = pod["metadata"]
        ref = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "namespace": meta["namespace"],
               "uid": meta["uid"]} | ({"fieldPath": path} if path else {})
        try:
            self.events.put_nowait({
                "metadata": {"generateName": f"{meta['name']}.", "namespace": meta["namespace"]},
                "involvedObject": ref, "type": kind, "reason": reason, "message": message[:1000], "count": 1,
                "source": {"component": "kubelet", "host": pod["spec"].get("nodeName", "")},
                "firstTimestamp": now(), "lastTimestamp": now()})
        except asyncio.QueueFull:
            pass

    async def send_events(self):
        while True:
            event = await self.events.get()
            try:
                await self.api.post(f"/api/v1/namespaces/{event['metadata']['namespace']}/events", event)
            except (ApiError, *LOST):
                continue                        # the namespace may be on its way out

    # ---- all ----

    async def run(self):
        for name in ("root", "pods", "state", "hosts", "pycache"):
            (self.run_folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "volumes").mkdir(exist_ok=True)
        for path in (self.folder / "volumes", self.run_folder, self.run_folder / "pods"):
            os.chmod(path, 0o711)
        await unplug_all()
        self.spawn(self.services.run())
        self.spawn(self.slices.run())
        self.spawn(self.provisioner.run())
        await self.services.synced.wait()
        await self.provisioner.claims.synced.wait()
        await asyncio.gather(self.pods.run(), self.hosts.run(), self.refresh(), self.send_events())


async def main(folder):
    loop = asyncio.get_running_loop()
    asyncio.get_child_watcher().attach_loop(loop)
    loop.add_signal_handler(signal.SIGTERM, lambda: os._exit(0))
    options = json.loads((Path(folder) / "options").read_text(encoding="utf-8"))
    await Podd(folder, options).run()


if __name__ == "__main__":
    # by pidfd, because the default watcher has a thread for each child
    asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
    asyncio.run(main(sys.argv[1]))
