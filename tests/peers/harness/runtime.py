"""Processes of pods: the sandbox with the pod's network, containers in it, commands beside them."""
import asyncio
import json
import os
import signal
from pathlib import Path

from . import images, netns, paths, podspec

PEERS = Path(__file__).resolve().parent.parent
FIRST_ADDRESS = (10 << 24) + (244 << 16) + (128 << 8) + 2
ADDRESSES = (1 << 15) - 4
ALL_BINS = ("usr/local/bin", "usr/bin", "usr/sbin")


class StartError(Exception):
    """The program could not be started."""


class Addresses:
    """Pod addresses behind the bridge, each used again only after all others."""

    def __init__(self):
        self.next = 0
        self.used = set()

    def take(self):
        for _ in range(ADDRESSES):
            number = FIRST_ADDRESS + self.next
            self.next = (self.next + 1) % ADDRESSES
            if number not in self.used:
                self.used.add(number)
                return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
        raise RuntimeError("no pod address is left")

    def give_back(self, address):
        parts = [int(p) for p in address.split(".")]
        self.used.discard((parts[0] << 24) + (parts[1] << 16) + (parts[2] << 8) + parts[3])


async def run_quietly(argv, feed=None):
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    said, _ = await process.communicate(feed)
    if process.returncode:
        raise RuntimeError(f"{argv[0]}: {said.decode(errors='replace').strip()}")


async def unplug(link):
    """Its namespace lives on while any process is left in it, which would answer in the place of who has its address next."""
    process = await asyncio.create_subprocess_exec("ip", "link", "delete", link, stdin=asyncio.subprocess.DEVNULL,
                                                   stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
    await process.wait()                # it is gone already, as a rule


async def unplug_all():
    """What pods of a podd before this one have left."""
    process = await asyncio.create_subprocess_exec("ip", "-json", "link", "show", "master", "cni0", stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    left = [link["ifname"] for link in json.loads(said or b"[]")]
    if left:
        print(f"left of the pods before: {' '.join(left)}", flush=True)
    for link in left:
        await unplug(link)


class Sandbox:
    """The pod's network namespace, held open by a sleeping process, and its address."""

    def __init__(self, addresses):
        self.addresses = addresses
        self.address = None
        self.process = None

    async def start(self):
        self.address = self.addresses.take()

        def prepare():
            netns.die_with_parent()
            netns.unshare(netns.NEWNET)
        self.process = await asyncio.create_subprocess_exec(
            "sleep", "infinity", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL, start_new_session=True, preexec_fn=prepare)
        pid, link = self.process.pid, f"pod{self.process.pid}"
        outside = [f"link add name {link} type veth peer name eth0 netns {pid}", f"link set {link} master cni0 up"]
        within = ["link set lo up", f"addr add {self.address}/17 dev eth0", "link set eth0 up",
                  f"route add default via {netns.BRIDGE.split('/')[0]}"]
        await run_quietly(["ip", "-batch", "-"], "\n".join(outside).encode())
        await run_quietly(["nsenter", "-t", str(pid), "-n", "ip", "-batch", "-"], "\n".join(within).encode())

    async def stop(self):
        if self.process:
            if self.process.returncode is None:
                self.process.kill()
                await self.process.wait()
            await unplug(f"pod{self.process.pid}")
        if self.address:
            self.addresses.give_back(self.address)
            self.address = None

    @property
    def net(self):
        return f"/proc/{self.process.pid}/ns/net"


class Running:
    """One started container: its shadow process and the pid of its pid 1."""

    def __init__(self, process, pid, spec, log):
        self.process = process
        self.pid = pid
        self.spec = spec
        self.log = log

    def signal(self, number):
        if self.process.returncode is None:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass

    async def wait(self):
        return await self.process.wait()

    async def end(self, grace):
        """SIGTERM, the grace period, SIGKILL."""
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), max(grace, 0))
        except asyncio.TimeoutError:
            self.signal(signal.SIGKILL)
            await self.process.wait()

    def enter_argv(self):
        """What runs a command beside the container: its namespaces, its root, its user."""
        argv = ["/usr/bin/nsenter", "-t", str(self.pid), "-m", "-n", "-p", "-i", "-u", "-r"]
        if self.spec["uid"] and netns.is_root():
            argv += ["-S", str(self.spec["uid"]), "-G", str(self.spec["gid"])]
        elif self.spec["uid"]:
            argv += ["-U", "--preserve-credentials"]
        return argv + ["--"]


def container_spec(pod, container, image, env, volumes, sandbox, folder, hosts):
    """The document that harness.container reads."""
    uid, gid, groups = podspec.user(pod, container)
    argv = podspec.command_line(container, env, image.entrypoint, image.cmd)
    if not argv:
        raise podspec.ConfigError("no command specified")
    security = container.get("securityContext") or {}
    users = dict(image.users)
    if uid and uid not in users.values():
        users[f"user{uid}"] = uid
    return {
        "netns": sandbox.net, "root": str(folder / "root"), "hosts": hosts, "users": users,
        "hostname": pod["spec"].get("hostname") or pod["metadata"]["name"], "shims": image.shims,
        "shim_folders": ALL_BINS[:1] if image.name == "mlflow" else ALL_BINS, "folders": image.folders,
        "files": image.files, "programs": [(str(paths.cache()), images.CACHE_INSIDE)], "argv": argv, "env": env,
        "cwd": container.get("workingDir"), "uid": uid, "gid": gid, "groups": groups,
        "readonly_root": bool(security.get("readOnlyRootFilesystem")),
        "binds": volumes.binds(container, env, podspec.expand),
    }


async def start(spec, log):
    """Start harness.container; returns when the program runs, or raises with why it does not."""
    reading, writing = os.pipe()
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as out:
        os.chmod(log, 0o666)            # a container's user may open /dev/stdout again
        process = await asyncio.create_subprocess_exec(
            "/usr/bin/python3", "-SE", "-X", f"pycache_prefix={spec['root']}/../pycache", "-m",
            "harness.container", stdin=asyncio.subprocess.PIPE, stdout=out, stderr=out, cwd=PEERS,
            pass_fds=(writing,), start_new_session=True, preexec_fn=netns.die_with_parent)
    os.close(writing)
    process.stdin.write(json.dumps(dict(spec, report=writing)).encode())
    process.stdin.close()
    said = await read_all(reading)
    pid, error = None, None
    for line in said.splitlines():
        word, _, rest = line.partition(" ")
        if word == "pid":
            pid = int(rest)
        if word == "error":
            error = rest
    if error or pid is None:
        await process.wait()
        raise StartError(error or f"the container's root could not be made: see {log}")
    return Running(process, pid, spec, log)


async def read_all(descriptor):
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader),
                                                os.fdopen(descriptor, "rb"))
    said = await reader.read()
    transport.close()
    return said.decode(errors="replace")


async def execute(running, argv, seconds):
    """A command beside the container (exec probes, preStop): (exit code, output); 124 for too late."""
    process = await asyncio.create_subprocess_exec(
        *running.enter_argv(), *argv, env=running.spec["env"], stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
        preexec_fn=netns.die_with_parent)
    try:
        said, _ = await asyncio.wait_for(process.communicate(), seconds)
        return process.returncode, said.decode(errors="replace")
    except asyncio.TimeoutError:
        return 124, f"command {argv[0]} timed out"
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def known_image(name):
    """The image of a container that is run for real, or None."""
    kind = images.kind(name)
    return images.IMAGES[kind] if kind else None
