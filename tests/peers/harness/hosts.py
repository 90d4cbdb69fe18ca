"""The namespace's hosts file: service names, resolved to the addresses of ready pods.

There is no kube-proxy here, so a name leads to the first ready pod itself; a service without one gets
an address where nothing listens, so that a connection is refused, as it is through a real ClusterIP.
"""
import asyncio

from .netns import HOSTS_HEAD

NOBODY = "10.244.127.254"
SETTLE_SECONDS = 0.05
DOMAIN = "cluster.local"


class Hosts:
    """Written in place: the file is bind-mounted in many places, which a rename would leave behind."""

    def __init__(self, path, folder, services, slices):
        self.path = path
        self.folder = folder            # of the files for containers, one a namespace
        self.namespaces = {}
        self.services = services
        self.slices = slices
        self.dirty = asyncio.Event()
        self.written = {}

    def mark(self):
        self.dirty.set()

    def for_namespace(self, namespace):
        """The file for containers of a namespace: there a service's bare name is enough."""
        if namespace not in self.namespaces:
            path = self.folder / namespace
            path.write_text(HOSTS_HEAD, encoding="ascii")
            self.namespaces[namespace] = path
            self.write(path, HOSTS_HEAD + self.text(namespace))
        return str(self.namespaces[namespace])

    def lines(self):
        """(address, name, namespace) of services and of pods that have a name in one."""
        found = {}
        for (namespace, name), item in self.services.items.items():
            if item["spec"].get("type") != "ExternalName" and item["spec"].get("selector"):
                found[namespace, name] = NOBODY
        pods = []
        for item in self.slices.items.values():
            namespace = item["metadata"]["namespace"]
            service = (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
            if not service or item.get("addressType") != "IPv4":
                continue
            for end in item.get("endpoints") or ():
                ready = (end.get("conditions") or {}).get("ready", True)
                address = end["addresses"][0]
                if ready and found.get((namespace, service), NOBODY) == NOBODY:
                    found[namespace, service] = address
                if end.get("hostname"):
                    pods.append((address, f"{end['hostname']}.{service}", namespace))
        return [(address, name, namespace) for (namespace, name), address in sorted(found.items())] + sorted(pods)

    def text(self, own=None):
        return "".join(line(*one, own) for one in self.lines())

    async def run(self):
        while True:
            await self.dirty.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self.dirty.clear()
            self.write(self.path, HOSTS_HEAD + self.text())
            for namespace, path in self.namespaces.items():
                self.write(path, HOSTS_HEAD + self.text(namespace))

    def write(self, path, text):
        if self.written.get(path) == text:
            return
        with open(path, "r+", encoding="ascii") as file:
            file.write(text)
            file.truncate()
        self.written[path] = text


def line(address, name, namespace, own=None):
    full = f"{name}.{namespace}"
    short = f" {name}" if own == namespace else ""
    return f"{address} {full}.svc.{DOMAIN} {full}.svc {full}{short}\n"
