"""python3 -m harness.container: one container, from a JSON document on standard input.

The process that podd starts stays outside as the container's shadow: it ends with the container's
exit code (128 + n for a signal), and when podd dies both die.  The child is pid 1 of a pid namespace,
as in a real container: its whole family goes with it, and signals that it does not handle are ignored.

Its root is a tmpfs with the machine's /usr read-only, a small /etc of its own and the pod's volumes:
command lines, config files and paths hold as they are, and nothing reaches the machine's own /var.
"""
import json
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

from . import netns

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
ETC_COPIED = ("nsswitch.conf", "ld.so.cache", "ld.so.conf", "localtime", "mime.types", "services", "protocols",
              "host.conf", "gai.conf", "os-release", "login.defs")
ETC_FOLDERS = ("ssl", "alternatives", "ld.so.conf.d", "pki")
ROOT_FOLDERS = ("etc", "proc", "dev/shm", "sys", "tmp", "run/lock", "var/lib", "var/log", "var/cache", "home",
                "root", "opt", "srv", "mnt", "usr")
START_ERROR = 128                       # what a kubelet reports when the program cannot be started


def bind(source, target, readonly=False):
    """A bind mount.  Read-only needs a second call, which must keep the flags that the source's mount
    has locked (nosuid and the like), or an ordinary user is refused."""
    netns.mount(str(source), str(target), None, netns.MS_BIND | netns.MS_REC)
    if readonly:
        held = os.statvfs(target).f_flag & (netns.MS_NOSUID | netns.MS_NODEV | netns.MS_NOEXEC)
        netns.mount("none", str(target), None, netns.MS_REMOUNT | netns.MS_BIND | netns.MS_RDONLY | held)


def place(root, target, like):
    """Make the mount point for `target` below root: a folder or an empty file, like its source."""
    point = root / str(target).lstrip("/")
    if os.path.isdir(like):
        point.mkdir(parents=True, exist_ok=True)
    else:
        point.parent.mkdir(parents=True, exist_ok=True)
        if not point.exists():
            point.touch()
    return point


def make_usr(root, spec):
    """/usr of the machine, with the image's own programs laid over its bin folders."""
    bind("/usr", root / "usr", True)
    for name in ("bin", "sbin", "lib", "lib64", "lib32", "libx32"):
        if os.path.islink(f"/{name}"):
            (root / name).symlink_to(os.readlink(f"/{name}"))
        elif os.path.isdir(f"/{name}"):
            bind(f"/{name}", place(root, name, f"/{name}"), True)
    shims = spec["shims"]
    if not shims:
        return
    for folder in spec["shim_folders"]:
        try:
            netns.mount("overlay", str(root / folder), "overlay", netns.MS_RDONLY,
                        f"lowerdir={shims}:/{folder}")
        except OSError:
            if folder == "usr/local/bin":       # no overlays here: PATH finds them first there at least
                bind(shims, root / folder, True)


def make_etc(root, spec):
    etc = root / "etc"
    for name in ETC_COPIED:
        if os.path.exists(f"/etc/{name}"):
            shutil.copy(f"/etc/{name}", etc / name)
    for name in ETC_FOLDERS:
        if os.path.isdir(f"/etc/{name}"):
            bind(f"/etc/{name}", place(root, f"etc/{name}", f"/etc/{name}"), True)
    users = spec["users"]               # name → uid of the image, before the machine's own
    lines = [f"{name}:x:{uid}:{uid}::/:/bin/sh" for name, uid in users.items()]
    groups = [f"{name}:x:{uid}:" for name, uid in users.items()]
    for name, mine in (("passwd", lines), ("group", groups)):
        own = [line for line in Path(f"/etc/{name}").read_text(encoding="utf-8").splitlines()
               if line.split(":")[0] not in users and line.split(":")[2] not in map(str, users.values())]
        (etc / name).write_text("\n".join(own[:1] + mine + own[1:]) + "\n", encoding="utf-8")
    (etc / "hostname").write_text(spec["hostname"] + "\n", encoding="ascii")
    (etc / "resolv.conf").write_text("", encoding="ascii")
    bind(spec["hosts"], place(root, "etc/hosts", spec["hosts"]), True)


