"""One real pod: sandbox, volumes, init containers, containers, status, end."""
import asyncio
import json

from . import netns
from .containerwork import ContainerWorker, now
from .kube import LOST, STRATEGIC, ApiError
from .runtime import Sandbox
from .volumes import NotReady, Volumes

SANDBOX_RETRY_SECONDS = 1
MOUNT_RETRY_SECONDS = 1
SETTLE_SECONDS = 0.02           # changes within this time are one status update
DEFAULT_GRACE = 30


class PodWorker:
    """The tasks of one pod, from its binding to a node until it is gone."""

    def __init__(self, podd, pod):
        self.podd = podd
        self.pod = pod
        meta, spec = pod["metadata"], pod["spec"]
        self.namespace, self.name, self.uid = meta["namespace"], meta["name"], meta["uid"]
        self.restart_policy = spec.get("restartPolicy", "Always")
        self.folder = podd.run_folder / "pods" / self.uid
        self.log_folder = podd.folder / "log" / "pods" / f"{self.namespace}_{self.name}_{self.uid}"
        self.state_path = podd.run_folder / "state" / self.namespace / f"{self.name}.json"
        self.sandbox = Sandbox(podd.addresses)
        self.volumes = Volumes(podd, pod, self.folder / "volumes")
        self.has_init = bool(spec.get("initContainers"))
        self.init = [ContainerWorker(self, c, True) for c in spec.get("initContainers") or ()]
        self.containers = [ContainerWorker(self, c) for c in spec["containers"]]
        self.dirty = asyncio.Event()
        self.deleted = asyncio.Event()          # a deletion was asked for
        self.gone = asyncio.Event()             # the object is not there any more
        self.started = (pod.get("status") or {}).get("startTime") or now()
        self.transitions = {}
        self.tasks = set()
        self.task = podd.spawn(self.run())

    # ---- what others ask ----

    def old_restarts(self, name):
        """After a restart of podd its pods' containers count one restart more."""
        status = self.pod.get("status") or {}
        for one in (status.get("containerStatuses") or []) + (status.get("initContainerStatuses") or []):
            if one["name"] == name and one.get("containerID"):
                return one["restartCount"] + 1
        return 0

    def pod_now(self):
        """The pod with the address that it has by now."""
        return self.pod | {"status": dict(self.pod.get("status") or {}, podIP=self.sandbox.address)}

    def changed(self):
        self.dirty.set()

    def event(self, kind, reason, message, container=None):
        path = f"spec.containers{{{container}}}" if container else None
        self.podd.event(self.pod, kind, reason, message, path)

    def update(self, pod):
        """A new version of the object."""
        self.pod = pod
        self.volumes.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            self.deleted.set()
        elif self.overwritten():
            self.changed()

    def lost(self):
        self.gone.set()
        self.deleted.set()

    # ---- life ----

    async def run(self):
        writer = self.podd.spawn(self.write_status())
        try:
            life = self.podd.spawn(self.live())
            ended = asyncio.create_task(self.deleted.wait())
            await asyncio.wait({life, ended}, return_when=asyncio.FIRST_COMPLETED)
            await self.deleted.wait()
            await self.finish(life)
        finally:
            writer.cancel()
            self.podd.forget(self)

    async def live(self):
        await self.tried("FailedCreatePodSandBox", self.begin, (RuntimeError, OSError), SANDBOX_RETRY_SECONDS)
        self.changed()
        await self.tried("FailedMount", self.volumes.prepare, (NotReady, ApiError, KeyError, *LOST), MOUNT_RETRY_SECONDS)
        if await self.initialise():
            self.dirty.set()
            await asyncio.gather(*(c.run() for c in self.containers))

    async def begin(self):
        try:
            await self.sandbox.start()
        except (RuntimeError, OSError):
            await self.sandbox.stop()
            raise

    async def tried(self, reason, work, failures, pause):
        """WORK again and again until it is done, with an event for each new reason why not, as a kubelet does."""
        said = None
        while True:
            try:
                return await work()
            except failures as error:
                if repr(error) != said:
                    said = repr(error)
                    print(f"pod {self.namespace}/{self.name}: {reason}: {said}", flush=True)
                    self.event("Warning", reason, str(error))
            await asyncio.sleep(pause)

    async def initialise(self):
        """Init containers one after the other; a sidecar among them only has to have started."""
        for worker in self.init:
            if worker.sidecar:
                self.tasks.add(self.podd.spawn(worker.run()))
                await worker.has_started.wait()
                continue
            await worker.run()
            if not worker.finished or worker.exit_code != 0:
                return False
        return True

    async def finish(self, life):
        """The pod's end: orderly within the grace period, at once when the object is gone already."""
        grace = self.pod["metadata"].get("deletionGracePeriodSeconds")
        grace = min(DEFAULT_GRACE if grace is None else grace, self.podd.options["grace_max"])
        workers = self.containers + [w for w in self.init if w.running]
        if self.gone.is_set():
            for worker in workers:
                worker.kill()
        stops = asyncio.gather(*(w.stop(grace) for w in workers))
        lost = asyncio.create_task(self.gone.wait())
        await asyncio.wait({asyncio.ensure_future(stops), lost}, return_when=asyncio.FIRST_COMPLETED)
        if self.gone.is_set():
            for worker in workers:
                worker.kill()
            await stops
        lost.cancel()
        life.cancel()
        for task in self.tasks:
            task.cancel()
        await self.sandbox.stop()
        self.state_path.unlink(missing_ok=True)
        self.volumes.remove()
        await self.remove_object()

    async def remove_object(self):
        """The last word of a kubelet: the end of all containers, then the object's real deletion."""
        if self.gone.is_set():
            return
        path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        while not self.gone.is_set():
            try:
                await self.send_status()
                await self.podd.api.delete(path, {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}})
                return
            except ApiError as error:
                if error.status in (404, 409):
                    return
                print(f"end of {self.namespace}/{self.name}: {error}", flush=True)
                await asyncio.sleep(1)
            except LOST:
                await asyncio.sleep(1)

    # ---- status ----

    async def write_status(self):
        while True:
            await self.dirty.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self.dirty.clear()
            self.write_state()
            try:
                await self.send_status()
            except ApiError as error:
                if error.status not in (404, 409):
                    print(f"status of {self.namespace}/{self.name}: {error}", flush=True)
                    await asyncio.sleep(1)
                    self.dirty.set()
            except LOST:
                await asyncio.sleep(1)
                self.dirty.set()

    async def send_status(self):
        path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}/status"
        await self.podd.api.patch(path, {"metadata": {"uid": self.uid}, "status": self.status()}, STRATEGIC)

    def status(self):
        said = {"phase": self.phase(), "startTime": self.started, "conditions": self.conditions(),
                "hostIP": netns.HOST_ADDRESS, "hostIPs": [{"ip": netns.HOST_ADDRESS}],
                "qosClass": (self.pod.get("status") or {}).get("qosClass", "BestEffort"),
                "containerStatuses": [w.status() for w in self.containers],
                "initContainerStatuses": [w.status() for w in self.init]}
        if self.sandbox.address:            # after a restart of podd another one: beside the old one it would be refused
            said |= {"podIP": self.sandbox.address, "podIPs": [{"$patch": "replace"}, {"ip": self.sandbox.address}]}
        return said

    def phase(self):
        if any(w.finished and w.exit_code and not w.again() for w in self.init):
            return "Failed"
        if all(w.finished and not w.again() for w in self.containers):
            return "Failed" if any(w.exit_code for w in self.containers) else "Succeeded"
        if all("waiting" in w.state and not w.last for w in self.containers):
            return "Pending"
        if any("waiting" in w.state and not w.last for w in self.containers):
            return "Pending"
        return "Running"

    def conditions(self):
        initialised = all(w.has_started.is_set() if w.sidecar else w.finished and w.exit_code == 0
                          for w in self.init)
        unready = [w.name for w in self.containers if not w.ready]
        done = self.phase() == "Succeeded"
        why = {"reason": "PodCompleted"} if done else {
            "reason": "ContainersNotReady",
            "message": f"containers with unready status: [{' '.join(unready)}]"}
        gates = all(self.gate(g["conditionType"]) for g in self.pod["spec"].get("readinessGates") or ())
        return [self.condition("PodReadyToStartContainers", bool(self.sandbox.address), {}),
                self.condition("Initialized", initialised, {"reason": "ContainersNotInitialized"}),
                self.condition("ContainersReady", not unready, why),
                self.condition("Ready", not unready and gates, why if unready else
                               {"reason": "ReadinessGatesNotReady"})]

    def overwritten(self):
        """Somebody else's condition stands in the status, as the node lifecycle controller's Ready=False after the node was away.

        Nothing changed in the pod itself, so nobody but its kubelet ever takes that back."""
        told = {c["type"]: c["status"] for c in (self.pod.get("status") or {}).get("conditions") or ()}
        return any(told.get(c["type"], c["status"]) != c["status"] for c in self.conditions())

    def gate(self, kind):
        return any(c["type"] == kind and c["status"] == "True"
                   for c in (self.pod.get("status") or {}).get("conditions") or ())

    def condition(self, kind, good, why):
        """Its transition time moves only with its status; reasons are taken back when it is good."""
        before = self.transitions.get(kind)
        if before is None or before[0] != good:
            self.transitions[kind] = (good, now())
        return {"type": kind, "status": "True" if good else "False", "lastTransitionTime": self.transitions[kind][1],
                "reason": None, "message": None} | ({} if good else why)

    def write_state(self):
        """What the streams program and `tools/peers pods` need to know of the running containers."""
        found = {}
        for worker in self.init + self.containers:
            if worker.running:
                found[worker.name] = {"pid": worker.running.pid, "enter": worker.running.enter_argv(),
                                      "env": [f"{k}={v}" for k, v in worker.running.spec["env"].items()],
                                      "log": str(worker.running.log)}
        note = {"uid": self.uid, "address": self.sandbox.address, "logs": str(self.log_folder),
                "sandbox": self.sandbox.process.pid if self.sandbox.process else None,
                "containers": found, "default": self.containers[0].name}
        self.state_path.parent.mkdir(parents=True, exist_ok=True)
        made = self.state_path.with_suffix(".new")
        made.write_text(json.dumps(note), encoding="utf-8")
        made.rename(self.state_path)
