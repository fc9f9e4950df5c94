"""Every fault of a migration out of Juju 3.6 in every phase: what comes of it, who owns the model, and how long the master took.

The rows are those of the table in docs/juju-source.md. `-s` prints each with the time that it took.
"""

import time
from pathlib import Path

import pytest

from conftest import until
from gateway36 import ToEmbedded, ToReal, moving  # noqa: F401
from models41 import DATA, read

DOCUMENT = Path(__file__).parents[2] / "docs" / "juju-source.md"
AWAY = 5


class Case:
    """A fault, when it comes, and what must come of it."""

    def __init__(self, fault, when, outcome, owner, *flags, kind=ToEmbedded, migrate=(), **options):
        self.fault, self.when, self.outcome, self.owner = fault, when, outcome, owner
        self.kind, self.flags, self.options, self.migrate = kind, flags, options, migrate

    def __str__(self):
        return f"{self.fault}, {self.when}" if self.when else self.fault

    def row(self):
        return (self.fault, self.when, self.outcome, self.owner)

    def prepare(self, move):
        """Makes ready what is not made of flags."""

    def begun(self, move):
        """Acts once the migration has begun."""


class At(Case):
    """Something that happens as soon as the master has set a phase."""

    def prepare(self, move):
        self.happened = False

        def act():
            self.act(move)
            self.happened = True

        move.source.at(self.when, act)

    def begun(self, move):
        until(f"{self.when} is reached", lambda: self.happened, 60)
        self.after(move)


class Cut(At):
    def act(self, move):
        move.link.is_cut = True

    def after(self, move):
        time.sleep(AWAY)
        move.link.is_cut = False


class CutForEver(At):
    act = Cut.act

    def after(self, move):
        move.until_ended()
        assert not move.is_live()
        # So that the destination hears of it, and drops its copy.
        move.link.is_cut = False


class CutByHand(CutForEver):
    """The link does not come back: a person carries what each side has signed to the other."""

    def after(self, move):
        proof = lambda agent: agent("show-migration", move.name, "--proof")
        file = move.dst.dir / "commit"
        file.write_text(until("the source has a proof", lambda: (said := proof(move.src)).code == 0 and said.out))
        move.dst("resolve", move.name, "--proof", file).ok()
        until("the destination serves the model", move.is_live)
        file = move.src.dir / "activated"
        file.write_text(until("the destination has a proof", lambda: (said := proof(move.dst)).code == 0 and said.out))
        move.src("resolve", move.name, "--proof", file).ok()
        move.until_ended()
        # For what follows: the log.
        move.link.is_cut = False


class Killed(At):
    """An agent is killed, and is there again `away` seconds later."""

    which, away = "src", 0

    def act(self, move):
        getattr(move, self.which).kill()

    def after(self, move):
        time.sleep(self.away)
        getattr(move, self.which).start()


class TargetKilled(Killed):
    which, away = "dst", AWAY


class SourceControllerKilled(At):
    def act(self, move):
        move.source.process.kill()
        move.source.process.wait()

    def after(self, move):
        move.source.start()


class RealKilled(At):
    def act(self, move):
        move.real.kill()

    def after(self, move):
        time.sleep(AWAY)
        move.real.start()


class BadImport(Case):
    def prepare(self, move):
        # What is known to fail is refused before; an operator may know better, or think so.
        config = move.dst.dir / "agent.toml"
        passes = '[embedded]\nrefusals = [{ hurdle = "unknown-settings", level = "pass" }]\n'
        config.write_text(config.read_text() + passes)
        move.dst.kill()
        move.dst.start()
        until("the peers are connected", lambda: move.src("peers", "--format", "json").json()[0]["connected"])
        application = move.model["applications"]["applications"][0]
        # What the description library takes, and the import does not: a setting that the charm does not have.
        application["settings"] = {**(application.get("settings") or {}), "no-such-setting": "x"}
        move.write()
        move.source.restart()


