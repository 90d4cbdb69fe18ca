# SPDX-License-Identifier: Apache-2.0
"""What the rules and the dashboard ask for, taken apart as far as it takes to say which series they need."""
import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "docs" / "monitoring" / "mooring.rules.yaml"
RULE_TESTS = ROOT / "tests" / "monitoring" / "mooring.rules.test.yaml"
DASHBOARD = ROOT / "docs" / "monitoring" / "mooring-dashboard.json"
RUNBOOKS = ROOT / "docs" / "runbooks"
SELECTOR = re.compile(r"\b((?:mooring|process)_\w+|up\b)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
PROMETHEUS_OWN = {"instance", "job", "le"}      # labels that no daemon sets


def alerts():
    return {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}


def dashboard_queries():
    """title → its queries, with Grafana's own variables filled in."""
    found = {}
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$model", ".*")
            found.setdefault(panel["title"], []).append(query)
    return found


def selectors(query):
    """[(metric, {label: value or None})]; None: matched by an expression."""
    return [(name, {label: value if sign == "=" else None for label, sign, value in MATCHER.findall(inside or "")})
            for name, inside in SELECTOR.findall(query)]


def groupings(query):
    return {label.strip() for inside in GROUPING.findall(query) for label in inside.split(",") if label.strip()}


def unknown(query, series):
    """What of QUERY is not among SERIES (lib.metrics), in words."""
    faults, known = [], set(PROMETHEUS_OWN)
    for name, matchers in selectors(query):
        labels = series.labels(name)
        known |= labels.keys()
        if name == "up":
            continue
        if name not in series.names():
            faults.append(f"there is no series {name}")
        for label, value in matchers.items():
            if label not in labels and label not in PROMETHEUS_OWN:
                faults.append(f"{name} has no label {label}")
            elif value is not None and label not in PROMETHEUS_OWN and value not in labels[label]:
                faults.append(f"{name} has no series with {label}=\"{value}\"")
    if not selectors(query):
        faults.append("it asks for no series of ours")
    return faults + [f"no metric in it has the label {label} that it groups by" for label in groupings(query) - known]
