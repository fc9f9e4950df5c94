"""Juju 3.6.11's real migration master moves 50 models in a row, while both agents are killed at random. Only with --long."""

import random
import re
import shutil
import threading
import uuid

from conftest import until
from gateway36 import SETTLED, ToEmbedded, moving  # noqa: F401

MODELS = 50
# Tries in which a model must have moved: a kill in IMPORT or VALIDATION costs one.
TRIES = 6
SEED = 15


def renamed(move, number):
    """Makes the sample a model of its own."""
    folder = move.source.folder.parent / f"model-{number}"
    shutil.copytree(move.source.folder, folder)
    path, name, own = folder / "model.yaml", f"shop-{number}", str(uuid.uuid5(uuid.NAMESPACE_DNS, f"shop-{number}"))
    text = path.read_text()
    old = re.search(r"(?m)^ +uuid: (\S+)$", text)[1]
    text = text.replace(old, own)
    text, count = re.subn(r"(?m)^( +name: )shop-eu$", rf"\g<1>{name}", text)
    assert count == 1
    path.write_text(text)
    return folder, name


def killed_at_random(move, dice, stop, kills):
    """Kills one agent or the other, and starts it again, until it is told to stop."""
    while not stop.wait(dice.uniform(0.2, 3)):
        agent = dice.choice([move.src, move.dst])
        agent.kill()
        agent.start()
        kills.append(agent.name)


def test_fifty_models_in_a_row_have_one_owner_each_while_agents_are_killed(moving):
    move, dice, kills, tries = moving(ToEmbedded), random.Random(SEED), [], 0
    first = move.source.folder
    for number in range(MODELS):
        move.source.stop()
        move.source.folder = first
        folder, name = renamed(move, number)
        move.source.folder, move.name = folder, name
        (move.source.dir / "state.json").unlink(missing_ok=True)
        move.source.start()
        for _ in range(TRIES):
            move.source.said[:] = [event for event in move.source.said if event["event"] == "serving"]
            until("the source controller is reached", lambda: move.src("doctor").code == 0)
            until("the peers are connected", lambda: move.src("peers", "--format", "json").json()[0]["connected"])
            move.migrate()
            tries += 1
            stop = threading.Event()
            killer = threading.Thread(target=killed_at_random, args=(move, dice, stop, kills))
            killer.start()
            try:
                move.until_ended()
            finally:
                stop.set()
                killer.join()
            # Nobody does anything but wait.
            if move.one_owner() == "destination":
                break
        else:
            raise AssertionError(f"{name} has not moved in {TRIES} tries: {move.source.statuses()}")
        shutil.rmtree(folder)
    until("nothing is unfinished", lambda: all(agent("status").code == 0 for agent in (move.src, move.dst)), SETTLED)
    models = {row["short-name"] for row in move.dst("models", "--format", "json").json()["models"]}
    assert {f"shop-{number}" for number in range(MODELS)} <= models
    print(f"{MODELS} models in {tries} tries, {len(kills)} kills")