INSTANCE = read(DATA / "iaas-4machines.doc12.yaml")["machines"]["machines"][0]["instance"]["instance-id"]
EITHER, ONE = "DONE or ABORT", "one"
DONE, ABORT = ("DONE", "destination"), ("ABORT", "source")
BUDGET = ("--max-freeze", "20s")
CASES = [
    Case("none", "", *DONE),
    *[Cut("link cut for 5 s", phase, *DONE) for phase in ("IMPORT", "VALIDATION", "SUCCESS")],
    *[CutForEver("link cut for ever", phase, *ABORT, migrate=BUDGET) for phase in ("IMPORT", "VALIDATION")],
    CutByHand("link cut for ever", "SUCCESS", "DONE, by proofs that are carried by hand", "destination", migrate=BUDGET),
    Killed("source's agent killed", "IMPORT", EITHER, ONE),
    Killed("source's agent killed", "VALIDATION", EITHER, ONE),
    Killed("source's agent killed", "SUCCESS", *DONE),
    TargetKilled("destination's agent killed for 5 s", "IMPORT", EITHER, ONE),
    TargetKilled("destination's agent killed for 5 s", "VALIDATION", *DONE),
    TargetKilled("destination's agent killed for 5 s", "SUCCESS", *DONE),
    SourceControllerKilled("source's controller killed", "VALIDATION", EITHER, ONE),
    RealKilled("destination's controller killed for 5 s †", "IMPORT", EITHER, ONE, kind=ToReal),
    RealKilled("destination's controller killed for 5 s †", "VALIDATION", *DONE, kind=ToReal),
    RealKilled("destination's controller killed for 5 s †", "SUCCESS", *DONE, kind=ToReal),
    Case("reply dropped", "`Import`", *ABORT, "-lose", "Import"),
    Case("reply dropped", "`CheckMachines`", *DONE, "-lose", "CheckMachines"),
    Case("reply dropped", "`Activate`", *ABORT, "-lose", "Activate"),
    Case("reply dropped †", "`Activate`", *ABORT, kind=ToReal, lose="Activate"),
    Case("reply dropped", "`AdoptResources`", *DONE, "-lose", "AdoptResources"),
    BadImport("`Import` fails †", "IMPORT", *ABORT, kind=ToReal),
    Case("an instance is missing †", "VALIDATION", *ABORT, "-missing-instance", INSTANCE, kind=ToReal),
    Case("`AdoptResources` fails twice †", "SUCCESS", *DONE, "-fail-adopt", "2", kind=ToReal),
    Case("an agent that never reports, waited for 20 s", "VALIDATION", *ABORT, "-minions", "silent-VALIDATION"),
    Case("an agent that never reports, waited for 20 s", "SUCCESS", *DONE, "-minions", "silent-SUCCESS"),
    Case(
        "logins throttled to one in 2 s, three real minions †", "VALIDATION", *DONE, "-address", "localhost",
        "-agent-ratelimit", "1:2s", kind=ToReal, minions="real",
    ),
]
# What the source's own status says of the reason, where there is one.
REASONS = {
    "`Import` fails †": "model data transfer failed",
    "an instance is missing †": "machine sanity check failed",
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_fault_has_the_outcome_and_the_owner_that_the_document_says(moving, case):
    move = moving(case.kind, *case.flags, **case.options)
    case.prepare(move)
    move.migrate(*case.migrate)
    case.begun(move)
    owner = move.one_owner()
    outcome = "DONE" if owner == "destination" else "ABORT"
    assert outcome in case.outcome and case.owner in (owner, ONE), (outcome, owner, move.source.statuses())
    assert REASONS.get(case.fault, "") in move.source.statuses()
    log = (move.source.dir / "log").read_text()
    assert "try again" not in log, "an agent was turned away"
    print("\n| " + " | ".join([*case.row(), f"{move.source.seconds():.0f} s"]) + " |")


def rows():
    """The first four columns of the table in the document."""
    lines = DOCUMENT.read_text().splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("| fault | when |"))
    for line in lines[begin + 2:]:
        if not line.startswith("|"):
            return
        yield tuple(cell.strip() for cell in line.strip("|").split("|"))[:4]


def test_the_document_has_every_case_and_no_other():
    expected = [case.row() for case in CASES]
    assert list(rows()) == expected, "docs/juju-source.md should have:\n" + "\n".join("| " + " | ".join(row) + " |" for row in expected)
