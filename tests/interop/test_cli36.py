"""Juju's own client, 3.6.11, on the embedded controller: it looks, it logs in, it migrates, it is redirected."""

import re
import subprocess

import yaml

from conftest import MODEL, PASSWORD, assert_clean, log_in_at_the_page, tool, until
from statuses import as_juju_4, tables


def migrated(cluster, juju):
    """Migrates the sample with Juju's client and waits until it has moved."""
    juju("migrate", f"src:{cluster.model}", "dst").ok()
    arrived(cluster)


def arrived(cluster):
    """Waits until the model is in service on dst, and src redirects."""
    until("the model arrives", lambda: cluster.dst("show-model", cluster.model).code == 0)
    until("src has finished", lambda: "migrated to controller" in cluster.src("status", "-m", cluster.model).err)


def test_a_wrong_password_is_refused_in_jujus_words(shared):
    juju = shared.client("wrong-password", shared.src, password=False)
    refused = juju("login", "-c", "src", "-u", "admin", input="wrong\n").fails()
    assert "invalid entity name or password" in refused


def test_a_right_password_is_taken_and_kept_as_a_macaroon(shared):
    juju = shared.client("right-password", shared.src, password=False)
    login = juju("login", "-c", "src", "-u", "admin", input=PASSWORD + "\n")
    login.ok()
    assert "please enter password for admin on src" in login.err
    assert PASSWORD not in (juju.data / "accounts.yaml").read_text()
    assert MODEL in juju("models", "-c", "src").ok()


def test_a_controller_with_another_ca_is_not_trusted(shared):
    juju = shared.client("wrong-ca", shared.src)
    other = shared.client("right-ca", shared.dst)
    controllers = (juju.data / "controllers.yaml").read_text()
    foreign = re.search(r"ca-cert: \|.*?-----END CERTIFICATE-----\n", (other.data / "controllers.yaml").read_text(), re.S)
    (juju.data / "controllers.yaml").write_text(re.sub(r"ca-cert: \|.*?-----END CERTIFICATE-----\n", foreign[0], controllers, flags=re.S))
    assert "certificate" in juju("models", "-c", "src").fails()


def test_models_and_show_model_name_the_model(shared):
    juju = shared.client("looks", shared.src)
    listed = juju("models", "-c", "src", "--format", "json").json()
    assert [model["short-name"] for model in listed["models"]] == ["controller", MODEL]
    shown = juju("show-model", f"src:admin/{MODEL}", "--format", "json").json()[MODEL]
    ours = shared.src("show-model", MODEL, "--format", "json").json()[MODEL]
    for key in ("name", "model-uuid", "model-type", "controller-uuid", "cloud", "region", "type", "life", "agent-version"):
        assert shown[key] == ours[key], key
    assert shown["status"]["current"] == "available"
    assert_clean(shared.src)


def test_status_in_the_other_forms_is_answered(shared):
    juju = shared.client("status", shared.src)
    for form in ("short", "summary", "oneline", "line"):
        assert juju("status", "-m", f"src:admin/{MODEL}", "--format", form).ok()
    assert_clean(shared.src)


def test_the_status_that_people_read_is_that_of_modelferry_row_by_row(shared):
    juju = shared.client("tabular", shared.src)
    look = ["--relations", "--storage"]
    theirs = tables(juju("status", "-m", f"src:admin/{MODEL}", *look).ok())
    ours = tables(shared.src("status", "-m", MODEL, *look).ok())
    assert theirs == (ours if any("SLA" in heading for heading in theirs) else as_juju_4(ours))


def test_users_are_listed(shared):
    juju = shared.client("users", shared.dst)
    names = {user["user-name"] for user in juju("users", "-c", "dst", "--format", "json").json()}
    assert {"admin", "bob"} <= names
    assert_clean(shared.dst)


def test_a_model_that_does_not_exist_is_answered_as_juju_answers_it(shared):
    juju = shared.client("no-model", shared.src)
    assert "not found" in juju("show-model", "src:admin/nowhere").fails()
    assert "not found" in juju("status", "-m", "src:admin/nowhere").fails()


def test_migrate_moves_the_model_and_the_source_redirects_to_the_known_controller(cluster):
    juju = cluster.client("both", cluster.src, cluster.dst)
    juju("status", "-m", f"src:admin/{MODEL}").ok()
    migrated(cluster, juju)
    redirected = juju("status", "-m", f"src:admin/{MODEL}").fails(1)
    assert f'ERROR Model "admin/{MODEL}" has been migrated to controller "dst".' in redirected
    assert f"To access it run 'juju switch dst:admin/{MODEL}'." in redirected
    juju("switch", f"dst:admin/{MODEL}").ok()
    assert MODEL in juju("status").ok()
    assert_clean(cluster.src)
    assert_clean(cluster.dst)


