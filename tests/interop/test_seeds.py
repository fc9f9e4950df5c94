"""Every command of Juju's own page on migrations, typed as it is printed there, against its own words.

The page's names are kept: the model is called "migrate" there and the destination "dst"; only the names of models and
controllers are put in where the page has a placeholder.
"""

import re

from conftest import MODEL, log_in_at_the_page, until
from test_cli36 import migrated


def test_the_page_holds_command_by_command(cluster):
    juju = cluster.client("page", cluster.src, cluster.dst)
    stranger = cluster.client("stranger", cluster.src)
    juju("switch", f"src:admin/{MODEL}").ok()
    stranger("status", "-m", f"src:admin/{MODEL}").ok()

    # A controller model cannot be migrated.
    assert juju("migrate", "src:controller", "dst").fails(1)

    # juju migrate <model-name> <destination-controller>
    cluster.src("limit", "dst", "2mbit").ok()
    juju("migrate", MODEL, "dst").ok()

    # juju status --color: the 'Notes' column.
    def notes():
        header, row = [line for line in juju("status", "--color").ok().splitlines() if line.strip()][:2]
        return re.sub(r"\x1b\[[0-9;]*m", "", row) if "Notes" in header else None

    assert "migrating: " in until("the Notes column", notes)

    # show-model: `migration` and `migration-start` below `status`. Juju 3.6 has the note as the model's message besides.
    shown = juju("show-model").ok()
    assert re.search(r"(?m)^  status:\n    current: available\n(?:    message: .*\n)?    since: .*\n    migration: .*\n    migration-start: .*$", shown), shown

    # Failure reverts the model.
    cluster.src("abort", MODEL).ok()
    until("the model is back", lambda: "aborted" in juju("show-model").ok())
    cluster.src("limit", "dst", "none").ok()
    migrated(cluster, juju)

    # juju status -m <destination-controller>:<model>
    assert MODEL in juju("status", "-m", f"dst:{MODEL}").ok()

    # juju status -m <source-controller>:<model>, the destination known, and unknown.
    known = juju("status", "-m", f"src:{MODEL}").fails(1)
    assert re.search(rf'ERROR Model "(admin/)?{MODEL}" has been migrated to controller "dst"\.\nTo access it run \'juju switch dst:(admin/)?{MODEL}\'\.', known), known
    # juju switch, as it was printed.
    juju("switch", f"dst:admin/{MODEL}").ok()
    assert MODEL in juju("status").ok()
    unknown = stranger("status", "-m", f"src:{MODEL}").fails(1)
    expected = (
        rf'ERROR Model "(admin/)?{MODEL}" has been migrated to another controller\.\n'
        r"To access it run one of the following commands \(you can replace the -c argument with your own preferred controller name\):\n"
        r" +'juju login \S+:\d+ -c dst'\n\n"
        r"New controller fingerprint \[([0-9A-F]{2}:){31}[0-9A-F]{2}\]"
    )
    assert re.search(expected, unknown), unknown
    address = re.search(r"juju login (\S+) -c dst", unknown)[1]
    fingerprint = re.search(r"fingerprint (\[\S+\])", unknown)[1]
    shown = stranger("login", address, "-c", "dst", input="n\n").fails()
    assert f"CA fingerprint: {fingerprint}" in shown, shown
    # Typed as it was printed, and the fingerprint found to be the same.
    printed = log_in_at_the_page(stranger, address, "-c", "dst")
    assert f"CA fingerprint: {fingerprint}" in printed and 'You are now logged into "dst"' in printed, printed
    assert MODEL in stranger("status", "-m", f"dst:admin/{MODEL}").ok()


def test_a_model_of_the_same_name_on_the_destination_stops_the_migration(cluster):
    juju = cluster.client("page", cluster.src, cluster.dst)
    cluster.import_model(cluster.dst)
    refused = juju("migrate", f"src:{MODEL}", "dst").fails(1)
    assert "already exists" in refused
    assert cluster.src("show-model", MODEL).code == 0
