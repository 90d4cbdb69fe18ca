#!/usr/bin/python3
"""The peers' own test: brings a cluster up, runs real pods in it, takes it down again.

    tests/peers/test_harness.py [DIR]

Ends with a line "N passed, N failed".  The outer part sees what `up` and `down` leave behind; the inner
part is run by `tools/peers run` in the cluster's network.
"""
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
PEERS = HERE.parent.parent / "tools" / "peers"
sys.path.insert(0, str(HERE))
import objects  # noqa: E402
from harness import netns, websocket  # noqa: E402
from harness.kube import STRATEGIC, Api, ApiError  # noqa: E402

SERVER = f"https://{netns.HOST_ADDRESS}:6443"
PODS = f"/api/v1/namespaces/{objects.NAMESPACE}/pods"
SETS = f"/apis/apps/v1/namespaces/{objects.NAMESPACE}/statefulsets"
PASSWORD = "pa'ss-word"                 # a quote in it: for whoever is careless with SQL


def condition(pod, kind):
    return next((c["status"] for c in pod["status"]["conditions"] if c["type"] == kind), None)


class Score:
    """What passed and what failed, told as it happens."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, good, what, detail=""):
        self.passed += bool(good)
        self.failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {what}{'' if good else f': {detail}'}", flush=True)


class Inside:
    """The part in the cluster's network."""

    def __init__(self, score):
        env = os.environ
        identity = env["PEERS_CA"], env["PEERS_ADMIN_CERT"], env["PEERS_ADMIN_KEY"]
        self.api = Api(SERVER, *identity, "peers-test")
        self.tls = websocket.context(*identity)
        self.score = score
        self.folder = env["PEERS_DIR"]

    # ---- helpers ----

    async def until(self, what, question, seconds=30):
        """Ask until the answer is true; the answer, or the last one with a failure."""
        deadline = time.monotonic() + seconds
        answer = None
        while time.monotonic() < deadline:
            try:
                answer = await question()
            except (ApiError, OSError, KeyError, IndexError, asyncio.IncompleteReadError) as error:
                answer, detail = None, error
            else:
                detail = answer
            if answer:
                break
            await asyncio.sleep(0.1)
        self.score.check(answer, what, detail)
        return answer

    async def container(self, pod):
        return (await self.api.get(f"{PODS}/{pod}"))["status"]["containerStatuses"][0]

    def ready(self, pod, restarts=0):
        async def question():
            status = await self.container(pod)
            return status["ready"] and status["restartCount"] >= restarts and status
        return question

    def waiting(self, pod, reason):
        async def question():
            status = await self.container(pod)
            return status["state"].get("waiting", {}).get("reason") == reason and status
        return question

    def connect(self, path, protocol):
        return websocket.WebSocket(netns.HOST_ADDRESS, 6443, self.tls, path, protocol)

    def execute(self, pod, argv, feed=None):
        return websocket.execute(self.connect, objects.NAMESPACE, pod, argv, feed)

    def query(self, sql, host="mlflow-mysql.kubeflow.svc.cluster.local"):
        """The real client, by the service's name."""
        done = subprocess.run(["mysql", "--no-defaults", "-h", host, "-uroot", "-Ne", sql], text=True,
                              capture_output=True, env=dict(os.environ, MYSQL_PWD=PASSWORD), check=False)
        return done.stdout.strip() or done.stderr.strip()

    def peers(self, *words):
        return subprocess.run([str(PEERS), *words], capture_output=True, text=True, check=False)

    # ---- steps ----

    async def create(self):
        await self.api.post("/api/v1/namespaces", objects.namespace())
        services = f"/api/v1/namespaces/{objects.NAMESPACE}/services"
        for name, port in (("mlflow-mysql", 3306), ("mlflow-minio", 9000), ("mlflow-server", 5000)):
            await self.api.post(services, objects.service(name, port))
        for one in (objects.mysql(), objects.minio(), objects.mlflow(), objects.crashing(), objects.unhealthy(),
                    objects.plain()):
            await self.api.post(SETS, one)

    async def secrets(self):
        """Nothing starts without its Secret, and says so in the kubelet's words."""
        await self.until("a pod of an unknown image is ready by kwok", self.ready("plain-0"))
        said = await self.until("without its Secret a container waits with CreateContainerConfigError",
                                self.waiting("mlflow-minio-0", "CreateContainerConfigError"))
        message = said["state"]["waiting"]["message"] if said else said
        self.score.check(message == 'secret "minio-root" not found', "and with the kubelet's message", message)
        path = f"/api/v1/namespaces/{objects.NAMESPACE}/secrets"
        await self.api.post(path, objects.secret("mysql-root", password=PASSWORD))
        await self.api.post(path, objects.secret("minio-root", user="admin", password="minio-password"))

    async def database(self):
        await self.until("mysql is ready after its Secret appeared", self.ready("mlflow-mysql-0"))
        await self.until("its name resolves and root's password is the Secret's", self.answers("SELECT 41 + 1", "42"))
        self.query("CREATE TABLE mlflow.kept AS SELECT 'still here' AS word")
        code, out, err = self.execute("mlflow-mysql-0", ["sh", "-c", "hostname; id -u; cat; exit 7"], b"fed")
        self.score.check((code, out) == (7, b"mlflow-mysql-0\n999\nfed"), "exec runs in the container", (code, out, err))
        ws = websocket.forward(self.connect, objects.NAMESPACE, "mlflow-mysql-0", 3306)
        channel, data = ws.receive()
        ws.close()
        self.score.check(channel == 0 and b"MariaDB" in data, "port-forward reaches the server", (channel, data))
        log = await self.api.get(f"{PODS}/mlflow-mysql-0/log")
        self.score.check(b"ready for connections" in log, "its log is to be had", log[-200:])

    def answers(self, sql, wanted):
        async def question():
            return self.query(sql) == wanted
        return question

    async def killed(self):
        """mysqld killed: not ready, restarted, the data there."""
        self.peers("kill-pod", self.folder, "kubeflow/mlflow-mysql-0")

        async def fell():
            status = await self.container("mlflow-mysql-0")
            return not status["ready"] and status["lastState"].get("terminated", {}).get("exitCode") == 137
        await self.until("mysqld killed: the pod is not ready, its last exit is 137", fell)
        await self.until("and it is started again", self.ready("mlflow-mysql-0", 1))
        before = (await self.api.get(f"{PODS}/mlflow-mysql-0"))["metadata"]["uid"]
        await self.api.delete(f"{PODS}/mlflow-mysql-0")

        async def replaced():
            return (await self.api.get(f"{PODS}/mlflow-mysql-0"))["metadata"]["uid"] != before
        await self.until("a deleted pod is replaced", replaced)
        await self.until("and ready", self.ready("mlflow-mysql-0"))
        await self.until("with the same data", self.answers("SELECT word FROM mlflow.kept", "still here"))

    async def restarts(self):
        said = await self.until("a failing process is in CrashLoopBackOff", self.waiting("crashing-0", "CrashLoopBackOff"))
        last = said["lastState"]["terminated"] if said else {}
        self.score.check((last.get("exitCode"), last.get("message")) == (3, "out of luck\n"),
                         "with its exit code and termination message", last)

        async def restarted():
            status = await self.container("unhealthy-0")
            return status["restartCount"] >= 1 and status["lastState"]["terminated"]["exitCode"] == 0
        await self.until("a failing liveness probe ends a container by SIGTERM", restarted)

    async def volumes(self):
        path = f"/api/v1/namespaces/{objects.NAMESPACE}/persistentvolumeclaims/data-mlflow-mysql-0"
        await self.api.patch(path, {"spec": {"resources": {"requests": {"storage": "2Gi"}}}})

        async def larger():
            return (await self.api.get(path))["status"]["capacity"]["storage"] == "2Gi"
        await self.until("a claim is enlarged", larger)
        await self.api.patch(f"/api/v1/namespaces/{objects.NAMESPACE}/secrets/mysql-root", {"stringData": {"extra": "new"}})

        async def followed():
            return self.execute("mlflow-mysql-0", ["cat", "/etc/root-secret/extra"])[:2] == (0, b"new")
        await self.until("a mounted Secret follows", followed)

    async def tracking(self):
        """MLflow, by its own API, writes into the database."""
        await self.until("minio is ready", self.ready("mlflow-minio-0"))
        await self.until("MLflow is ready after its init container", self.ready("mlflow-server-0"), 60)

        async def created():
            done = subprocess.run(
                ["curl", "-s", "-X", "POST", "-H", "Content-Type: application/json", "-d", '{"name": "from-peers"}',
                 "http://mlflow-server.kubeflow:5000/api/2.0/mlflow/experiments/create"],
                capture_output=True, text=True, check=False)
            return "experiment_id" in done.stdout
        await self.until("an experiment is created", created, 10)     # the name follows readiness a moment later
        said = self.query("SELECT COUNT(*) FROM mlflow.experiments WHERE name = 'from-peers'")
        self.score.check(said == "1", "and is a row in the database", said)

    async def nodes(self):
        """What the node lifecycle controller writes when a node was away is taken back, as a kubelet does."""
        for pod, whose in (("mlflow-mysql-0", "a real pod"), ("plain-0", "a pod of kwok's")):
            said = await self.api.patch(f"{PODS}/{pod}/status", {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, STRATEGIC)
            self.score.check(condition(said, "Ready") == "False", f"{whose} that is said not to be ready is not")

            async def again(pod=pod):
                return condition(await self.api.get(f"{PODS}/{pod}"), "Ready") == "True"
            await self.until("and is ready again, since its containers are", again)

    async def server(self):
        said = self.peers("restart", self.folder, "kube-apiserver")
        self.score.check(said.returncode == 0, "the API server is restarted", said.stderr)
        await self.until("and pods are still seen", self.ready("mlflow-mysql-0"))

    async def helper(self):
        """Its processes go with podd; the pods do not, and have other addresses then."""
        before = (await self.api.get(f"{PODS}/mlflow-mysql-0"))["status"]["podIP"]
        said = self.peers("restart", self.folder, "podd")
        self.score.check(said.returncode == 0, "podd is restarted", said.stderr)

        async def moved():
            pod = (await self.api.get(f"{PODS}/mlflow-mysql-0"))["status"]
            return pod["podIP"] != before and pod["podIPs"] == [{"ip": pod["podIP"]}]
        await self.until("a pod of before has its new address, and only that", moved)
        await self.until("and is ready again", self.ready("mlflow-mysql-0", 1))

    async def ending(self):
        await self.api.delete(f"/api/v1/namespaces/{objects.NAMESPACE}")

        async def gone():
            try:
                await self.api.get(f"/api/v1/namespaces/{objects.NAMESPACE}")
            except ApiError as error:
                return error.status == 404
            return False
        await self.until("the namespace goes, with all real pods", gone, 40)

        async def empty():
            return not os.listdir(os.environ["PEERS_VOLUMES"])
        await self.until("and its volumes' folders", empty)
        said = self.peers("pods", self.folder).stdout
        self.score.check(said == "", "no container is left", said)

    async def run(self):
        for step in (self.create, self.secrets, self.database, self.restarts, self.killed, self.volumes,
                     self.tracking, self.nodes, self.server, self.helper, self.ending):
            began = time.monotonic()
            await step()
            print(f"     {step.__name__}: {time.monotonic() - began:.1f} s", flush=True)
            if self.score.failed:
                return                  # what follows builds on it, and would only wait


# ---- outside ----

def leftovers(folder, net):
    """Processes in the peers' network or with files of DIR in their arguments, and mounts."""
    found = [f"pid {pid}" for pid in netns.inside(net)]
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{entry}/cmdline").read_bytes()
        except OSError:
            continue
        if f"{folder}/".encode() in words and int(entry) not in (os.getpid(), os.getppid()):
            found.append(f"pid {entry}: {words[:80]}")
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    return found + ([f"mount below {folder}"] if folder in mounts else [])


def outside(folder):
    score = Score()
    began = time.monotonic()
    up = subprocess.run([str(PEERS), "up", folder, "--secret-refresh", "2", "--while-pid", str(os.getpid())],
                        check=False)
    took = time.monotonic() - began
    score.check(up.returncode == 0, f"up in {took:.1f} s", up.returncode)
    if up.returncode != 0:
        return score
    try:
        net = json.loads((Path(folder) / "holder").read_text())["net"]
        env = dict(os.environ)
        for line in (Path(folder) / "env").read_text().splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            env[name] = value.strip("'")
        inner = subprocess.run([str(PEERS), "run", folder, sys.executable, __file__, "--inside"], env=env,
                               stdout=subprocess.PIPE, text=True, check=False)
        *lines, last = inner.stdout.splitlines() or [""]
        print("\n".join(lines))
        counts = [int(word) for word in last.split() if word.isdigit()]
        score.passed, score.failed = [a + b for a, b in zip((score.passed, score.failed), counts or (0, 1))]
        score.check(inner.returncode in (0, 1) and counts, "the inner part came to its end", last)
        score.check(subprocess.run([str(PEERS), "run", folder, "sh", "-c", "exit 23"], check=False).returncode == 23,
                    "run hands on the exit code")
    finally:
        down = subprocess.run([str(PEERS), "down", folder], check=False)
    score.check(down.returncode == 0, "down")
    left = leftovers(folder, net)
    score.check(not left, "nothing is left over", left)
    names = {entry.name for entry in Path(folder).iterdir()}
    score.check(names <= {"log", "audit.log"}, "but the logs", names)
    return score


def main():
    if "--inside" in sys.argv:
        score = Score()
        try:
            asyncio.run(Inside(score).run())
        except Exception as error:                  # whatever it is: the count must come out
            score.check(False, "the test itself", repr(error))
    else:
        there = subprocess.run([str(PEERS), "check"], check=False).returncode
        if there:
            return there
        given = sys.argv[1:]
        folder = given[0] if given else tempfile.mkdtemp(prefix="mooring-peers-")
        score = outside(folder)
        if not given and not score.failed:
            shutil.rmtree(folder)
        elif score.failed:
            print(f"logs: {folder}/log")
    print(f"{score.passed} passed, {score.failed} failed", flush=True)
    return 1 if score.failed else 0


if __name__ == "__main__":
    sys.exit(main())
