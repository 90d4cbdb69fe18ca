"""Startup, readiness and liveness probes, with a kubelet's defaults and counting."""
import asyncio
import ssl

from . import runtime

DEFAULTS = {"initialDelaySeconds": 0, "periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1,
            "failureThreshold": 3}
_unverified = ssl.create_default_context()
_unverified.check_hostname = False
_unverified.verify_mode = ssl.CERT_NONE


def port_number(container, port):
    """A port by number or by its name in the container."""
    if isinstance(port, int):
        return port
    for one in container.get("ports") or ():
        if one.get("name") == port:
            return one["containerPort"]
    return int(port)


async def check_http(container, address, probe, seconds):
    action = probe["httpGet"]
    port = port_number(container, action["port"])
    host = action.get("host") or address
    tls = _unverified if action.get("scheme", "HTTP").upper() == "HTTPS" else None
    headers = {h["name"].lower(): h["value"] for h in action.get("httpHeaders") or ()}
    headers = {"host": f"{host}:{port}", "user-agent": "kube-probe/1.34", "connection": "close"} | headers
    lines = [f"GET {action.get('path') or '/'} HTTP/1.1", *[f"{k}: {v}" for k, v in headers.items()], "", ""]
    reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port, ssl=tls), seconds)
    try:
        writer.write("\r\n".join(lines).encode())
        status = int((await asyncio.wait_for(reader.readline(), seconds)).split()[1])
    finally:
        writer.close()
    return 200 <= status < 400, f"HTTP probe failed with statuscode: {status}"


async def check_tcp(container, address, probe, seconds):
    action = probe["tcpSocket"]
    port = port_number(container, action["port"])
    _, writer = await asyncio.wait_for(asyncio.open_connection(action.get("host") or address, port), seconds)
    writer.close()
    return True, ""


async def check(container, address, running, probe):
    """One try: (success, why not)."""
    seconds = probe.get("timeoutSeconds") or DEFAULTS["timeoutSeconds"]
    try:
        if "httpGet" in probe:
            return await check_http(container, address, probe, seconds)
        if "tcpSocket" in probe:
            return await check_tcp(container, address, probe, seconds)
        if "exec" in probe:
            code, said = await runtime.execute(running, probe["exec"]["command"], seconds)
            return code == 0, said.strip()[-500:]
    except (OSError, asyncio.TimeoutError, ValueError, IndexError) as error:
        return False, str(error) or "context deadline exceeded"
    return False, "this kind of probe is not supported here"


async def watch(worker, kind, probe, told):
    """Probe for ever; `told(success, message)` at each change of the counted result.

    Readiness and liveness wait for the startup probe; a kubelet tries at once after its success."""
    settings = {name: probe.get(name) or value for name, value in DEFAULTS.items()}
    await asyncio.sleep(settings["initialDelaySeconds"])
    if kind != "startup":
        await worker.has_started.wait()
    successes = failures = 0
    while True:
        good, why = await check(worker.container, worker.pod.sandbox.address, worker.running, probe)
        successes, failures = (successes + 1, 0) if good else (0, failures + 1)
        if not good:
            worker.pod.event("Warning", "Unhealthy", f"{kind.capitalize()} probe failed: {why}", worker.name)
        if good and successes >= settings["successThreshold"]:
            told(True, "")
            if kind == "startup":
                return
        elif not good and failures >= settings["failureThreshold"]:
            told(False, why)
            failures = 0
        await asyncio.sleep(settings["periodSeconds"])
