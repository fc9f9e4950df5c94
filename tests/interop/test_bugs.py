"""Juju's own bugs, as docs/juju-bugs.md walks them: the tests of those that no other file has, and that each named one exists."""

import re
import time
from pathlib import Path

from conftest import until
from gateway36 import ToReal, moving  # noqa: F401

ROOT = Path(__file__).parents[2]
# Leases of an import that came to nothing run out within a minute.
LEASES = 65


def test_juju_20361_a_destination_that_crashes_in_an_import_never_makes_a_second_owner(moving):
    move = moving(ToReal)
    move.migrate()

    def imports():
        shown = move.dst("show-migration", move.name, "--format", "json")
        # Nothing of the migration is there before the offer is.
        return shown.code == 0 and shown.json()["migration"]["state"] != "Receiving"

    until("the import has begun", imports)
    move.real.kill()
    move.real.start()
    if move.one_owner() == "destination":
        # The import was whole by then: nothing was left of it to be in the way.
        return
    time.sleep(LEASES)
    move.source.said[:] = [event for event in move.source.said if event["event"] == "serving"]
    move.migrate()
    # What 4.1 has kept of the import may be nothing, or half a model that its own `Abort` does not take away: the next try goes, or is refused.
    refused = "model with same UUID already exists"
    assert move.one_owner() == "destination" or refused in move.source.statuses(), move.source.statuses()


def test_juju_22899_what_an_abort_has_left_behind_is_named_with_what_to_type(moving):
    move = moving(ToReal, minions="fail-VALIDATION")
    reasons = []
    for pause in (0, LEASES):
        time.sleep(pause)
        move.source.said[:] = [event for event in move.source.said if event["event"] == "serving"]
        move.migrate()
        assert move.one_owner() == "source"
        reasons.append(move.source.statuses())
    # The first has failed by its agents, past staging; the second is refused for what that one has left.
    assert "some agents reported failure" in reasons[0]
    assert "permission already exists" in reasons[1] and "juju remove-offer" in reasons[1], reasons


def test_every_test_that_the_walk_names_is_there():
    walk = (ROOT / "docs" / "juju-bugs.md").read_text()
    names = set(re.findall(r"`([a-z][a-z0-9_]{30,})`", walk))
    assert len(names) >= 9
    sources = [path.read_text() for folder in ("src", "tests") for path in (ROOT / folder).rglob("*") if path.suffix in (".rs", ".py")]
    for name in names:
        assert any(re.search(rf"\b(?:fn|def) {name}\b", text) for text in sources), f"{name} is nowhere"
