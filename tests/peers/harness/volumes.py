"""A pod's volumes as folders: written once before the containers, refreshed late, as a kubelet does.

Secrets, ConfigMaps and projected volumes change by one rename of the link ..data, so a reader sees
either all old or all new files.  A subPath mount is of the file itself and therefore never follows.
"""
import os
import shutil
import time

from .podspec import ConfigError, field

TOKEN_SECONDS = 3600


class NotReady(Exception):
    """A volume that cannot be mounted yet: the pod stays at ContainerCreating, with an event."""


class Volumes:
    """All volumes of one pod, below a folder of its own."""

    def __init__(self, podd, pod, folder):
        self.podd = podd
        self.pod = pod
        self.folder = folder
        self.paths = {}
        self.written = {}               # volume → its content as last written

    async def prepare(self):
        for volume in self.pod["spec"].get("volumes") or ():
            name = volume["name"]
            if "persistentVolumeClaim" in volume:
                self.paths[name] = self.claim(volume["persistentVolumeClaim"]["claimName"])
            elif "ephemeral" in volume:         # kube-controller-manager makes the claim, which goes with the pod
                self.paths[name] = self.claim(f'{self.pod["metadata"]["name"]}-{name}')
            elif "emptyDir" in volume:
                self.paths[name] = self.made(name, 0o777)
            elif "hostPath" in volume:
                self.paths[name] = volume["hostPath"]["path"]
            elif set(volume) & {"secret", "configMap", "projected", "downwardAPI"}:
                self.paths[name] = self.made(name, 0o755)
                await self.write(volume)
            else:
                raise NotReady(f'MountVolume.SetUp failed for volume "{name}": kind not supported here')
        self.set_group()

    def made(self, name, mode):
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        os.chmod(path, mode)
        return str(path)

    def claim(self, name):
        """The folder of the volume that the claim is bound to; it outlives the pod."""
        path = self.podd.provisioner.folder_of(self.pod["metadata"]["namespace"], name)
        if path is None:
            raise NotReady(f'persistentvolumeclaim "{name}" not bound to a volume of these peers')
        return path

    def set_group(self):
        """fsGroup: a disk's root folder becomes the group's, as the kubelet does for block volumes."""
        group = (self.pod["spec"].get("securityContext") or {}).get("fsGroup")
        if group is None:
            return
        for volume in self.pod["spec"].get("volumes") or ():
            if set(volume) & {"persistentVolumeClaim", "ephemeral", "emptyDir"}:
                give_group(self.paths[volume["name"]], group)

    async def refresh(self):
        """Write what changed since; errors wait for the next time."""
        for volume in self.pod["spec"].get("volumes") or ():
            if set(volume) & {"secret", "configMap", "projected", "downwardAPI"}:
                try:
                    await self.write(volume)
                except (NotReady, ConfigError, OSError):
                    continue

    async def write(self, volume):
        content = await self.content(volume)
        if self.written.get(volume["name"]) != content:
            group = (self.pod["spec"].get("securityContext") or {}).get("fsGroup")
            write_atomically(self.folder / volume["name"], content, group)
            self.written[volume["name"]] = content

    # ---- content: path → (bytes, mode) ----

    async def content(self, volume):
        name = volume["name"]
        kind = next(k for k in ("secret", "configMap", "projected", "downwardAPI") if k in volume)
        source = volume[kind]
        mode = source.get("defaultMode", 0o644)
        if kind != "projected":
            return await self.one(name, kind, source, mode)
        found = {}
        for part in source.get("sources") or ():
            part_kind = next(iter(part))
            found.update(await self.one(name, part_kind, part[part_kind], mode))
        return found

    async def one(self, volume, kind, source, mode):
        if kind == "serviceAccountToken":
            return {source["path"]: (await self.token(source), mode)}
        if kind == "downwardAPI":
            return {item["path"]: (field(self.pod, item["fieldRef"]["fieldPath"]).encode(),
                                   item.get("mode", mode)) for item in source.get("items") or ()
                    if "fieldRef" in item}
        word = {"secret": "Secret", "configMap": "ConfigMap"}[kind]
        name = source.get("secretName") or source.get("name")
        data = await self.podd.object_data(self.pod["metadata"]["namespace"], word, name)
        if data is None:
            if source.get("optional"):
                return {}
            raise NotReady(f'MountVolume.SetUp failed for volume "{volume}" : {kind.lower()} "{name}" not found')
        if not source.get("items"):
            return {key: (value, mode) for key, value in data.items()}
        return self.items(volume, source, data, mode)

    def items(self, volume, source, data, mode):
        found = {}
        for item in source["items"]:
            if item["key"] in data:
                found[item["path"]] = (data[item["key"]], item.get("mode", mode))
            elif not source.get("optional"):
                raise NotReady(f'MountVolume.SetUp failed for volume "{volume}" : references non-existent '
                               f'{"secret" if "secretName" in source else "config"} key: {item["key"]}')
        return found

    async def token(self, source):
        """A bound token, asked for again only when half of its life is over."""
        held = self.written.get(("token", source["path"]))
        if held and held[1] > time.time():
            return held[0]
        meta = self.pod["metadata"]
        account = self.pod["spec"].get("serviceAccountName", "default")
        seconds = source.get("expirationSeconds", TOKEN_SECONDS)
        said = await self.podd.api.post(
            f"/api/v1/namespaces/{meta['namespace']}/serviceaccounts/{account}/token",
            {"spec": {"audiences": [source["audience"]] if source.get("audience") else [],
                      "expirationSeconds": seconds,
                      "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": meta["name"],
                                         "uid": meta["uid"]}}})
        token = said["status"]["token"].encode()
        self.written["token", source["path"]] = (token, time.time() + seconds / 2)
        return token

    # ---- mounts ----

    def binds(self, container, env, expand):
        found = []
        readonly_kinds = {"secret", "configMap", "projected", "downwardAPI"}
        kinds = {v["name"]: set(v) for v in self.pod["spec"].get("volumes") or ()}
        for one in container.get("volumeMounts") or ():
            source = self.paths[one["name"]]
            part = one.get("subPath") or expand(one.get("subPathExpr", ""), env)
            if part:
                source = self.part(source, part)
            readonly = bool(one.get("readOnly")) or bool(kinds[one["name"]] & readonly_kinds)
            found.append({"source": source, "target": os.path.normpath(one["mountPath"]), "readonly": readonly})
        return found

    def part(self, source, part):
        """A subPath that does not exist is made as a folder of the volume's own mode, like a kubelet does;
        links are followed now."""
        path = os.path.join(source, part)
        if not os.path.exists(path):
            os.makedirs(path)
            os.chmod(path, os.stat(source).st_mode & 0o7777)
        return os.path.realpath(path)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def give_group(path, group):
    """Recursively, as fsGroupChangePolicy Always; without other users there is nothing to give."""
    try:
        for folder, _, files in os.walk(path):
            os.chown(folder, -1, group)
            os.chmod(folder, os.stat(folder).st_mode | 0o2770)
            for name in files:
                inner = os.path.join(folder, name)
                if not os.path.islink(inner):
                    os.chown(inner, -1, group)
                    os.chmod(inner, os.stat(inner).st_mode | 0o660)
    except OSError:
        pass


def share(file, group):
    """fsGroup on a Secret's file: readable by the group, whatever its mode says."""
    try:
        os.chown(file, -1, group)
        os.chmod(file, os.stat(file).st_mode | 0o440)
    except OSError:
        pass


def write_atomically(folder, content, group):
    """The kubelet's AtomicWriter: a dated folder, the link ..data swapped, links to its files."""
    stamp = folder / f"..{time.time_ns()}"
    stamp.mkdir()
    for path, (data, mode) in content.items():
        file = stamp / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        os.chmod(file, mode)
        if group is not None:
            share(file, group)
    os.chmod(stamp, 0o755)
    old = folder / os.readlink(folder / "..data") if (folder / "..data").is_symlink() else None
    (folder / "..data_tmp").symlink_to(stamp.name)
    os.replace(folder / "..data_tmp", folder / "..data")
    tops = {path.split("/")[0] for path in content}
    for name in tops:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    for entry in os.listdir(folder):
        if not entry.startswith("..") and entry not in tops:
            os.unlink(folder / entry)
    if old:
        shutil.rmtree(old, ignore_errors=True)
