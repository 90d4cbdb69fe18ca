# SPDX-License-Identifier: Apache-2.0
"""A request of somebody who logged in: `call(world, 1001, "POST", path, body)`; None where nobody can be played here.

The kernel says who logged in (/proc/PID/loginuid), and a process that nobody's login is noted of may note one, once."""
import json
import subprocess
import sys
from pathlib import Path


def call(world, login, method, path, body=None, headers=None):
    """(code, text)."""
    words = [sys.executable, "-B", __file__, str(login), str(world.daemon.socket), method, path, json.dumps(body) if body else "", json.dumps(headers or {})]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        return None
    code, _, text = done.stdout.partition("\n")
    if done.returncode:
        raise RuntimeError(done.stderr)
    return int(code), text


def main():
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from lib.world import UnixConnection
    login, socket, method, path, body, headers = sys.argv[1:]
    try:
        Path("/proc/self/loginuid").write_text(login, encoding="ascii")
    except OSError:
        return 77
    connection = UnixConnection(socket)
    connection.request(method, path, body or None, {"Content-Type": "application/json"} | json.loads(headers))
    answer = connection.getresponse()
    print(answer.status)
    print(answer.read().decode(errors="replace"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
