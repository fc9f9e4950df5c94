"""Juju 3.6.11's real migration master moves 50 models in a row, while both agents are killed at random. Only with --long."""

import random
import shutil
import threading
import time

from conftest import until
from gateway36 import SETTLED, ToEmbedded, ToReal, moving  # noqa: F401
from models41 import of_its_own, read, write

MODELS = 50
# Tries in which a model must have moved: a kill in IMPORT or VALIDATION costs one.
TRIES = 6
SEED = 15
# Seconds until the leases have run out that Juju 4.1 leaves after an abort of an import.
LEASES = 65
# What Juju 4.1 keeps of an import that it was made to abort; no next try there goes until it is gone.
KEPT = {
    "permissions of offers": "permission already exists",
    "half a model": "model with same UUID already exists",
}


def renamed(move, number):
    """Makes the sample a model of its own."""
    folder, name = move.source.folder.parent / f"model-{number}", f"shop-{number}"
    shutil.copytree(move.source.folder, folder)
    model = read(folder / "model.yaml")
    of_its_own(model, name)
    model["config"]["name"] = name
    write(model, folder / "model.yaml")
    return folder, name


def serve(move, folder, name):
    """The source controller serves this model from now on, and knows of no migration."""
    move.source.stop()
    move.source.folder, move.name, move.uuid = folder, name, read(folder / "model.yaml")["config"]["uuid"]
    (move.source.dir / "state.json").unlink(missing_ok=True)
    move.source.start()


def killed_at_random(move, dice, stop, kills):
    """Kills one agent or the other, and starts it again, until it is told to stop."""
    while not stop.wait(dice.uniform(0.2, 3)):
        agent = dice.choice([move.src, move.dst])
        agent.kill()
        agent.start()
        kills.append(agent.name)


def moved_under_kills(move, dice, kills):
    """Moves the model while agents are killed; returns who owns it then. Nobody does anything but wait."""
    move.source.said[:] = [event for event in move.source.said if event["event"] == "serving"]
    until("the source controller is reached", lambda: move.src("doctor").code == 0)
    until("the peers are connected", lambda: move.src("peers", "--format", "json").json()[0]["connected"])
    move.migrate()
    stop = threading.Event()
    killer = threading.Thread(target=killed_at_random, args=(move, dice, stop, kills))
    killer.start()
    try:
        move.until_ended()
    finally:
        stop.set()
        killer.join()
    return move.one_owner()


def nothing_is_unfinished(move):
    until("nothing is unfinished", lambda: all(agent("status").code == 0 for agent in (move.src, move.dst)), SETTLED)


def test_fifty_models_in_a_row_have_one_owner_each_while_agents_are_killed(moving):
    move, dice, kills, tries = moving(ToEmbedded), random.Random(SEED), [], 0
    sample = (move.source.folder, move.name)
    for number in range(MODELS):
        move.source.folder, move.name = sample
        folder, name = renamed(move, number)
        serve(move, folder, name)
        for _ in range(TRIES):
            tries += 1
            if moved_under_kills(move, dice, kills) == "destination":
                break
        else:
            raise AssertionError(f"{name} has not moved in {TRIES} tries: {move.source.statuses()}")
        shutil.rmtree(folder)
    nothing_is_unfinished(move)
    models = {row["short-name"] for row in move.dst("models", "--format", "json").json()["models"]}
    assert {f"shop-{number}" for number in range(MODELS)} <= models
    print(f"{MODELS} models in {tries} tries, {len(kills)} kills")


def test_fifty_models_with_offers_into_a_real_controller_have_one_owner_each_while_agents_are_killed(moving):
    move, dice, kills, tries = moving(ToReal), random.Random(SEED), [], 0
    sample, moved, kept = (move.source.folder, move.name), set(), {}
    for number in range(MODELS):
        move.source.folder, move.name = sample
        folder, name = renamed(move, number)
        assert "offer-uuid" in (folder / "model.yaml").read_text()
        serve(move, folder, name)
        for _ in range(TRIES):
            tries += 1
            if moved_under_kills(move, dice, kills) == "destination":
                moved.add(f"admin/{name}")
                break
            why = move.source.statuses()
            refused = [what for what, words in KEPT.items() if words in why]
            if refused:
                # The source serves the model on, and its operator is told what is in the way there.
                kept[name] = refused[0]
                assert refused[0] != "permissions of offers" or "juju remove-offer" in why, why
                break
            time.sleep(LEASES)
        else:
            raise AssertionError(f"{name} has neither moved nor been refused in {TRIES} tries: {move.source.statuses()}")
        shutil.rmtree(folder)
    nothing_is_unfinished(move)
    live = {model for model in move.real.models() if model.split("/")[1].startswith("shop-")}
    assert moved <= live and not {f"admin/{name}" for name, what in kept.items() if what != "half a model"} & live
    assert len(moved) > MODELS // 2, kept
    print(f"{len(moved)} of {MODELS} models in {tries} tries, {len(kills)} kills; kept at the source: {kept}")
