"""Looks at a model with jubilant, which runs Juju's own client, and prints what it saw as JSON.

    jubilant_look.py JUJU MODEL
"""

import dataclasses
import json
import sys

import jubilant

juju = jubilant.Juju(model=sys.argv[2], cli_binary=sys.argv[1])
status = juju.status()
print(json.dumps({
    "name": status.model.name,
    "applications": sorted(status.apps),
    "machines": sorted(status.machines),
    "status": dataclasses.asdict(status),
    "units": sorted(unit for app in status.apps.values() for unit in app.units),
}))
