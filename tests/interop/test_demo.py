"""`modelferry demo --real`: the whole with Juju's own programs, judged by itself."""

from pathlib import Path

from conftest import run, tool


def test_the_demo_between_jujus_own_programs_proves_what_it_claims():
    programs = Path(tool("MASTER36")).parent
    assert Path(tool("SERVER41")).parent == programs
    played = run([tool("MODELFERRY"), "demo", "--real", "--programs", programs, "--size", "8MiB", "--link", "100mbit,20ms"]).ok()
    for claim in ("master: IMPORT", "master: SUCCESS", "src$ kill -9", "master: DONE", "both at 0"):
        assert claim in played, played


def test_without_the_programs_the_demo_says_how_they_are_built(tmp_path):
    said = run([tool("MODELFERRY"), "demo", "--real", "--programs", tmp_path]).fails(1)
    assert "master is not there" in said and "go build" in said
