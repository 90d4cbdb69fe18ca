# SPDX-License-Identifier: Apache-2.0
"""What answers behind the simulator's pods: a server for each pod of MySQL and of MinIO.

The simulator's pods run nothing; port-forwards of a pod can lead to an address of this machine. So for each ready pod whose image
is mysql's a real MariaDB (with the runner's --mysql MySQL itself, of tools/peers) is started on a loopback address of its own, with root's
password out of the pod's Secret as the image's entrypoint reads it, and data that outlive the pod and die with its claim. For MinIO the real program if it is there (tools/peers
builds one), else minio_stand_in.py. mlflow's pods answer nothing: nobody here calls them.
"""
import base64
import glob
import os
import secrets
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from .world import ROOT, Trouble, end

sys.path.insert(0, str(ROOT / "tests" / "peers"))
from harness import paths  # noqa: E402

MYSQL = False           # MySQL's own server and clients, in the place of MariaDB's
PERIOD = 0.1            # seconds between two looks at the pods
GRACE = 3               # seconds; a MariaDB that is ended while it starts does not end by itself


def find_mariadbd():
    return shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/libexec")


def find_minio():
    cache = os.environ.get("MOORING_PEERS_CACHE") or os.path.expanduser("~/.cache/mooring-peers")
    found = sorted(path for path in glob.glob(f"{cache}/minio-*/minio") if os.access(path, os.X_OK))
    return found[-1] if found else None


