"""Migrates a model with python-libjuju and looks at it until it is somewhere else, whatever happens meanwhile.

    follow.py ADDRESS CA_FILE USER PASSWORD REQUEST

Prints `begun`, then `look STATUS` for each look and `failed WHY` for each that failed, and `moved` at the end.
"""

import asyncio
import json
import sys

from juju.controller import Controller


async def main(address, ca_file, user, password, request):
    with open(ca_file) as file:
        ca = file.read()
    # By itself the library waits for minutes before it dials again.
    login = {"endpoint": address, "username": user, "password": password, "cacert": ca, "retries": 0}
    request = json.loads(request)
    uuid = request["specs"][0]["model-tag"].removeprefix("model-")
    say = lambda *words: print(*words, flush=True)

    async def ask(controller, facade, version, method, params):
        asked = {"type": facade, "version": version, "request": method, "params": params}
        return (await controller.connection().rpc(asked))["response"]

    async def connected():
        controller = Controller()
        await controller.connect(**login)
        return controller

    controller = await connected()
    begun = await ask(controller, "Controller", 12, "InitiateMigration", request)
    assert begun["results"][0].get("migration-id"), begun
    say("begun")
    while True:
        try:
            controller = controller or await connected()
            told = await ask(controller, "ModelManager", 10, "ModelInfo", {"entities": [{"tag": f"model-{uuid}"}]})
            say("look", (told["results"][0]["result"].get("migration") or {}).get("status"))
        except Exception as error:  # noqa: BLE001: whatever a dead connection is called in this version
            # What a result's error says is raised as well.
            if "redirection to alternative server required" in str(error):
                return say("moved")
            say("failed", type(error).__name__, str(error)[:80])
            controller = None
        await asyncio.sleep(0.3)


asyncio.run(main(*sys.argv[1:]))
