"""Volumes: a folder for each claim of our storage classes, made, enlarged and removed with its claim.

What an AKS disk driver does by way of the external provisioner and resizer: the controller manager
marks the claim, we make the folder and the PersistentVolume, the controller manager binds.
"""
import asyncio
import os
import shutil

from .cluster import PROVISIONER
from .kube import LOST, ApiError, Informer

MARK = "volume.kubernetes.io/storage-provisioner"
NODE_MARK = "volume.kubernetes.io/selected-node"
MADE_BY = "pv.kubernetes.io/provisioned-by"
RETRIES, RETRY_SECONDS = 60, 1


class Provisioner:
    """Watches claims and volumes."""

    def __init__(self, api, folder, spawn):
        self.api = api
        self.spawn = spawn              # keeps a task until its end
        self.folder = folder
        self.claims = Informer(api, "/api/v1/persistentvolumeclaims", lambda item, gone: self.look(item, gone))
        self.volumes = Informer(api, "/api/v1/persistentvolumes", lambda item, gone: self.look_volume(item, gone))
        self.classes = {}
        self.busy = set()

    async def run(self):
        await self.tried("classes", self.read_classes, ())
        await asyncio.gather(self.claims.run(), self.volumes.run())

    async def read_classes(self):
        said = await self.api.get("/apis/storage.k8s.io/v1/storageclasses")
        self.classes = {item["metadata"]["name"]: item for item in said["items"]}

    def folder_of(self, namespace, claim):
        """Where a bound claim's data lies, or None."""
        item = self.claims.items.get((namespace, claim))
        name = item and item["status"].get("phase") == "Bound" and item["spec"].get("volumeName")
        path = self.folder / name if name else None
        return str(path) if path and path.is_dir() else None

    # ---- reactions: each in a task of its own, one at a time for an object ----

    def start(self, key, work, *args):
        if key not in self.busy:
            self.busy.add(key)
            self.spawn(self.tried(key, work, args))

    async def tried(self, key, work, args):
        try:
            for _ in range(RETRIES):
                try:
                    return await work(*args)
                except (ApiError, *LOST) as error:
                    print(f"volume {key}: {error!r}", flush=True)
                    if isinstance(error, ApiError) and error.status == 404:
                        return None             # it went meanwhile
                await asyncio.sleep(RETRY_SECONDS)
            return None
        finally:
            self.busy.discard(key)

    def look(self, claim, gone):
        marks = claim["metadata"].get("annotations") or {}
        if gone or claim["metadata"].get("deletionTimestamp") or marks.get(MARK) != PROVISIONER:
            return
        uid, spec = claim["metadata"]["uid"], claim["spec"]
        kind = self.classes.get(spec.get("storageClassName"))
        late = kind is None or kind.get("volumeBindingMode") == "WaitForFirstConsumer"
        if not spec.get("volumeName") and (not late or marks.get(NODE_MARK)):
            self.start(uid, self.make, claim)
        elif claim["status"].get("phase") == "Bound":
            wanted = spec["resources"]["requests"]["storage"]
            if claim["status"].get("capacity", {}).get("storage") != wanted:
                self.start(uid, self.enlarge, claim, wanted)

    def look_volume(self, volume, gone):
        meta = volume["metadata"]
        if (meta.get("annotations") or {}).get(MADE_BY) != PROVISIONER:
            return
        if gone:
            shutil.rmtree(self.folder / meta["name"], ignore_errors=True)
        elif volume["status"].get("phase") == "Released" and not meta.get("deletionTimestamp") \
                and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
            self.start(meta["uid"], self.api.delete, f"/api/v1/persistentvolumes/{meta['name']}")

    async def make(self, claim):
        meta, spec = claim["metadata"], claim["spec"]
        name = f"pvc-{meta['uid']}"
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        os.chmod(path, 0o755)
        volume = {
            "metadata": {"name": name, "annotations": {MADE_BY: PROVISIONER}},
            "spec": {"capacity": {"storage": spec["resources"]["requests"]["storage"]},
                     "accessModes": spec["accessModes"], "storageClassName": spec.get("storageClassName"),
                     "persistentVolumeReclaimPolicy": "Delete", "hostPath": {"path": str(path)},
                     "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": meta["name"],
                                  "namespace": meta["namespace"], "uid": meta["uid"]}}}
        try:
            await self.api.post("/api/v1/persistentvolumes", volume)
        except ApiError as error:
            if error.status != 409:
                raise

    async def enlarge(self, claim, wanted):
        """First the volume, then what the claim says of itself, as the external resizer does."""
        meta = claim["metadata"]
        await self.api.patch(f"/api/v1/persistentvolumes/{claim['spec']['volumeName']}",
                             {"spec": {"capacity": {"storage": wanted}}})
        await self.api.patch(f"/api/v1/namespaces/{meta['namespace']}/persistentvolumeclaims/{meta['name']}/status",
                             {"status": {"capacity": {"storage": wanted}}})
