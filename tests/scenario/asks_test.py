#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What steps of actions ask of the outside, from the API to a pod and back: asks_test.py BUILD SIM

The charm `reaching` asks whatever it is told to. Commands in the simulator's pods run on this machine."""
import gzip
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from mooringd import Daemon, Failed, Sim, until  # noqa: E402
from operations import MODEL, Operations, same  # noqa: E402

POD = "db-0"
GIVES = ["sh", "-c", "yes 0123456789abcdef | head -c 30000000"]


class World(Operations):
    def __init__(self, build, sim, folder):
        self.folder, self.build = Path(folder), Path(build)
        self.sim = Sim(sim, self.folder / "sim")
        self.control("exec", "*", "*", "-")
        self.daemon = Daemon(self.folder / "d", build, [Path(build) / "tests/charm"], ["--log-level", "info"])
        self.daemon.start()
        self.daemon.add_cluster("sim", self.sim.kubeconfig)
        self.daemon.add_model("m", "sim")
        self.roles = {name: self.role(name) for name in ("acting", "reaching")}
        self.daemon.deploy("m", "reaching", "db")
        self.daemon.wait_in_place(3)
        until(self.has_unit, "the pod to be a unit")

    def control(self, *words):
        subprocess.run([self.sim.program, "ctl", "--control", self.sim.folder / "control", *words], check=True)

    def has_unit(self):
        return POD in json.dumps(self.daemon.call("GET", f"{MODEL}/status"))

    def role(self, charm):
        """{resource: verbs} of the least ClusterRole with that charm."""
        found = self.daemon.call("GET", f"/v1/cluster-role?format=json&charms={charm}")
        return {rule["resource"]: sorted(rule["verbs"]) for rule in found["rules"]}

    def begin(self, verb, what):
        return self.run("ask", "db", params={"verb": verb, "what": json.dumps(what)})

    def ask(self, verb, what):
        """Outcome, answer and error of one ask."""
        o = self.end(self.begin(verb, what))
        same((o["status"], o["message"]), ("completed", ""), f"{verb} {what}")
        answer = o["results"].get("answer")
        return o["results"]["outcome"], json.loads(answer) if answer else None, o["results"].get("error") or ""

    def backups(self):
        top = self.daemon.state / "backups"
        return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())

    def stop(self):
        self.daemon.stop()
        self.sim.stop()


def a_command_answers(w):
    outcome, answer, _ = w.ask("exec", {"pod": POD, "argv": ["sh", "-c", "echo $SIM_POD; cat; exit 3"], "stdin": "fed"})
    same((outcome, answer["exit"], answer["stdout"]), ("done", 3, "db-0\nfed"), "the command")


def a_secret_goes_in_by_stdin_only_and_is_told_by_nobody(w):
    password = json.loads(w.ask("exec", {"pod": POD, "argv": ["sh", "-c", "wc -c; cat >/dev/null"], "stdin": "KEY"})[1]["stdout"])
    same(password, 32, "the length of what stdin had")
    outcome, answer, _ = w.ask("exec", {"pod": POD, "argv": ["cat"], "stdin": "it is KEY."})
    same((outcome, answer["stdout"]), ("done", "it is (hidden)."), "what came back")
    o = w.end(w.begin("exec", {"pod": POD, "argv": ["login", "-pKEY"]}))
    same((o["status"], o["turns"]), ("failed", []), "a secret on a command line")
    same(o["message"], "step ask: exec: a secret at /ask/argv/1 would be seen by others: it may not stand there", "why")
    seen = w.folder / "seen"
    w.ask("exec", {"pod": POD, "argv": ["sh", "-c", f"cat >{seen}"], "stdin": "KEY"})
    text = json.dumps(w.daemon.query("SELECT * FROM operation_turn"), default=str)
    same(("(hidden)" in text, len(seen.read_text()), seen.read_text() in text), (True, 32, False), "what the journal has of the answer")


def only_pods_of_its_own_are_reached(w):
    operation = w.begin("exec", {"pod": "other-0", "argv": ["true"]})
    until(lambda: "no pod other-0" in json.dumps(w.show(operation)), "what it waits for")
    w.daemon.call("POST", f"{MODEL}/operations/{operation}/cancel")
    same(w.end(operation)["status"], "cancelled", "in the end")
    outcome, _, _ = w.ask("http", {"pod": POD, "port": 0})
    same(outcome, "refused", "a port that is none")


