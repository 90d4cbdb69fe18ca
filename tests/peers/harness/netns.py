"""Linux namespaces by ctypes: making them, entering them, dying with the parent.

Python's own os.setns and os.unshare came with 3.12; Debian 12 has 3.11.  A process that enters keeps
its pid and becomes the command by exec, so `tools/peers run … &` followed by `kill $!` reaches the
command itself; wrappers like nsenter --fork would stand in between.
"""
import ctypes
import os
import signal
from pathlib import Path

NEWNS, NEWUTS, NEWIPC = 0x00020000, 0x04000000, 0x08000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1

HOST_ADDRESS = "10.255.0.1"             # the API server, kwok, etcd: "the node network"
POD_NETWORK = "10.244.0.0/16"
ANYIP = "10.244.0.0/17"                 # kwok's pods: every address is this machine's own
BRIDGE = "10.244.128.1/17"              # podd's pods: real network namespaces behind a bridge
DATA_ADDRESSES = {"mariadb": "10.255.0.11", "postgres": "10.255.0.12", "minio": "10.255.0.13",
                  "minio-tls": "10.255.0.14", "mysql": "10.255.0.15"}
DATA_DOMAIN = "peers.test"              # mariadb.peers.test and its like, in every hosts file; alias.mariadb.peers.test is in no certificate
HOSTS_HEAD = "127.0.0.1 localhost\n::1 localhost\n" + "".join(
    f"{address} {name}.{DATA_DOMAIN} alias.{name}.{DATA_DOMAIN} expired.{name}.{DATA_DOMAIN}\n" for name, address in DATA_ADDRESSES.items())
SERVICE_NETWORK = "10.96.0.0/12"

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags):
    _check(_libc.unshare(flags), "unshare")


def mount(source, target, fstype=None, flags=0, data=None):
    words = [None if w is None else os.fsencode(w) for w in (source, target, fstype)]
    _check(_libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags),
                       None if data is None else data.encode()), f"mount {source} on {target}")


def umount(target):
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def pivot_root(new, old):
    _check(_libc.syscall(155, os.fsencode(new), os.fsencode(old)) if os.uname().machine == "x86_64"
           else _libc.syscall(41, os.fsencode(new), os.fsencode(old)), "pivot_root")


def die_with_parent(number=signal.SIGKILL):
    """Counts for the thread that forked: so only long-lived threads may start processes."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0), "prctl")


def is_root():
    """Root of the whole machine, who may have other users' processes; not root of a user namespace."""
    if os.geteuid() != 0:
        return False
    lines = Path("/proc/self/uid_map").read_text(encoding="ascii").split()
    return int(lines[2]) > 1


def unshare_user(inner):
    """A user namespace in which the caller is `inner`: the one mapping an ordinary user may make."""
    uid, gid = os.geteuid(), os.getegid()
    unshare(NEWUSER)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{inner} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{inner} {gid} 1", encoding="ascii")


def make(hosts):
    """The cluster's namespaces around this process: user (if not root), mounts, network; and for its
    children a pid namespace, whose end nothing in it survives."""
    if os.geteuid() != 0:
        unshare_user(0)
    unshare(NEWNS | NEWNET | NEWPID | NEWIPC)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount(str(hosts), "/etc/hosts", None, MS_BIND)


def network(run):
    """Addresses and routes of the cluster's network; `run` executes one command."""
    lines = ["link set lo up", f"addr add {HOST_ADDRESS}/32 dev lo",
             *[f"addr add {address}/32 dev lo" for address in DATA_ADDRESSES.values()],
             f"route add local {ANYIP} dev lo",
             "link add name cni0 type bridge", f"addr add {BRIDGE} dev cni0", "link set cni0 up"]
    run(["ip", "-batch", "-"], input="\n".join(lines).encode())
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")


def join(handle, what="namespace"):
    """Join one namespace by an open descriptor."""
    _check(_libc.setns(handle, 0), f"setns {what}")


def enter(pid, kinds=("user", "net", "ipc", "mnt")):
    """Join the namespaces of a process.  The user namespace first: it gives the right to the others."""
    handles = []
    for kind in kinds:
        path = f"/proc/{pid}/ns/{kind}"
        same = os.stat(path).st_ino == os.stat(f"/proc/self/ns/{kind}").st_ino
        if not same:
            handles.append((os.open(path, os.O_RDONLY | os.O_CLOEXEC), path))
    for handle, path in handles:
        join(handle, path)
        os.close(handle)


def inside(pid):
    """The pids of all processes in the network namespace of `pid`, or of one inode number."""
    wanted = pid if isinstance(pid, str) else os.readlink(f"/proc/{pid}/ns/net")
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.readlink(f"/proc/{entry}/ns/net") == wanted:
                    found.append(int(entry))
            except OSError:
                continue
    return found
