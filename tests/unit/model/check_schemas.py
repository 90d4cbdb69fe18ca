#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The schemas for editors know every key that the program knows, and hold for real bundles and our charms.

    check_schemas.py SOURCE-ROOT

The keys are compared with the tables in daemon/model; the validation needs python3-jsonschema and is skipped, with that
reason, where it is missing. Exit 77: skipped."""
import glob
import json
import os
import re
import sys

ROOT = sys.argv[1]


def keys_of(path, pattern):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return set(re.findall(pattern, f.read()))


def compare(what, ours, schema):
    for key in sorted(ours - schema):
        print(f"{what}: the program knows {key}, the schema does not")
    for key in sorted(schema - ours):
        print(f"{what}: the schema knows {key}, the program does not")
    return ours == schema


def load(name):
    with open(os.path.join(ROOT, "schema", name), encoding="utf-8") as f:
        return json.load(f)


def check_keys(bundle, charm):
    row = r'^        \{ "([a-z_-]+)", [a-z]+_?[a-z_]* \},$'
    application = set(bundle["$defs"]["application"]["properties"])
    ours = keys_of("daemon/model/bundle-application.c", "(?m)" + row) - {"offers", "plan"}
    top = keys_of("daemon/model/bundle-parse.c", "(?m)" + row)
    with open(os.path.join(ROOT, "daemon/model/charm-meta.c"), encoding="utf-8") as f:
        table = f.read().split("top_fields[] = {")[1].split("\n};")[0]
    fields = set(re.findall(r'(?:\{|KEPT\() ?"([a-z-]+)"', table))
    return all([compare("application in a bundle", ours, application),
                compare("bundle", top, set(bundle["properties"])),
                compare("charm.yaml", fields, set(charm["properties"]))])


def check_files(schema, paths):
    import jsonschema
    import yaml
    good = True
    for path in paths:
        with open(path, encoding="utf-8") as f:
            for error in jsonschema.Draft202012Validator(schema).iter_errors(yaml.safe_load(f)):
                print(f"{path}: {'/'.join(map(str, error.absolute_path))}: {error.message}")
                good = False
    return good


def main():
    bundle, charm = load("bundle.schema.json"), load("charm.schema.json")
    if not check_keys(bundle, charm):
        return 1
    try:
        import jsonschema  # noqa: F401
        import yaml  # noqa: F401
    except ImportError as e:
        print(f"keys agree; real files skipped: {e}")
        return 77
    shared = os.environ.get("MOORING_SHARED", os.path.join(ROOT, "..", "shared"))
    bundles = glob.glob(f"{ROOT}/examples/bundle*.yaml") + glob.glob(f"{shared}/upstream/bundle-*.yaml")
    charms = glob.glob(f"{ROOT}/charms/*/charm.yaml")
    return 0 if check_files(bundle, bundles) & check_files(charm, charms) else 1


sys.exit(main())