def a_stream_is_written_verified_and_read(w):
    sum_path = w.folder / "sum"
    outcome, wrote, _ = w.ask("stream", {"from": {"pod": POD, "argv": GIVES}, "to": {"file": "one.gz"}, "gzip": True})
    same((outcome, wrote["plain-bytes"]), ("done", 30000000), "the stream")
    same(w.backups(), ["m/db/one.gz"], "the files")
    stored = (w.daemon.state / "backups/m/db/one.gz").read_bytes()
    same((len(stored), hashlib.sha256(stored).hexdigest()), (wrote["bytes"], wrote["sha256"]), "what is stored")
    same(hashlib.sha256(gzip.decompress(stored)).hexdigest(), wrote["plain-sha256"], "what it unpacks to")
    outcome, verified, _ = w.ask("stream", {"from": {"file": "one.gz"}, "undo": True, "gzip": True, "sha256": wrote["sha256"]})
    same((outcome, verified["plain-sha256"]), ("done", wrote["plain-sha256"]), "verified")
    outcome, _, _ = w.ask("stream", {"from": {"file": "one.gz"}, "undo": True, "gzip": True,
                                     "to": {"pod": POD, "argv": ["sh", "-c", f"sha256sum >{sum_path}"]}})
    same((outcome, sum_path.read_text().split()[0]), ("done", wrote["plain-sha256"]), "what the command read")


def a_sealed_stream_opens_by_its_key_alone(w):
    outcome, _, _ = w.ask("stream", {"from": {"pod": POD, "argv": ["echo", "plain text"]}, "to": {"file": "sealed"}, "key": "KEY"})
    same(outcome, "done", "sealing")
    path = w.daemon.state / "backups/m/db/sealed"
    same(b"plain text" in path.read_bytes(), False, "what is stored")
    same(w.ask("stream", {"from": {"file": "sealed"}, "undo": True, "key": "KEY"})[0], "done", "opening")
    path.write_bytes(path.read_bytes()[:-1])
    outcome, _, error = w.ask("stream", {"from": {"file": "sealed"}, "undo": True, "key": "KEY",
                                         "to": {"pod": POD, "argv": ["touch", str(w.folder / "touched")]}})
    same((outcome, (w.folder / "touched").exists()), ("refused", False), error)
    outcome, _, error = w.ask("stream", {"from": {"file": "sealed"}, "undo": True, "key": "a plain text"})
    same((outcome, "token" in error), ("refused", True), error)


def files_of_streams_are_listed_and_deleted(w):
    same(w.ask("stream", {"from": {"pod": POD, "argv": ["echo", "note"]}, "to": {"file": "notes/one"}})[0], "done", "the stream")
    files = {f["file"]: f["bytes"] for f in w.daemon.call("GET", f"{MODEL}/files")["files"]}
    same(files.get("db/notes/one"), 5, f"its size in {files}")
    ctl = [w.build / "tools/mooringctl/mooringctl", "--socket", w.daemon.socket, "--model", "m"]
    for words, code, text in ((["list-files", "db"], 0, "notes/one"), (["delete-file", "db", "../../../model.db"], 1, "is no name of a file"),
                              (["delete-file", "db", "notes/one"], 0, "delete file notes/one of db"), (["delete-file", "db", "notes/one"], 1, "No such file"),
                              (["audit", "--what", "delete-file"], 0, "delete-file")):
        done = subprocess.run(ctl[:1] + words + ctl[1:], text=True, capture_output=True, check=False, timeout=60)
        same((done.returncode, text in done.stdout + done.stderr), (code, True), f"{words}: {done.stdout}{done.stderr}")
    same([f["file"] for f in w.daemon.call("GET", f"{MODEL}/files")["files"] if "notes" in f["file"]], [], "what is left")


def a_stream_that_breaks_leaves_nothing(w):
    outcome, _, error = w.ask("stream", {"from": {"pod": POD, "argv": ["sh", "-c", "echo half; echo no disk >&2; exit 1"]},
                                         "to": {"file": "never"}})
    same((outcome, "no disk" in error), ("refused", True), error)
    until(lambda: not [name for name in w.backups() if "never" in name], "nothing to be left")


def a_stream_that_is_cancelled_is_broken_off(w):
    operation = w.begin("stream", {"from": {"pod": POD, "argv": ["sh", "-c", "head -c 5000000 /dev/zero; cat"]}, "to": {"file": "endless"}})
    until(lambda: ((w.show(operation)["now"] or {}).get("moved") or 0) > 0, "bytes that moved")
    w.daemon.call("POST", f"{MODEL}/operations/{operation}/cancel")
    o = w.end(operation)
    same((o["status"], o["turns"][0]["error"]), ("cancelled", "broken off: it was cancelled"), "the end")
    until(lambda: not [name for name in w.backups() if "endless" in name], "nothing to be left")


def a_stream_of_a_killed_daemon_is_done_again(w):
    gate = w.folder / "gate"
    command = ["sh", "-c", f"head -c 5000000 /dev/zero; while ! [ -e {gate} ]; do sleep 0.05; done; echo end"]
    operation = w.begin("stream", {"from": {"pod": POD, "argv": command}, "to": {"file": "killed"}})
    until(lambda: ((w.show(operation)["now"] or {}).get("moved") or 0) > 0, "the file's beginning")
    w.daemon.kill()
    gate.touch()
    w.daemon.start()
    o = w.end(operation)
    same((o["status"], o["results"]["outcome"]), ("completed", "done"), "after the kill")
    same((w.daemon.state / "backups/m/db/killed").stat().st_size, 5000004, "its size")
    same([name for name in w.backups() if "killed" in name], ["m/db/killed"], "what is left")


