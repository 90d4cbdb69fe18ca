# SPDX-License-Identifier: Apache-2.0
"""What the pods of the charm `dialling` run, behind the text of mysql_client.py: program(). A connection each so many ms, with what the environment says, or the
files of /etc/database as they are just then; how many there were, and what failed, is written to /out. counted() reads that."""
import json
from pathlib import Path

PROGRAM = """
import json, os, signal, sys, time
KEYS = ("ENDPOINT", "USERNAME", "PASSWORD", "DATABASE", "CA")
ended, count, failed = [], 0, []
period, late = (int(ms) / 1000 for ms in sys.argv[1:3])
name, seen = f"/out/{os.uname().nodename}-{os.getpid()}-{time.time_ns()}", []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))

def read():
    # All of one time: the folder behind the link, which goes when the next one is there.
    while os.path.exists("/etc/database"):
        try:
            folder = os.path.realpath("/etc/database/..data")
            return as_late([open(f"{folder}/{key}").read() for key in KEYS])
        except FileNotFoundError:
            pass
    return [os.environ[key] for key in KEYS]

def as_late(now):
    # What was there so long ago; the oldest, if it was none yet.
    if not seen or seen[-1][1] != now:
        seen.append((time.monotonic(), now))
    while len(seen) > 1 and seen[1][0] <= time.monotonic() - late:
        seen.pop(0)
    return seen[0][1]

def tell():
    with open(f"{name}.part", "w") as file:
        json.dump({"connections": count, "failed": failed}, file)
    os.rename(f"{name}.part", f"{name}.json")

next_at = told_at = time.monotonic()
while not ended:
    try:
        endpoint, user, password, database, ca = read()
        host, port = endpoint.rsplit(":", 1)
        login((host, int(port)), user, password, database, trust=(ca, host) if ca else None)
    except (Refused, OSError) as trouble:
        failed.append(f"{time.strftime('%H:%M:%S')} {name} {user} {type(trouble).__name__} {trouble}")
    count += 1
    if time.monotonic() - told_at >= 1:
        told_at = time.monotonic()
        tell()
    next_at = max(next_at + period, time.monotonic() - 1)
    time.sleep(max(0, next_at - time.monotonic()))
tell()
"""


def program():
    return Path(__file__).with_name("mysql_client.py").read_text(encoding="utf-8") + PROGRAM


def counted(folder):
    """(connections, what failed) of all pods so far."""
    told = [json.loads(path.read_text(encoding="utf-8")) for path in Path(folder).glob("*.json")]
    return sum(one["connections"] for one in told), [line for one in told for line in one["failed"]]