def make_dev(root):
    dev = root / "dev"
    for name in DEVICES:
        bind(f"/dev/{name}", place(root, f"dev/{name}", f"/dev/{name}"))
    netns.mount("tmpfs", str(dev / "shm"), "tmpfs", netns.MS_NOSUID | netns.MS_NODEV, "mode=1777,size=64m")
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        (dev / name).symlink_to(f"/proc/self/{target}")


def make_root(spec):
    root = Path(spec["root"])
    netns.mount("none", "/", None, netns.MS_REC | netns.MS_PRIVATE)
    netns.mount("tmpfs", str(root), "tmpfs", 0, "mode=755")
    for name in ROOT_FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    os.chmod(root / "tmp", 0o1777)
    (root / "var/tmp").symlink_to("../tmp")
    (root / "var/run").symlink_to("../run")    # relative: mount points are made through them
    make_usr(root, spec)
    make_etc(root, spec)
    make_dev(root)
    netns.mount("proc", str(root / "proc"), "proc", netns.MS_NOSUID | netns.MS_NODEV | netns.MS_NOEXEC)
    for path, uid, mode in spec["folders"]:
        made = root / path.lstrip("/")
        made.mkdir(parents=True, exist_ok=True)
        try:
            os.chown(made, uid, uid)
        except OSError:
            pass                        # an ordinary user's namespace has no other users
        os.chmod(made, mode)
    for source, target in spec["files"]:
        shutil.copy(source, place(root, target, source))
    for source, target in spec["programs"]:     # folders of programs outside /usr
        bind(source, place(root, target, source), True)
    for one in sorted(spec["binds"], key=lambda b: b["target"].count("/")):
        bind(one["source"], place(root, one["target"], one["source"]), one["readonly"])
    return root


def enter_root(root, readonly):
    """pivot_root onto itself: the old root is then stacked on the same point and can be let go."""
    os.chdir(root)
    netns.pivot_root(".", ".")
    netns.umount(".")
    os.chdir("/")
    if readonly:
        netns.mount("none", "/", None, netns.MS_REMOUNT | netns.MS_BIND | netns.MS_RDONLY)


def become(spec, machine_root):
    """The container's user; where there are no other users, a namespace in which we are that one."""
    uid, gid = spec["uid"], spec["gid"]
    if machine_root:
        os.setgroups(spec["groups"])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    elif uid != 0:
        netns.unshare_user(uid)


def child(spec, report):
    """pid 1 of the container; comes back only when the program cannot be started."""
    netns.die_with_parent()
    machine_root = netns.is_root()
    os.umask(0o022)
    root = make_root(spec)
    socket.sethostname(spec["hostname"][:63])
    enter_root(root, spec["readonly_root"])
    cwd = spec["cwd"] or "/"
    os.makedirs(cwd, exist_ok=True)
    os.chdir(cwd)
    become(spec, machine_root)
    if machine_root and spec["uid"] != 0:
        netns.die_with_parent()         # a change of user clears it
    for number in (signal.SIGPIPE, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.set_inheritable(report, False)
    os.execvpe(spec["argv"][0], spec["argv"], spec["env"])


def shadow(pid):
    """Wait for the container and end as it ended."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def main():
    """Reports on the descriptor `report`: the child's pid, then nothing when it runs or one line of error."""
    spec = json.load(sys.stdin)
    report = spec["report"]
    netns.die_with_parent()
    with open(spec["netns"], "rb") as handle:
        netns.join(handle.fileno())
    netns.unshare(netns.NEWNS | netns.NEWUTS | netns.NEWIPC | netns.NEWPID)
    pid = os.fork()
    if pid == 0:
        try:
            child(spec, report)
        except OSError as error:
            what = f'exec: "{spec["argv"][0]}": ' if isinstance(error, FileNotFoundError) else ""
            words = "executable file not found in $PATH" if what and not error.filename2 else str(error)
            os.write(report, f"error {what}{words}\n".encode())
        os._exit(START_ERROR)
    os.write(report, f"pid {pid}\n".encode())
    os.close(report)
    null = os.open("/dev/null", os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    return shadow(pid)


if __name__ == "__main__":
    sys.exit(main())
