"""Looks at a model with python-libjuju and prints what it saw as JSON.

    look.py ADDRESS CA_FILE USER PASSWORD MODEL_UUID
"""

import asyncio
import json
import sys

from juju.controller import Controller
from juju.model import Model


async def main(address, ca_file, user, password, uuid):
    with open(ca_file) as file:
        ca = file.read()
    login = {"endpoint": address, "username": user, "password": password, "cacert": ca}
    controller = Controller()
    await controller.connect(**login)
    seen = {"models": await controller.list_models()}
    info = await controller.get_model_info(model_uuid=uuid) if hasattr(controller, "get_model_info") else None
    seen["migration"] = info.migration.status if info and info.migration else None
    seen["name"] = info.name if info else None
    seen["info"] = json.loads(info.to_json()) if info else None
    await controller.disconnect()

    model = Model()
    await model.connect(uuid=uuid, **login)
    status = await model.get_status()
    seen["status"] = json.loads(status.to_json())
    seen["applications"] = sorted(status.applications)
    seen["machines"] = sorted(status.machines)
    seen["watched"] = {"applications": sorted(model.applications), "machines": sorted(model.machines), "units": sorted(model.units)}
    await model.disconnect()
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
