#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_rules.py MOORINGCTL: the alert rules by promtool, their tests, the runbooks (of alerts, actions, messages, events), and the dashboard's queries."""
import functools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import promql
import yaml

sys.dont_write_bytecode = True
sys.path.insert(0, str(promql.ROOT / "tests" / "peers"))
from harness import paths  # noqa: E402

MOORINGCTL = sys.argv[1]
COMMAND = re.compile(r"\bmooringctl ([a-z][a-z-]*)((?: (?:--?[a-z][\w-]*|[\w./=:-]+))*)")


def promtool():
    try:
        return paths.program("promtool")
    except LookupError as error:
        print(f"skipped: {error}")
        sys.exit(1 if os.environ.get("CI") else 77)


def run(*words):
    done = subprocess.run([str(w) for w in words], text=True, capture_output=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


@functools.cache
def help_of(command):
    code, text = run(MOORINGCTL, "help", command)
    return text if code == 0 else None


# ---- what is checked: each gives a list of faults

def runbooks_are_those_of_the_alerts():
    pages = {path.stem for path in promql.RUNBOOKS.glob("Mooring*.md")}     # doctor.md is compared with its checks in admin/doctor
    alerts = promql.alerts()
    faults = [f"{name} has no runbook" for name in alerts.keys() - pages] + [f"{name}.md is of no alert" for name in pages - alerts.keys()]
    for name, rule in alerts.items():
        if rule["annotations"].get("runbook") != f"docs/runbooks/{name}.md":
            faults.append(f"{name} does not name its runbook")
        if rule["labels"]["severity"] not in ("critical", "warning", "info"):
            faults.append(f"{name} has no known severity")
    return faults


def runbooks_say_what_it_means_where_to_look_what_to_do_and_how_back():
    faults = []
    for path in promql.RUNBOOKS.glob("Mooring*.md"):
        parts = re.split(r"^## (.+)$", path.read_text(), flags=re.M)
        if not parts[0].startswith(f"# {path.stem}\n\n") or len(parts[0]) < 100:
            faults.append(f"{path.name} does not begin with what it means")
        if parts[1::2] != ["Look at", "Do", "Undo"] or not all(part.strip() for part in parts[2::2]):
            faults.append(f"{path.name} lacks one of Look at, Do, Undo")
        for other in re.findall(r"\bMooring[A-Z]\w+", path.read_text()):
            if not (promql.RUNBOOKS / f"{other}.md").exists():
                faults.append(f"{path.name} names {other}, which is no alert")
    return faults


def commands_of_the_runbooks_exist():
    faults = []
    for path in promql.RUNBOOKS.glob("*.md"):
        for command, words in COMMAND.findall(path.read_text()):
            text = help_of(command)
            if text is None:
                faults.append(f"{path.name}: there is no mooringctl {command}")
                continue
            faults += [f"{path.name}: mooringctl {command} has no {option}" for option in re.findall(r"(?<= )--[a-z-]+", words)
                       if f"{option}=" not in text and f"{option} " not in text]
    return faults


def series_of_the_runbooks_are_in_operating_md():
    known = (promql.ROOT / "docs" / "operating.md").read_text()
    prefixes = re.findall(r"`(mooring_[a-z]+_)\w+`(?:, `_\w+`)+", known)
    names = set(re.findall(r"`(mooring_\w+)", known)) | {p + s for p in prefixes for s in re.findall(r"`_(\w+)`", known)}
    return [f"{path.name}: {name} is not in operating.md" for path in promql.RUNBOOKS.glob("*.md")
            for name in re.findall(r"`(mooring_\w+)", path.read_text()) if name not in names]


CHARMS = [path.parent for path in sorted((promql.ROOT / "charms").glob("[a-z]*/charm.yaml"))]
BULLETS = ["Means", "Look at", "Do", "Undo"]


def page_of(charm):
    path = promql.RUNBOOKS / f"charm-{charm.name}.md"
    return path.read_text() if path.exists() else ""


def every_action_has_its_runbook():
    faults = [f"{path.name} is of no charm" for path in promql.RUNBOOKS.glob("charm-*.md") if path.stem[6:] not in [c.name for c in CHARMS]]
    for charm in CHARMS:
        actions = set(yaml.safe_load((charm / "charm.yaml").read_text()).get("actions") or {})
        parts = re.split(r"^## (.+)$", page_of(charm), flags=re.M)
        sections = dict(zip(parts[1::2], parts[2::2]))
        faults += [f"docs/runbooks/charm-{charm.name}.md has no section of the action {name}" for name in actions - sections.keys()]
        faults += [f"charm-{charm.name}.md: {name} is no action of {charm.name}" for name in sections.keys() - actions - {"Status"}]
        faults += [f"charm-{charm.name}.md: {name} lacks one of {', '.join(BULLETS)}" for name in actions & sections.keys()
                   if re.findall(r"^- \*\*(.+?)\*\*: \S", sections[name], re.M) != BULLETS]
    return faults


def said_by(charm):
    """The texts of a charm's C that a person is to act on, the longest piece of each that is the same every time."""
    shared = (charm.parent / "sdk").glob("backup*.c") if (charm / "objects/backup-target.yaml").exists() else []
    for path in sorted([*charm.glob("*.c"), *shared]):
        for what, literals in re.findall(r'(CHARM_BLOCKED,|charm_fail\(p,|charm_give_up\(\s*a,)\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', path.read_text()):
            text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals)).replace('\\"', '"')
            pieces = [piece.strip(" .,:;()\"'") for piece in re.split(r"%[-.0-9]*[a-z]+", text)]
            yield max(pieces, key=len)[:24].strip()