def test_a_client_that_does_not_know_the_destination_is_told_how_to_log_in(cluster):
    both = cluster.client("both", cluster.src, cluster.dst)
    stranger = cluster.client("stranger", cluster.src)
    stranger("status", "-m", f"src:admin/{MODEL}").ok()
    migrated(cluster, both)
    told = stranger("status", "-m", f"src:admin/{MODEL}").fails(1)
    assert f'ERROR Model "admin/{MODEL}" has been migrated to another controller.' in told
    assert "To access it run one of the following commands (you can replace the -c argument with your own preferred controller name):" in told
    line = re.search(r"'juju login (\S+) -c (\S+)'", told)
    assert line, told
    fingerprint = re.search(r"New controller fingerprint \[([0-9A-F:]+)\]", told)
    assert fingerprint, told
    # The printed line, typed: the client shows the very fingerprint that the redirect told, and a code for the login page.
    printed = log_in_at_the_page(stranger, line[1], "-c", line[2])
    assert f"CA fingerprint: [{fingerprint[1]}]" in printed, printed
    assert f'You are now logged into "{line[2]}"' in printed, printed
    assert MODEL in stranger("status", "-m", f"{line[2]}:admin/{MODEL}").ok()
    account = yaml.safe_load((stranger.data / "accounts.yaml").read_text())["controllers"][line[2]]
    assert account["user"] == "admin" and "password" not in account, account


def test_a_session_token_is_good_for_commands_and_ends_with_the_password(cluster):
    juju = cluster.client("by-token", cluster.src)
    log_in_at_the_page(juju, f"127.0.0.1:{cluster.dst.tap_port}", "-c", "dst")
    cluster.import_model(cluster.dst)
    assert MODEL in juju("models", "-c", "dst").ok()
    assert MODEL in juju("status", "-m", f"dst:admin/{MODEL}").ok()
    # This client sends no token along with a migration, and refuses to begin one by itself.
    assert "missing authentication secrets" in juju("migrate", f"src:admin/{MODEL}", "dst").fails()
    other = cluster.root / "other-password"
    other.write_text("another one\n")
    cluster.dst("embedded", "user", "set-password", "admin", "--password-file", other).ok()
    # The client begins a login anew, and nobody completes it.
    asked = subprocess.Popen(
        [tool("JUJU36"), "models", "-c", "dst"], env=juju.environment(), text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    try:
        assert "Please visit" in asked.stdout.readline()
    finally:
        asked.kill()
        asked.wait()


def test_missing_users_stop_a_migration_in_jujus_words_and_nothing_changes(cluster):
    cluster.dst("embedded", "user", "remove", "bob").ok()
    juju = cluster.client("both", cluster.src, cluster.dst)
    refused = juju("migrate", f"src:{MODEL}", "dst").fails(1)
    assert "users granted access to the model do not exist" in refused
    assert "bob" in refused
    assert cluster.src("show-model", MODEL).code == 0


def test_show_model_and_status_show_the_migration_while_it_runs(cluster):
    cluster.src("limit", "dst", "1mbit").ok()
    juju = cluster.client("both", cluster.src, cluster.dst)
    juju("migrate", f"src:{MODEL}", "dst").ok()
    status = until(
        "show-model has a migration",
        lambda: juju("show-model", f"src:admin/{MODEL}", "--format", "json").json()[MODEL]["status"].get("migration"),
    )
    assert status
    shown = juju("show-model", f"src:admin/{MODEL}", "--format", "json").json()[MODEL]["status"]
    assert shown["migration-start"]
    assert "migrating: " in juju("status", "-m", f"src:admin/{MODEL}").ok()
    cluster.src("abort", MODEL).ok()
    until(
        "the failure shows",
        lambda: "aborted" in juju("show-model", f"src:admin/{MODEL}", "--format", "json").json()[MODEL]["status"].get("migration", ""),
    )
    assert_clean(cluster.src)


def test_a_migration_that_jujus_client_began_outlives_both_agents(cluster):
    cluster.src("limit", "dst", "4mbit").ok()
    juju = cluster.client("both", cluster.src, cluster.dst)
    juju("migrate", f"src:{MODEL}", "dst").ok()
    for agent in (cluster.src, cluster.dst):
        agent.kill()
        agent.start()
    cluster.src("limit", "dst", "none").ok()
    until("the model arrives", lambda: cluster.dst("show-model", MODEL).code == 0)
    until("the client is redirected", lambda: f"juju switch dst:admin/{MODEL}" in juju("status", "-m", f"src:admin/{MODEL}").err)
    assert MODEL in juju("status", "-m", f"dst:admin/{MODEL}").ok()
