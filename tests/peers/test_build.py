#!/usr/bin/python3
"""The building of a list of pins that is not the peers' own (tools/bench/versions), with a stand-in for Go and a cache of its own."""
import contextlib
import io
import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from harness import build, paths  # noqa: E402

BENCH = HERE.parents[1] / "tools" / "bench"
GO = """#!/bin/sh
case "$1 $2" in
"version ") echo "go version go1.99.0 linux/amd64" ;;
"env GOVERSION") echo go1.99.0 ;;
"mod download") echo '{{"Dir": "{module}", "GoMod": "{module}/go.mod"}}' ;;
get*) echo "no such module here" >&2; exit 1 ;;
esac
"""


class More(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        module = self.folder / "module"
        (module / "config").mkdir(parents=True)
        (module / "config" / "one.yaml").write_text("kind: One\n")
        (module / "go.mod").write_text("module example.org/absent\n")
        go = self.folder / "bin" / "go"
        go.parent.mkdir()
        go.write_text(GO.format(module=module))
        go.chmod(0o755)
        self.enterContext(mock.patch.dict(os.environ, {"MOORING_PEERS_CACHE": str(self.folder / "cache"),
                                                       "PATH": f"{go.parent}:{os.environ['PATH']}"}))

    def build(self, text):
        versions = self.folder / "versions"
        versions.write_text(text)
        pins = paths.pins_of(versions, self.folder)
        with contextlib.redirect_stdout(io.StringIO()):
            return pins, build.build_more(pins)

    def test_a_program_that_cannot_be_built_is_named_with_its_reason_and_the_others_are_there(self):
        pins, failures = self.build("absent 1.0.0 go example.org/absent absent=.\nthings 2.0.0 files example.org/things kept=config\n")
        self.assertEqual(list(failures), ["absent"])
        self.assertIn("no such module here", failures["absent"])
        self.assertFalse(pins["absent"].folder.exists())
        self.assertEqual((pins["things"].folder / "kept" / "one.yaml").read_text(), "kind: One\n")

    def test_what_a_module_replaces_by_modules_is_replaced_and_its_folders_are_not(self):
        (self.folder / "module" / "go.mod").write_text("module example.org/one\n\nreplace example.org/two => ./two\n// replace a => b\n"
                                                       "replace example.org/three => example.org/four v1.2.3\n"
                                                       "replace (\n\texample.org/five v1.0.0 => example.org/five v1.1.0\n)\n")
        self.build("one 1.0.0 go example.org/one one=.\n")
        made = (paths.cache() / ".work" / "one" / "go.mod").read_text()
        self.assertEqual([line for line in made.splitlines() if line.startswith("re")],
                         ["require example.org/one v1.0.0", "replace example.org/three => example.org/four v1.2.3",
                          "replace example.org/five v1.0.0 => example.org/five v1.1.0"])

    def test_what_is_there_is_not_built_again(self):
        self.build("things 2.0.0 files example.org/things kept=config\n")
        (self.folder / "bin" / "go").write_text("#!/bin/sh\nexit 1\n")
        self.assertEqual(self.build("things 2.0.0 files example.org/things kept=config\n")[1], {})

    def test_a_long_command_says_where_it_is_and_a_failure_shows_what_it_said(self):
        seen = self.folder / "seen"

        class Progress:
            def say(self, text):
                if text.endswith("goes on: line 1 of the log is the package"):
                    seen.touch()
        paths.cache().mkdir()
        with mock.patch.object(build, "PROGRESS_SECONDS", 0.01), self.assertRaisesRegex(RuntimeError, "ended with 3:\nthe package$"):
            build.Build(Progress()).run(["sh", "-c", 'echo the package; until [ -e "$0" ]; do sleep 0.01; done; echo another; exit 3', seen])

    def test_the_benches_own_programs_have_their_source(self):
        pins = paths.pins_of(BENCH / "versions", BENCH)
        self.assertEqual([name for name, pin in pins.items() if pin.kind == "own"], ["applier"])
        self.assertTrue((pins["applier"].source / "main.go").is_file())
        self.assertFalse(pins.keys() & paths.pins().keys())      # else the peers would wait for it


if __name__ == "__main__":
    unittest.main()