def what_charms_say_is_in_a_runbook():
    faults = []
    for charm in CHARMS:
        pages = [page_of(charm)] + [(promql.RUNBOOKS / name).read_text() for name in re.findall(r"\]\(([\w-]+\.md)\)", page_of(charm))]
        known = " ".join(" ".join(pages).split()).replace("`", "").lower()
        faults += [f"charm-{charm.name}.md does not have \"{piece}\"" for piece in said_by(charm) if piece.lower() not in known]
    return faults


def events():
    """The ids of what is logged as an error or a warning."""
    found = set()
    for path in (promql.ROOT / "daemon").rglob("*.c"):
        for call in re.findall(r'\b(?:log_event|log_plain|reconcile_log)\(((?:[^"]|"[a-z][a-z-]*")*)', path.read_text()):
            head = re.sub(r"str_eq\([^)]*\)", "", call).split("(struct log_field")[0]
            if re.search(r"LOG_WARNING|LOG_ERR|\blevel\b", head):
                found |= set(re.findall(r'"([a-z][a-z-]*)"', head))
    return found


def every_event_that_is_an_error_or_a_warning_has_its_row():
    rows = [line.split("|") for line in (promql.RUNBOOKS / "events.md").read_text().splitlines() if line.startswith("| `")]
    known = [name for row in rows for name in re.findall(r"`([a-z-]+)`", row[1])]
    return ([f"events.md has no row of {name}" for name in events() - set(known)] + [f"events.md: {name} is no event" for name in set(known) - events()]
            + [f"events.md has {name} twice" for name in set(known) if known.count(name) > 1]
            + [f"events.md: {row[1].strip()} does not say what it means, what to look at or what to do" for row in rows if not row[2].strip() or len(row) != 7])


def rules_pass_their_tests():
    code, text = run(promtool(), "check", "rules", promql.RULES)
    if code:
        return [text]
    code, text = run(promtool(), "test", "rules", promql.RULE_TESTS)
    return [text] if code else []


def every_rule_is_seen_to_fire_and_not_to_fire():
    fired, silent = set(), set()
    for test in yaml.safe_load(promql.RULE_TESTS.read_text())["tests"]:
        checks = test["alert_rule_test"]
        for check in checks:
            if check.get("exp_alerts"):
                fired.add(check["alertname"])
        if not any(check.get("exp_alerts") for check in checks):
            silent |= {check["alertname"] for check in checks}
    names = promql.alerts().keys()
    return [f"{name} is never seen to fire" for name in names - fired] + [f"{name} is never seen silent" for name in names - silent]


def queries_of_the_dashboard_are_promql():
    rules = [{"record": f"panel:{number}", "expr": query}
             for number, query in enumerate(q for queries in promql.dashboard_queries().values() for q in queries)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "panels.yaml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
        code, text = run(promtool(), "check", "rules", path)
    return [text] if code else []


def the_configuration_is_one():
    code, text = run(promtool(), "check", "config", "--syntax-only", promql.ROOT / "docs" / "monitoring" / "prometheus.yaml")
    return [text] if code else []


def main():
    failed = 0
    for check in (runbooks_are_those_of_the_alerts, runbooks_say_what_it_means_where_to_look_what_to_do_and_how_back,
                  commands_of_the_runbooks_exist, every_action_has_its_runbook, what_charms_say_is_in_a_runbook,
                  every_event_that_is_an_error_or_a_warning_has_its_row, series_of_the_runbooks_are_in_operating_md, every_rule_is_seen_to_fire_and_not_to_fire,
                  rules_pass_their_tests, queries_of_the_dashboard_are_promql, the_configuration_is_one):
        faults = check()
        failed += bool(faults)
        print(f"{'not ok' if faults else 'ok'} - {check.__name__.replace('_', ' ')}", *faults, sep="\n  ")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