def only_what_charm_yaml_lists_is_asked_of_the_cluster(w):
    for verb in ("frobnicate", "sql"):
        o = w.end(w.begin(verb, {"statements": []}))
        same((o["status"], o["turns"]), ("failed", []), verb)
        same(o["message"], f"step ask: asks for {verb}, which charm.yaml does not list under asks of action ask", "why")


def objects_of(w, kind):
    group = "apis/batch/v1" if kind == "jobs" else "api/v1"
    return [o for o in w.sim.get(f"/{group}/namespaces/m/{kind}")["items"] if "mooring.dev/operation" in o["metadata"].get("labels", {})]


def objects_of_an_operation_live_as_long_as_it_does(w):
    operation = w.run("work", "db", params={"pause": 600})
    until(lambda: objects_of(w, "jobs"), "the Job")
    note = objects_of(w, "configmaps")[0]["metadata"]
    same((note["name"], note["labels"]["mooring.dev/operation"]), (f"note-{operation}", str(operation)), "the ConfigMap")
    w.daemon.kill()
    w.daemon.start()
    until(lambda: w.show(operation)["step"] == "pause", "the Job's end")
    same((len(objects_of(w, "jobs")), len(objects_of(w, "configmaps"))), (1, 1), "what there is after a kill")
    w.call("POST", f"{MODEL}/operations/{operation}/cancel")
    o = w.end(operation)
    same((o["status"], o["results"]["succeeded"], o["turns"][-1]["ask"]["kind"], o["turns"][-1]["outcome"]), ("cancelled", "true", "remove", "done"), "the end")
    same((objects_of(w, "jobs"), objects_of(w, "configmaps")), ([], []), "what is left")


def a_job_that_fails_is_an_answer(w):
    w.control("fail-pods", "*-*-*-*", "Failed")        # those of Jobs
    o = w.end(w.run("work", "db"))
    w.control("clear")
    same((o["status"], o["results"]["succeeded"], o["turns"][1]["outcome"]), ("completed", "false", "done"), f"a Job that failed: {o}")
    same(objects_of(w, "jobs"), [], "what is left")


def objects_that_cannot_be_removed_are_leftovers(w):
    operation = w.run("work", "db", params={"pause": 600})
    until(lambda: w.show(operation)["step"] == "pause", "the Job's end")
    w.control("fault", "403", "--path", "/configmaps", "--method", "DELETE")
    w.call("POST", f"{MODEL}/operations/{operation}/cancel")
    same(w.end(operation)["status"], "cancelled", "the end")
    w.control("clear")
    left = [x for x in w.call("GET", "/v1/leftovers")["leftovers"] if f"operation {operation}" in json.dumps(x)]
    same(len(left), 2, f"leftovers: {left}")


def objects_of_others_are_not_touched(w):
    w.sim.post("/api/v1/namespaces/m/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}, "data": {"a": "b"}})
    for name, what, text in (("theirs", "ConfigMap", "is none of this operation"), ("x", "Secret", "no Secret is made so"), ("y", "Namespace", "is made so")):
        outcome, _, error = w.ask("apply", {"object": {"apiVersion": "v1", "kind": what, "metadata": {"name": name}}})
        same((outcome, text in error), ("conflict" if name == "theirs" else "refused", True), error)
    same(w.sim.get("/api/v1/namespaces/m/configmaps/theirs")["data"], {"a": "b"}, "what was there")


def only_who_runs_commands_needs_the_right_to(w):
    same(w.roles["reaching"].get("pods/exec"), ["create", "get"], "the role with actions that exec")
    same(w.roles["reaching"].get("pods/log"), ["get"], "the same for logs")
    same(w.roles["reaching"].get("jobs"), ["create", "delete", "get", "list", "patch", "watch"], "the role with actions that run Jobs")
    same(w.roles["acting"].get("pods/exec"), None, "the role without")


TESTS = (only_who_runs_commands_needs_the_right_to, a_command_answers, a_secret_goes_in_by_stdin_only_and_is_told_by_nobody,
         only_what_charm_yaml_lists_is_asked_of_the_cluster, only_pods_of_its_own_are_reached,
         a_stream_is_written_verified_and_read, a_sealed_stream_opens_by_its_key_alone, files_of_streams_are_listed_and_deleted, a_stream_that_breaks_leaves_nothing, a_stream_that_is_cancelled_is_broken_off,
         a_stream_of_a_killed_daemon_is_done_again, objects_of_an_operation_live_as_long_as_it_does, a_job_that_fails_is_an_answer,
         objects_of_others_are_not_touched, objects_that_cannot_be_removed_are_leftovers)


def main():
    build, sim = sys.argv[1:3]
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="asks-") as folder:
        w = World(build, sim, folder)
        try:
            for test in TESTS:
                test(w)
                print(f"ok {test.__name__}")
        except Failed:
            print(w.daemon.log_tail(40), file=sys.stderr)
            raise
        finally:
            w.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
