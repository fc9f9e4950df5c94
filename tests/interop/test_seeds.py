"""Every command line of Juju's own page on migrations, typed as it is printed there, against the page's own words.

The page's names are kept: the model is called "migrate" there, the controllers "src" and "dst". Only its placeholders are filled in.
"""

import os
import pty
import re
import select
import shutil
import subprocess

import pytest

from conftest import log_in_at_the_page, until
from test_cli36 import migrated

MIGRATE = "juju migrate <model-name> <destination-controller>"
WATCH = "watch --color -n 1 juju status --color"
STATUS_THERE = "juju status -m <destination-controller>:<model>"
STATUS_HERE = "juju status -m <source-controller>:<model>"
SWITCH = "juju switch dst:migrate"
LOGIN = "juju login 10.65.47.40:17070 -c dst"
# The newer edition has lost the address.
LOGIN_NEWER = "juju login -c dst"
COMMANDS = {MIGRATE, WATCH, STATUS_THERE, STATUS_HERE, SWITCH, LOGIN, LOGIN_NEWER}
# What the page prints; the owner before a model's name is what Juju's code prints besides.
KNOWN = r"""ERROR Model "(admin/)?migrate" has been migrated to controller "dst".
To access it run '(juju switch dst:(?:admin/)?migrate)'."""
UNKNOWN = r"""ERROR Model "(admin/)?migrate" has been migrated to another controller.
To access it run one of the following commands \(you can replace the -c argument with your own preferred controller name\):
 +'juju login (127\.0\.0\.1:\d+) -c dst'

New controller fingerprint \[((?:[0-9A-F]{2}:){31}[0-9A-F]{2})\]"""
SHOWN = r"""  status:
    current: available
(?:    message: .*
)?    since: .*
    migration: .*
    migration-start: .*
"""


class Page:
    """The page's command lines; whoever types one notes it."""

    def __init__(self):
        self.typed = set()

    def line(self, command, **names):
        """A line of the page with its placeholders filled in."""
        assert command in COMMANDS
        self.typed.add(command)
        line = command
        for name, value in names.items():
            line = line.replace(f"<{name.replace('_', '-')}>", value)
        assert "<" not in line, line
        return line


def watched(juju, line, text):
    """Types a line at a terminal and waits until the screen shows a text; ends it as Ctrl-C does."""
    terminal, inside = pty.openpty()
    environment = {**juju.environment(), "TERM": "xterm", "COLUMNS": "200", "LINES": "50"}
    process = subprocess.Popen(
        ["bash", "-c", f"stty cols 200 rows 50; exec {line}"], env=environment, stdin=inside, stdout=inside, stderr=inside,
        start_new_session=True,
    )
    os.close(inside)
    screen = ""

    def shows():
        nonlocal screen
        if select.select([terminal], [], [], 0.2)[0]:
            screen += os.read(terminal, 1 << 16).decode(errors="replace")
        return text in screen

    try:
        until(f"the terminal shows {text!r}", shows)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


@pytest.mark.cluster(model="migrate")
def test_the_page_holds_command_by_command(cluster):
    if not shutil.which("watch"):
        pytest.skip("watch is not installed: apt install procps")
    page = Page()
    juju = cluster.client("page", cluster.src, cluster.dst)
    stranger = cluster.client("stranger", cluster.src)
    juju("switch", "src:admin/migrate").ok()
    stranger("status", "-m", "src:admin/migrate").ok()

    # A controller model cannot be migrated.
    assert juju("migrate", "controller", "dst").fails(1)

    cluster.src("limit", "dst", "2mbit").ok()
    juju.types(page.line(MIGRATE, model_name="migrate", destination_controller="dst")).ok()

    # Watched, the line of the model has a column of notes.
    watched(juju, page.line(WATCH), "migrating: ")
    header = juju.types("juju status --color").ok().splitlines()[0]
    assert re.sub(r"\x1b\[[0-9;]*m", "", header).split()[-1] == "Notes", header

    # show-model: `migration` and `migration-start` below `status`. Juju 3.6 has the note as the model's message besides.
    shown = juju.types("juju show-model").ok()
    assert re.search(SHOWN, shown), shown

    # Failure reverts the model.
    cluster.src("abort", "migrate").ok()
    until("the model is back", lambda: "aborted" in juju("show-model").ok())
    cluster.src("limit", "dst", "none").ok()
    migrated(cluster, juju)

    there = juju.types(page.line(STATUS_THERE, destination_controller="dst", model="migrate")).ok()
    assert there.split("\n")[1].startswith("migrate"), there

    here = page.line(STATUS_HERE, source_controller="src", model="migrate")
    known = re.search(KNOWN, juju.types(here).fails(1))
    assert known, juju.types(here).err
    # As it was printed, and as the page has it: without the owner.
    juju.types(known[2]).ok()
    assert juju.types("juju status").ok().split("\n")[1].startswith("migrate")
    juju.types(page.line(SWITCH)).ok()

    unknown = re.search(UNKNOWN, stranger.types(here).fails(1))
    assert unknown, stranger.types(here).err
    address, fingerprint = unknown[2], unknown[3]
    login = page.line(LOGIN).replace("10.65.47.40:17070", address).split()[2:]
    shown = stranger("login", *login, input="n\n").fails()
    assert f"CA fingerprint: [{fingerprint}]" in shown, shown
    # The fingerprint is found to be the same.
    printed = log_in_at_the_page(stranger, *login)
    assert f"CA fingerprint: [{fingerprint}]" in printed and 'You are now logged into "dst"' in printed, printed
    assert "migrate" in stranger("status", "-m", "dst:admin/migrate").ok()
    # Without an address a client logs in anew to a controller that it knows.
    again = log_in_at_the_page(stranger, *page.line(LOGIN_NEWER).split()[2:])
    assert "to log in" in again and "fingerprint" not in again, again
    assert "migrate" in stranger("status", "-m", "dst:admin/migrate").ok()
    assert page.typed == COMMANDS


@pytest.mark.cluster(model="migrate")
def test_a_model_of_the_same_name_on_the_destination_stops_the_migration(cluster):
    juju = cluster.client("page", cluster.src, cluster.dst)
    cluster.import_model(cluster.dst)
    refused = juju("migrate", "src:migrate", "dst").fails(1)
    assert "already exists" in refused
    assert cluster.src("show-model", "migrate").code == 0
