# SPDX-License-Identifier: Apache-2.0
"""Prometheus' text, read: series by name and labels."""
import re

LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Series:
    """All series of one answer."""

    def __init__(self, text):
        self.text, self.all = text, []
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            found = LINE.match(line)
            if not found:
                raise ValueError(f"no line of Prometheus' text: {line}")
            self.all.append((found[1], dict(LABEL.findall(found[2] or "")), float(found[3])))

    def names(self):
        return {name for name, _, _ in self.all}

    def values(self, name, **labels):
        """Of the series of that NAME that have LABELS."""
        return [value for n, own, value in self.all if n == name and labels.items() <= own.items()]

    def total(self, name, **labels):
        return sum(self.values(name, **labels))

    def labels(self, name):
        """Sets of label names and values: {label: {value}}."""
        found = {}
        for n, own, _ in self.all:
            for label, value in own.items() if n == name else ():
                found.setdefault(label, set()).add(value)
        return found


def read(world):
    status, text = world.daemon.api("GET", "/v1/metrics")
    if status != 200:
        raise RuntimeError(f"/v1/metrics answered {status}: {text}")
    return Series(text)
