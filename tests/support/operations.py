# SPDX-License-Identifier: Apache-2.0
"""Actions of a model, run and followed by the admin API."""
from mooringd import Failed, until

MODEL = "/v1/models/m"
LIVE = ("pending", "running")


def same(found, wanted, what):
    if found != wanted:
        raise Failed(f"{what}: {found!r}, should be {wanted!r}")


class Operations:
    """What a world of tests has whose `daemon` runs actions in model m."""

    def call(self, method, path, body=None):
        return self.daemon.call(method, path, body)

    def run(self, action, application, **body):
        return self.call("POST", f"{MODEL}/applications/{application}/actions/{action}", body)["operation"]

    def show(self, operation):
        return self.call("GET", f"{MODEL}/operations/{operation}")

    def end(self, operation, seconds=120):
        def ended():
            o = self.show(operation)
            return o if o["status"] not in LIVE else None
        return until(ended, f"the end of operation {operation}: {self.show(operation)}", seconds)

    def refused(self, text, method, path, body=None):
        try:
            answer = self.call(method, path, body)
        except Failed as e:
            same(text in str(e), True, f"{e} should say: {text}")
        else:
            raise Failed(f"{method} {path} was not refused: {answer}")
