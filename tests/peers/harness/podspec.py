"""From a pod to what a container gets: environment, command line, user; as a kubelet works it out.

What is missing is said in the kubelet's words, because a controller shows them to people.
"""
import base64
import re

from . import netns
from .kube import ApiError

SERVER_PORT = "6443"
_reference = re.compile(r"\$(\$|\(([-._A-Za-z0-9]+)\))")


class ConfigError(Exception):
    """The container cannot be created as things are: waiting CreateContainerConfigError."""


def expand(text, env):
    """$(NAME) where NAME is known, $$ for a dollar, anything else as it stands."""
    def one(match):
        if match.group(1) == "$":
            return "$"
        return env.get(match.group(2), match.group(0))
    return _reference.sub(one, text)


class Sources:
    """Secrets and ConfigMaps of one namespace, each read once a container start."""

    def __init__(self, api, namespace):
        self.api = api
        self.namespace = namespace
        self.read = {}

    async def data(self, kind, name):
        """Key → bytes, or None when there is no such object."""
        if (kind, name) not in self.read:
            plural = {"Secret": "secrets", "ConfigMap": "configmaps"}[kind]
            try:
                item = await self.api.get(f"/api/v1/namespaces/{self.namespace}/{plural}/{name}")
            except ApiError as error:
                if error.status != 404:
                    raise
                item = None
            self.read[kind, name] = None if item is None else values(kind, item)
        return self.read[kind, name]

    async def key(self, kind, ref, optional):
        data = await self.data(kind, ref["name"])
        word = kind.lower()
        if data is None:
            if optional:
                return None
            raise ConfigError(f'{word} "{ref["name"]}" not found')
        if ref["key"] not in data:
            if optional:
                return None
            where = f"{self.namespace}/{ref['name']}"
            raise ConfigError(f"couldn't find key {ref['key']} in {kind} {where}")
        return data[ref["key"]]


def values(kind, item):
    if kind == "Secret":
        return {k: base64.b64decode(v or "") for k, v in (item.get("data") or {}).items()}
    plain = {k: v.encode() for k, v in (item.get("data") or {}).items()}
    plain.update({k: base64.b64decode(v or "") for k, v in (item.get("binaryData") or {}).items()})
    return plain


def field(pod, path):
    """The fieldRef paths of the downward API."""
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    match = re.match(r"metadata\.(labels|annotations)\['(.+)'\]$", path)
    if match:
        return (meta.get(match.group(1)) or {}).get(match.group(2), "")
    known = {"metadata.name": meta["name"], "metadata.namespace": meta["namespace"], "metadata.uid": meta["uid"],
             "spec.nodeName": spec.get("nodeName", ""), "status.podIP": status.get("podIP", ""),
             "status.podIPs": status.get("podIP", ""), "status.hostIP": netns.HOST_ADDRESS,
             "status.hostIPs": netns.HOST_ADDRESS,
             "spec.serviceAccountName": spec.get("serviceAccountName", "default")}
    if path in known:
        return known[path]
    if path in ("metadata.labels", "metadata.annotations"):
        return "\n".join(f'{k}="{v}"' for k, v in sorted((meta.get(path[9:]) or {}).items()))
    raise ConfigError(f"unsupported fieldPath: {path}")


def resource_field(container, ref):
    where, name = ref["resource"].split(".", 1)
    return str(((container.get("resources") or {}).get(where) or {}).get(name, "0"))


def service_links(services, namespace):
    """NAME_SERVICE_HOST and its like for each service of the namespace: a real kubelet's trap for
    programs that read an option MLFLOW_PORT from their environment."""
    env = {"KUBERNETES_SERVICE_HOST": netns.HOST_ADDRESS, "KUBERNETES_SERVICE_PORT": SERVER_PORT}
    for (where, name), item in services.items():
        address = item["spec"].get("clusterIP")
        ports = item["spec"].get("ports") or []
        if where != namespace or address in (None, "", "None") or not ports:
            continue
        word = name.upper().replace("-", "_")
        env[f"{word}_SERVICE_HOST"] = address
        env[f"{word}_SERVICE_PORT"] = str(ports[0]["port"])
        env[f"{word}_PORT"] = f"{ports[0].get('protocol', 'TCP').lower()}://{address}:{ports[0]['port']}"
        for port in ports:
            protocol = port.get("protocol", "TCP")
            one = f"{word}_PORT_{port['port']}_{protocol}"
            env[one] = f"{protocol.lower()}://{address}:{port['port']}"
            env |= {f"{one}_PROTO": protocol.lower(), f"{one}_PORT": str(port["port"]), f"{one}_ADDR": address}
            if port.get("name"):
                env[f"{word}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
    return env


async def env_from(container, sources):
    env = {}
    for one in container.get("envFrom") or ():
        for kind, word in (("Secret", "secretRef"), ("ConfigMap", "configMapRef")):
            ref = one.get(word)
            if not ref:
                continue
            data = await sources.data(kind, ref["name"])
            if data is None:
                if ref.get("optional"):
                    continue
                raise ConfigError(f'{kind.lower()} "{ref["name"]}" not found')
            for key, value in data.items():
                env[one.get("prefix", "") + key] = text(value)
    return env


def text(value):
    return value.decode("utf-8", "surrogateescape")


async def value_from(pod, container, source, sources):
    for kind, word in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
        if word in source:
            found = await sources.key(kind, source[word], source[word].get("optional"))
            return None if found is None else text(found)
    if "fieldRef" in source:
        return field(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return resource_field(container, source["resourceFieldRef"])
    raise ConfigError(f"unsupported valueFrom: {', '.join(source)}")


async def environment(pod, container, sources, base, services):
    """The image's own, service links, envFrom, then env in its order: later wins, earlier can be named."""
    env = dict(base)
    if pod["spec"].get("enableServiceLinks", True):
        env.update(service_links(services, pod["metadata"]["namespace"]))
    env.update(await env_from(container, sources))
    for one in container.get("env") or ():
        if one.get("valueFrom"):
            value = await value_from(pod, container, one["valueFrom"], sources)
            if value is None:
                continue
        else:
            value = expand(one.get("value") or "", env)
        env[one["name"]] = value
    env.setdefault("HOSTNAME", pod["metadata"]["name"])
    return env


def command_line(container, env, entrypoint, cmd):
    """command replaces the image's entrypoint and its cmd; args replace its cmd alone."""
    command = [expand(w, env) for w in container.get("command") or ()]
    args = [expand(w, env) for w in container.get("args") or ()]
    if command:
        return command + args
    return list(entrypoint) + (args or list(cmd))


def user(pod, container):
    """(uid, gid, supplementary groups): the container's word before the pod's, root without either."""
    outer = pod["spec"].get("securityContext") or {}
    inner = container.get("securityContext") or {}
    uid = inner.get("runAsUser", outer.get("runAsUser", 0))
    gid = inner.get("runAsGroup", outer.get("runAsGroup", 0))
    groups = list(outer.get("supplementalGroups") or ())
    if outer.get("fsGroup") is not None:
        groups.append(outer["fsGroup"])
    return uid, gid, groups


def refused(pod, container):
    """runAsNonRoot with an image that runs as root: the kubelet does not start it."""
    outer = pod["spec"].get("securityContext") or {}
    inner = container.get("securityContext") or {}
    wanted = inner.get("runAsNonRoot", outer.get("runAsNonRoot"))
    named = inner.get("runAsUser", outer.get("runAsUser"))
    if wanted and named == 0:
        raise ConfigError("container's runAsUser breaks non-root policy")
    if wanted and named is None:
        raise ConfigError("container has runAsNonRoot and image will run as root")
