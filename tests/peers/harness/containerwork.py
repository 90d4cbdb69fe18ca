"""One container of a real pod over its whole life: starts, probes, ends, waits, starts again."""
import asyncio
import signal
from datetime import datetime, timezone

from . import podspec, probes, runtime
from .kube import LOST, ApiError

CONFIG_RETRY_SECONDS = 2        # a kubelet looks again after some 10 s; tests would only wait
BACKOFF_LIMIT = 300             # as a kubelet: doubled up to five minutes,
BACKOFF_RESET = 600             # forgotten after ten minutes of running
MESSAGE_BYTES = 4096
LOG_TAIL_BYTES = 2048
START_ERROR = 128               # what a kubelet reports for a program that could not be started


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class ContainerWorker:
    """Its state is what the pod's status says of it."""

    def __init__(self, pod, container, is_init=False):
        self.pod = pod
        self.container = container
        self.name = container["name"]
        self.is_init = is_init
        self.sidecar = is_init and container.get("restartPolicy") == "Always"
        self.image = runtime.known_image(container.get("image", ""))
        if self.image is None and is_init and (container.get("command") or [""])[0] in ("sh", "/bin/sh"):
            self.image = runtime.known_image("mooring.test/process")
        self.state = {"waiting": {"reason": "PodInitializing" if pod.has_init else "ContainerCreating"}}
        self.last = {}
        self.ready = False
        self.has_started = asyncio.Event()
        self.restarts = pod.old_restarts(self.name)
        self.running = None
        self.stopping = False
        self.backoff = 0

    # ---- state ----

    def wait_for(self, reason, message=None):
        self.state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
        self.ready = False
        self.pod.changed()

    def status(self):
        said = {"name": self.name, "image": self.container.get("image", ""), "ready": self.ready,
                "imageID": "peers://" + self.container.get("image", ""), "restartCount": self.restarts,
                "started": self.has_started.is_set() and "running" in self.state, "state": self.state,
                "lastState": self.last}
        if self.running or "terminated" in self.state:
            said["containerID"] = f"peers://{self.pod.uid}/{self.name}/{self.restarts}"
        return said

    @property
    def finished(self):
        return "terminated" in self.state

    @property
    def exit_code(self):
        return self.state["terminated"]["exitCode"]

    # ---- life ----

    async def run(self):
        """Until it has ended for good (restartPolicy) or the pod ends it."""
        if self.image is None:
            return await self.pretend()
        while not self.stopping:
            if not await self.create():
                continue
            began = asyncio.get_running_loop().time()
            if self.running:
                await self.attend()
            if self.stopping or not self.again():
                return None
            await self.back_off(asyncio.get_running_loop().time() - began)
        return None

    async def pretend(self):
        """An image that we have no program for: an init container is done, any other simply runs."""
        if self.is_init and not self.sidecar:
            self.terminated(0, now(), "")
        else:
            self.state = {"running": {"startedAt": now()}}
            self.has_started.set()
            self.ready = True
            self.pod.changed()

    async def create(self):
        """Start the process; False when it has to be tried again."""
        try:
            spec = await self.spec()
        except (podspec.ConfigError, ApiError, *LOST) as error:
            reason = "CreateContainerConfigError"
            if self.state.get("waiting", {}).get("message") != str(error):
                self.pod.event("Warning", "Failed", f"Error: {error}", self.name)
                self.wait_for(reason, str(error))
            await asyncio.sleep(CONFIG_RETRY_SECONDS)
            return False
        self.has_started.clear()
        try:
            self.running = await runtime.start(spec, self.log_path())
        except runtime.StartError as error:
            self.pod.event("Warning", "Failed", f"Error: {error}", self.name)
            self.terminated(START_ERROR, now(), str(error), "StartError")
            return True
        self.state = {"running": {"startedAt": now()}}
        self.ready = "readinessProbe" not in self.container and "startupProbe" not in self.container
        if "startupProbe" not in self.container:
            self.has_started.set()
        self.pod.changed()
        return True

    async def spec(self):
        sources = podspec.Sources(self.pod.podd.api, self.pod.namespace)
        podspec.refused(self.pod.pod_now(), self.container)
        env = await podspec.environment(self.pod.pod_now(), self.container, sources,
                                        runtime.images.image_env(self.image, self.container.get("image", "")), self.pod.podd.services.items)
        spec = runtime.container_spec(self.pod.pod_now(), self.container, self.image, env, self.pod.volumes,
                                      self.pod.sandbox, self.pod.podd.run_folder,
                                      self.pod.podd.hosts.for_namespace(self.pod.namespace))
        note = self.note_path()
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_bytes(b"")
        note.chmod(0o666)
        spec["binds"].append({"source": str(note), "readonly": False,
                              "target": self.container.get("terminationMessagePath") or "/dev/termination-log"})
        return spec

    def log_path(self):
        return self.pod.log_folder / f"{self.name}-{self.restarts}.log"

    def note_path(self):
        return self.pod.folder / "termination" / self.name

    async def attend(self):
        """A running container: its probes beside it, its end."""
        began = self.state["running"]["startedAt"]
        tasks = [asyncio.create_task(probes.watch(self, kind, self.container[f"{kind}Probe"], told))
                 for kind, told in (("startup", self.startup_told), ("readiness", self.readiness_told),
                                    ("liveness", self.liveness_told)) if self.container.get(f"{kind}Probe")]
        try:
            code = await self.running.wait()
        finally:
            for task in tasks:
                task.cancel()
        self.running = None
        self.terminated(code, began, self.message(code))

    def message(self, code):
        """The termination message: its file, else, if asked for and the end was bad, the log's tail."""
        said = self.note_path().read_bytes()[:MESSAGE_BYTES].decode(errors="replace")
        fallback = self.container.get("terminationMessagePolicy") == "FallbackToLogsOnError"
        if said or code == 0 or not fallback:
            return said
        return self.log_path().read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")

    def terminated(self, code, began, message, reason=None):
        said = {"exitCode": code, "reason": reason or ("Completed" if code == 0 else "Error"),
                "startedAt": began, "finishedAt": now()}
        if message:
            said["message"] = message
        self.state = {"terminated": said}
        self.ready = self.is_init and code == 0
        self.pod.changed()

    def again(self):
        if self.sidecar:
            return True
        policy = self.pod.restart_policy
        if self.is_init and policy == "Always":
            policy = "OnFailure"
        return policy == "Always" or policy == "OnFailure" and self.exit_code != 0

    async def back_off(self, ran):
        """The first restart comes at once, later ones after 10, 20, 40 … seconds, as a kubelet's."""
        self.last = self.state
        wait = 0 if ran > BACKOFF_RESET else self.backoff
        self.backoff = min(wait * 2, BACKOFF_LIMIT) if wait else self.pod.podd.options["crash_backoff"]
        if wait:
            text = (f"back-off {wait:g}s restarting failed container={self.name} "
                    f"pod={self.pod.name}_{self.pod.namespace}({self.pod.uid})")
            self.pod.event("Warning", "BackOff", f"Back-off restarting failed container {self.name} in pod "
                           f"{self.pod.name}_{self.pod.namespace}({self.pod.uid})", self.name)
            self.wait_for("CrashLoopBackOff", text)
            await asyncio.sleep(wait)
        self.restarts += 1

    # ---- probes ----

    def startup_told(self, good, why):
        if good:
            self.has_started.set()
            self.ready = "readinessProbe" not in self.container
            self.pod.changed()
        else:
            self.kill_for("startup", why)

    def readiness_told(self, good, _):
        if self.ready != good and self.running:
            self.ready = good
            self.pod.changed()

    def liveness_told(self, good, why):
        if not good:
            self.kill_for("liveness", why)

    def kill_for(self, kind, _):
        self.pod.event("Normal", "Killing", f"Container {self.name} failed {kind} probe, will be restarted",
                       self.name)
        grace = (self.container[f"{kind}Probe"].get("terminationGracePeriodSeconds")
                 or self.pod.pod["spec"].get("terminationGracePeriodSeconds") or 30)
        if self.running:
            self.pod.podd.spawn(self.running.end(grace))

    # ---- the pod's end ----

    async def stop(self, grace):
        """preStop, SIGTERM, SIGKILL: all within the grace period."""
        self.stopping = True
        running = self.running
        if not running:
            return
        began = asyncio.get_running_loop().time()
        hook = ((self.container.get("lifecycle") or {}).get("preStop") or {}).get("exec")
        if hook and grace > 0:
            await runtime.execute(running, hook["command"], grace)
        await running.end(max(grace - (asyncio.get_running_loop().time() - began), 0))

    def kill(self):
        self.stopping = True
        if self.running:
            self.running.signal(signal.SIGKILL)
