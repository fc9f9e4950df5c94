"""Migrates a model with python-libjuju, or asks whether it could, and prints the controller's reply as JSON.

    migrate.py ADDRESS CA_FILE USER PASSWORD REQUEST [look]

REQUEST is what Controller.InitiateMigration takes, as JSON. With a last argument the model of that REQUEST is connected to instead,
and what a redirect says is printed.
"""

import asyncio
import json
import sys

from juju.controller import Controller
from juju.errors import JujuRedirectException
from juju.model import Model


async def main(address, ca_file, user, password, request, *look):
    with open(ca_file) as file:
        ca = file.read()
    login = {"endpoint": address, "username": user, "password": password, "cacert": ca}
    request = json.loads(request)
    if look:
        model = Model()
        uuid = request["specs"][0]["model-tag"].removeprefix("model-")
        try:
            await model.connect(uuid=uuid, **login)
        except JujuRedirectException as redirect:
            endpoints = [address for address, _ in redirect.endpoints]
            return print(json.dumps({"endpoints": endpoints, "ca": redirect.ca_cert, "follow": redirect.follow_redirect}))
        return print(json.dumps({"endpoints": []}))
    controller = Controller()
    await controller.connect(**login)
    reply = await controller.connection().rpc(
        {"type": "Controller", "version": 12, "request": "InitiateMigration", "params": request}
    )
    await controller.disconnect()
    print(json.dumps(reply["response"]))


asyncio.run(main(*sys.argv[1:]))