class DataPlane(threading.Thread):
    """Follows the pods of one simulator."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.folder = cluster, cluster.folder / "data"
        self.in_the_way = cluster.folder / "in-the-way"         # programs that a test puts there instead of the real ones
        for folder in (self.folder, self.in_the_way):
            folder.mkdir(exist_ok=True)
        self.ended, self.running, self.trouble = threading.Event(), {}, None
        # A network of the loopback's own, so that two runs on a machine do not meet.
        self.network = f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(250) + 1}"
        self.leads, self.programs, self.named = {}, {}, {}
        self.held = set()                       # pods that nothing is started in
        self.servers, self.private = 0, []
        self.path = os.environ["PATH"]          # of what runs in pods
        if MYSQL:
            self.path = f"{self.mysql_clients()}:{self.path}"

    # ---- the thread

    def run(self):
        try:
            while not self.ended.wait(PERIOD):
                self.look()
        except (Trouble, OSError, RuntimeError) as trouble:
            self.trouble = trouble

    def look(self):
        code, found = self.cluster.kube.call("GET", "/api/v1/pods", manager="data-plane")
        if code != 200:
            return              # the simulator is down: pods of a cluster run on without its API server
        pods = {pod["metadata"]["uid"]: pod for pod in found["items"] if maker_of(pod) and is_running(pod)}
        for uid in [uid for uid, process in self.running.items() if uid not in pods or process.poll() == 0]:
            end(self.running.pop(uid), seconds=GRACE)          # one that ended by itself is started again, below
        for uid, pod in pods.items():
            self.named[uid] = pod["metadata"]["name"]
            self.certify(pod)
            if uid in self.running and maker_of(pod) is DataPlane.run_minio and self.running[uid].poll() is not None:
                del self.running[uid]           # it ended by itself: a kubelet starts its container again
            if uid not in self.running and pod["metadata"]["name"] not in self.held:
                process = maker_of(pod)(self, pod)
                if process:
                    self.running[uid] = process

    def kill(self, name):
        """What runs in the pod is gone at once; the next look starts its container again."""
        for uid, process in list(self.running.items()):
            if self.named.get(uid) == name:
                process.kill()
                process.wait()
                del self.running[uid]

    def stop(self):
        self.ended.set()
        if self.is_alive():
            self.join()
        for process in self.running.values():
            end(process, seconds=5)

    # ---- what the makers need

    def address_of(self, namespace, name, port):
        """A pod of a StatefulSet keeps its address; tells the simulator once."""
        key = (namespace, name, port)
        if key not in self.leads:
            self.servers += 1
            self.leads[key] = f"{self.network}.{self.servers % 250 + 1}"
            self.write_hosts()
            self.cluster.ctl("forward", namespace, name, port, f"{self.leads[key]}:{port}")
        return self.leads[key]

    def run_in(self, pod, **environment):
        """Commands in POD run on this machine, in an environment that leads its clients to what answers for it."""
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        program = self.folder / f"{namespace}-{name}.run"
        lines = [f"export {key}='{value}'" for key, value in environment.items()]
        part = program.with_suffix(".part")
        part.write_text("\n".join(["#!/bin/sh", *lines, 'exec "$@"', ""]), encoding="utf-8")
        part.chmod(0o700)
        part.rename(program)
        if (namespace, name) not in self.programs:
            self.programs[namespace, name] = program
            self.cluster.ctl("exec", namespace, name, program)

    def lead(self):
        """The simulator was started again and has forgotten where pods lead."""
        for (namespace, name, port), address in self.leads.items():
            self.cluster.ctl("forward", namespace, name, port, f"{address}:{port}")
        for (namespace, name), program in self.programs.items():
            self.cluster.ctl("exec", namespace, name, program)

    def secret(self, namespace, name):
        found = self.cluster.kube.get("secrets", namespace, name)
        if not found:
            return None
        return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}

    def volume_of(self, pod):
        """The folder of the pod's first claim: it goes with the claim's uid, or with the pod's where the volume is the pod's own."""
        namespace = pod["metadata"]["namespace"]
        for volume in pod["spec"]["volumes"]:
            if "ephemeral" in volume:
                return self.folder / pod["metadata"]["uid"]
            if "persistentVolumeClaim" in volume:
                claim = self.cluster.kube.get("persistentvolumeclaims", namespace, volume["persistentVolumeClaim"]["claimName"])
                return self.folder / claim["metadata"]["uid"] if claim else None
        return None

    def spawn(self, name, argv, **environment):
        with open(self.cluster.folder / "log" / f"{name}.log", "ab") as log:
            return subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    env=os.environ | environment)

    def certify(self, pod):
        """The server's arguments for the certificate that is mounted into POD, or none. Its files follow their Secret."""
        volume = next((v for v in pod["spec"].get("volumes", []) if v["name"] == "tls"), None)
        data = volume and self.secret(pod["metadata"]["namespace"], volume["secret"]["secretName"])
        if not data:
            return []
        folder = self.folder / f"{pod['metadata']['uid']}.tls"
        folder.mkdir(mode=0o700, exist_ok=True)
        for name in ("ca.crt", "tls.crt", "tls.key"):
            if not (folder / name).exists() or (folder / name).read_text() != data[name]:
                (folder / f"{name}.part").write_text(data[name])
                (folder / f"{name}.part").rename(folder / name)
        return [f"--ssl-ca={folder}/ca.crt", f"--ssl-cert={folder}/tls.crt", f"--ssl-key={folder}/tls.key"]

    # ---- MySQL

    def run_mysql(self, pod):
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        data, more = self.volume_of(pod), self.settings(pod)
        arguments = dict(word.removeprefix("--").split("=", 1) for word in pod["spec"]["containers"][0].get("args", []) if "=" in word)
        if data and "datadir" in more | arguments:
            data = data.with_name(f"{data.name}-{Path((more | arguments)['datadir']).name}")
        names = [volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if "secret" in volume]
        password = self.secret(namespace, names[0]) if names else None
        if not data or not password:
            return None
        socket = data.with_suffix(".sock")
        tls = self.certify(pod)
        argv = [find_mariadbd(), "--no-defaults", *mariadb_user(), f"--datadir={data}", "--port=3306", f"--socket={socket}",
                f"--bind-address={self.address_of(namespace, name, 3306)}", f"--pid-file={data}.pid", "--skip-name-resolve",
                "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=16M", "--performance-schema=OFF",
                *(["--skip-log-bin"] if scratch_of(pod) else ["--log-bin=binlog", "--binlog-format=ROW"]), *tls]
        closed = ["--read-only=ON"] if more.get("read_only") == "ON" else []
        self.run_in(pod, MYSQL_UNIX_PORT=socket, MYSQL_HOST=self.address_of(namespace, name, 3306),
                    PATH=f"{self.in_the_way}:{self.path}")
        if MYSQL:
            return self.spawn(f"{name}-mysql", [*self.mysqld(pod, data, password["root-password"]), *tls, *closed])
        if not data.exists():
            self.initialise_mariadb(data, password["root-password"])
        return self.spawn(f"{name}-mariadb", [*argv, *closed])

    def settings(self, pod):
        """Options of the configuration files that are mounted into POD."""
        names = [volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if "configMap" in volume]
        found = self.cluster.kube.get("configmaps", pod["metadata"]["namespace"], names[0]) if names else None
        lines = "\n".join((found or {}).get("data", {}).values()).splitlines()
        return dict((word.strip() for word in line.split("=", 1)) for line in lines if "=" in line)

    def run_client(self, pod):
        """No server: what is run in the pod gets its environment, and a Service of MySQL's is the pod behind it."""
        namespace, name, words = pod["metadata"]["namespace"], pod["metadata"]["name"], {}
        for source in pod["spec"]["containers"][0].get("envFrom", []):
            words |= self.secret(namespace, source["secretRef"]["name"]) or {}
        if "MYSQL_HOST" in words:
            service = words["MYSQL_HOST"].split(".")[0]
            words["MYSQL_HOST"] = self.address_of(namespace, f"{service.removesuffix('-primary')}-0", 3306)
        self.run_in(pod, PATH=f"{self.in_the_way}:{self.path}", **words)
        return self.spawn(name, ["sleep", "infinity"])

    def write_hosts(self):
        """What servers call each other: a pod by its headless Service, or the Service that is named as its StatefulSet. In its place, for it is mounted."""
        lines = ["127.0.0.1 localhost"]
        for (namespace, name, _), address in self.leads.items():
            only = name.removesuffix("-0")
            lines.append(f"{address} {name}.{only}-endpoints.{namespace}.svc.cluster.local {only}.{namespace}.svc.cluster.local")
        (self.folder / "hosts").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def named_hosts(self):
        """A command before another: that one finds our hosts. Nothing where this machine lets nobody mount."""
        words = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
            return []
        return [*words, "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(self.folder / "hosts")]

    def mysql_clients(self):
        """A folder with them; tests ask by the name of MariaDB's."""
        folder = self.folder / "clients"
        folder.mkdir()
        for name in ("mysql", "mysqldump", "mysqladmin", "mariadb"):
            program = folder / name
            program.write_text(f"#!/bin/sh\nexec '{paths.program('mysql' if name == 'mariadb' else name)}' \"$@\"\n", encoding="utf-8")
            program.chmod(0o755)
        reader = folder / "mysqlbinlog"         # of the server's package, where only the server has a script
        reader.write_text(Path(paths.program("mysqld")).read_text(encoding="utf-8").replace('$(dirname "$0")', str(Path(paths.program("mysqld")).parent))
                          .replace("usr/sbin/mysqld", "usr/bin/mysqlbinlog").replace("--no-defaults ", "").split(" --basedir")[0] + ' "$@"\n', encoding="utf-8")
        reader.chmod(0o755)
        (folder / "my.cnf").touch()
        server = folder / "mysqld"              # with a file of options, without which it does not read what it has kept (SET PERSIST)
        server.write_text(Path(paths.program("mysqld")).read_text(encoding="utf-8").replace('$(dirname "$0")', str(Path(paths.program("mysqld")).parent))
                          .replace("--no-defaults", f"--defaults-file='{folder}/my.cnf'"), encoding="utf-8")
        server.chmod(0o755)
        self.private = self.named_hosts()
        return folder

    def mysqld(self, pod, data, password):
        """Its command line. Root gets the password of the first start, and keeps what was set since."""
        if not data.exists():
            part = data.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(self.template("mysql-empty", [paths.program("mysqld"), "--initialize-insecure"]), part)
            (part / "auto.cnf").unlink()        # each server's own name
            part.rename(data)
        address = self.address_of(pod["metadata"]["namespace"], pod["metadata"]["name"], 3306)
        first = data.with_suffix(".sql")
        first.touch(mode=0o600)
        kept = (data / "mysqld-auto.cnf").exists()      # it may be read-only from its start on, and has its accounts
        first.write_text("" if kept else f"CREATE USER IF NOT EXISTS root@'127.%' IDENTIFIED BY '{password}';\n"
                         "GRANT ALL ON *.* TO root@'127.%' WITH GRANT OPTION;\n", encoding="utf-8")
        return [*self.private, str(self.folder / "clients" / "mysqld"), *(["--user=root"] if self.private else mariadb_user()), f"--datadir={data}", "--port=3306",
                f"--socket={data.with_suffix('.sock')}", f"--bind-address={address}", f"--pid-file={data}.pid", f"--init-file={first}", "--skip-name-resolve", "--mysqlx=OFF",
                "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=32M", "--innodb-redo-log-capacity=32M",
                "--performance-schema=OFF", "--secure-file-priv=NULL",
                *(["--skip-log-bin"] if scratch_of(pod) else ["--log-bin=binlog", "--gtid-mode=ON", "--enforce-gtid-consistency=ON"])]

    def initialise_mariadb(self, data, password):
        """What the image's entrypoint does with an empty folder; whole or not at all, for a pod may end at any moment."""
        part = data.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(self.template("mariadb-empty", [
            "mariadb-install-db", "--no-defaults", "--skip-test-db", "--skip-name-resolve", "--auth-root-authentication-method=normal",
            "--innodb-log-file-size=4M"]), part)
        sql = ("DELETE FROM mysql.global_priv WHERE User = '' OR User = 'root' AND Host <> 'localhost';\n"
               "FLUSH PRIVILEGES;\n"
               f"CREATE USER root@'127.%' IDENTIFIED BY '{password}';\n"
               "GRANT ALL ON *.* TO root@'127.%' WITH GRANT OPTION;\n"
               f"ALTER USER root@localhost IDENTIFIED BY '{password}';\n")
        done = subprocess.run([find_mariadbd(), "--no-defaults", *mariadb_user(), f"--datadir={part}", "--bootstrap", "--skip-log-bin",
                               "--innodb-buffer-pool-size=16M"], input=sql, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Trouble(f"MariaDB's first start failed:\n{done.stderr}")
        part.rename(data)

    def template(self, name, argv):
        """An empty server's folder, made by ARGV once for a build: its making takes longer than all the rest."""
        made = Path(self.cluster.cache) / name
        if not made.exists():
            part = Path(f"{made}.{os.getpid()}")
            done = subprocess.run([*argv, *mariadb_user(), f"--datadir={part}"], capture_output=True, text=True, check=False)
            if done.returncode:
                raise Trouble(f"{argv[0]} failed:\n{done.stdout}{done.stderr}")
            try:
                part.rename(made)
            except OSError:     # somebody else was faster
                shutil.rmtree(part)
        return made

    # ---- MinIO

    def minio_words(self, pod):
        """What a MinIO's environment takes from Secrets; None: not all of them are there."""
        word = {}
        for entry in pod["spec"]["containers"][0]["env"]:
            reference = entry.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                secret = self.secret(pod["metadata"]["namespace"], reference["name"])
                if not secret:
                    return None
                word[entry["name"]] = secret[reference["key"]]
        return word

    def minio_address(self, pod):
        port = pod["spec"]["containers"][0]["ports"][0]["containerPort"]
        return f"{self.address_of(pod['metadata']['namespace'], pod['metadata']['name'], port)}:{port}"

    def minio_of(self, pod):
        """Address, access key and secret key of its root, for s3.call."""
        word = self.minio_words(pod)
        return self.minio_address(pod), word["MINIO_ROOT_USER"], word["MINIO_ROOT_PASSWORD"]

    def run_minio(self, pod):
        name, data, word = pod["metadata"]["name"], self.volume_of(pod), self.minio_words(pod)
        if not data or word is None:
            return None
        data.mkdir(exist_ok=True)
        address = self.minio_address(pod)
        if find_minio():
            return self.spawn(f"{name}-minio", [find_minio(), "server", "--quiet", "--address", address, data], HOME=str(data),
                              MINIO_UPDATE="off", MINIO_BROWSER="off", **word)       # the console takes a port that was free a moment ago
        stand_in = Path(__file__).with_name("minio_stand_in.py")
        return self.spawn(f"{name}-minio-stand-in", [sys.executable, stand_in, address, data / "state.json"], **word)


def use_mysql():
    """False: tools/peers has not built it here, and it need not be there."""
    global MYSQL        # pylint: disable=global-statement
    why = paths.missing(["mysql", "mysql-client"])
    if why and os.environ.get("CI"):
        raise Trouble(why)
    MYSQL = not why
    return MYSQL


def scratch_of(pod):
    """The pod asks for a server without binary logs."""
    return "--skip-log-bin" in pod["spec"]["containers"][0].get("args", [])


def mariadb_user():
    return ["--user=root"] if os.geteuid() == 0 else []


def maker_of(pod):
    """What runs for a pod of its image; None: nothing."""
    image = pod["spec"]["containers"][0]["image"].split("@")[0].rsplit("/", 1)[-1].split(":")[0]
    if image == "mysql" and "command" in pod["spec"]["containers"][0]:
        return DataPlane.run_client
    return {"mysql": DataPlane.run_mysql, "minio": DataPlane.run_minio}.get(image)


def is_running(pod):
    return "deletionTimestamp" not in pod["metadata"] and pod.get("status", {}).get("phase") == "Running"
