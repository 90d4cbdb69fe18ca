# SPDX-License-Identifier: Apache-2.0
"""A cluster by mooring-sim: started, stopped (it keeps its objects), asked, broken."""
import json
import re
import subprocess

from .data import DataPlane
from .kube import Kube
from .world import DEADLINE, Trouble, end, until


class Sim:
    """See world.World. OPTIONS go to mooring-sim as they are."""
    real = False
    name, model = "sim", "mlflow"

    def __init__(self, world, options=("--pod-start", "300ms")):
        self.program, self.folder, self.options = world.programs.sim, world.folder, options
        self.kubeconfig, self.control = self.folder / "kubeconfig", self.folder / "sim.control"
        self.cache = world.programs.build
        self.listen = "127.0.0.1:0"
        self.process = self.data = None

    def start(self):
        self.serve()
        self.data = DataPlane(self)
        self.data.start()

    def serve(self):
        address = self.folder / "sim.address"
        address.unlink(missing_ok=True)
        with open(self.folder / "log" / "sim.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "--listen", self.listen, "--address-file", address, "--kubeconfig", self.kubeconfig, "--control",
                 self.control, "--state", self.folder / "sim.state", *self.options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(address.exists, "the simulator")
        self.listen = address.read_text().strip()
        token = re.search(r"token: (\S+)", self.kubeconfig.read_text())[1]
        self.kube = Kube(f"http://{self.listen}", token=token)

    def stop(self):
        if self.data:
            self.data.stop()
        if self.process:
            end(self.process)

    def ctl(self, *words):
        done = subprocess.run([self.program, "ctl", "--control", self.control, *map(str, words)], text=True, capture_output=True,
                              check=False, timeout=DEADLINE)
        if done.returncode:
            raise Trouble(f"mooring-sim ctl {' '.join(map(str, words))}: {done.stderr.strip()}")
        return done.stdout.strip()

    # ---- what both kinds of cluster can do

    def trouble(self):
        return self.data.trouble

    def told(self):
        return f"data plane: {self.data.trouble}" if self.data and self.data.trouble else ""

    def make_known(self, world, run=None):
        """The cluster and the model by the commands of a user."""
        run = run or (lambda w, *words: w.ctl(*words).ok())
        run(world, "add-cluster", self.name, "--kubeconfig", self.kubeconfig)
        run(world, "add-model", self.model, "--cluster", self.name)

    def address(self, pod, port):
        """Where such a port of a pod really is."""
        return until(lambda: self.data.leads.get((self.model, pod, port)), f"port {port} of {pod}")

    def inside(self, pod, port):
        """The same, for what execute runs."""
        return self.address(pod, port)

    def execute(self, pod, argv):
        """(exit code, output, errors) of a program in a pod: here beside it, for it is no real one."""
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=DEADLINE)
        return done.returncode, done.stdout, done.stderr

    def forbid(self, verb, plural):
        """What the daemon may no longer do, until permit()."""
        self.ctl("fault", "403", "--path", f"/{plural}", "--method", {"get": "GET", "create": "POST", "patch": "PATCH", "delete": "DELETE"}[verb])

    def permit(self):
        self.ctl("clear")

    def server_down(self):
        end(self.process)

    def server_up(self):
        self.serve()
        self.data.lead()

    BUMPS = 0, 1000000          # how far the versions of a state that is put back may be raised

    def saved(self):
        """Its state, for put_back."""
        self.server_down()
        state = (self.folder / "sim.state").read_text()
        self.server_up()
        return state

    def put_back(self, saved, bump):
        """It is SAVED again; its next versions come BUMP later, those of its objects stay (etcdutl's --bump-revision)."""
        self.server_down()
        state = json.loads(saved)
        state["version"] += bump
        (self.folder / "sim.state").write_text(json.dumps(state))
        self.server_up()

    def forget(self):
        """While it is down: what comes up is another cluster, with nothing in it."""
        (self.folder / "sim.state").unlink()

    def writes(self):
        """How many writing requests of others than the test's it has answered since it was started."""
        return json.loads(self.ctl("stats"))["writes"] - self.kube.sent
