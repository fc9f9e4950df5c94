"""Migrates a model with jubilant and looks at it until it is somewhere else, whatever happens meanwhile.

    jubilant_follow.py JUJU MODEL DESTINATION

Prints `begun`, then `look STATUS` for each look and `failed WHY` for each that failed, and `moved` at the end.
"""

import sys
import time

import jubilant


def say(*words):
    print(*words, flush=True)


program, model, destination = sys.argv[1:]
juju = jubilant.Juju(model=model, cli_binary=program)
juju.cli("migrate", model, destination, include_model=False)
say("begun")
while True:
    try:
        say("look", juju.status().model.model_status.message)
    except jubilant.CLIError as error:
        if "has been migrated to controller" in error.stderr:
            say("moved")
            break
        say("failed", error.stderr.strip().splitlines()[-1])
    time.sleep(0.3)
