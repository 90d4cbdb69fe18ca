# SPDX-License-Identifier: Apache-2.0
"""The ledger of drift, as `mooringctl drift` shows it."""
import json

from .world import Trouble


def lines(world):
    """id → line of the ledger."""
    found = json.loads(world.ctl("drift", "--format", "json").ok().out)
    found = found["drift"] if isinstance(found, dict) else found
    return {line["id"]: line for line in found}


def repaired(world, before, *parts, outcome="repaired"):
    """A line that came since BEFORE (lines) and is repaired, as text; its `drift show` must say all PARTS."""
    def there():
        for number in lines(world).keys() - before.keys():
            text = world.ctl("drift", "show", number).ok().out
            if all(part in text for part in parts) and outcome in text:
                return text
        return None
    try:
        return world.wait_for(f"a line of drift that says {parts} and {outcome}", there)
    except Trouble as trouble:
        shown = [world.ctl("drift", "show", number).out for number in lines(world).keys() - before.keys()]
        raise Trouble("\n".join([str(trouble), "new lines:", *shown])) from None
