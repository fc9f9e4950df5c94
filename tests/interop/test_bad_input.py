"""Bad input to the API: Juju's own code and text, one line of the log, and nothing lost for anybody else."""

import asyncio
import json
import ssl

import pytest
import websockets

from conftest import MODEL, PASSWORD, run, tool
from test_libraries import CLIENTS, address_of, ca_of, ours, uuid_of

LOGIN = {
    "request-id": 1, "type": "Admin", "version": 3, "request": "Login",
    "params": {"auth-tag": "user-admin", "credentials": PASSWORD, "client-version": "3.6.11"},
}
MIB = 1 << 20


def converse(agent, messages, path="/api", user="admin"):
    """Sends messages over a library's WebSocket after a login, and returns the replies, or the code with which the connection was
    closed. Goes past the wiretap, which would not pass garbage on."""
    login = {**LOGIN, "params": {**LOGIN["params"], "auth-tag": f"user-{user}"}}

    async def talk():
        trust = ssl.create_default_context(cafile=str(ca_of(agent)))
        address = f"wss://localhost:{agent.api_port}{path}"
        async with websockets.connect(address, ssl=trust, max_size=None, compression=None) as socket:
            replies = []
            try:
                for message in [login, *messages]:
                    await socket.send(json.dumps(message) if isinstance(message, dict) else message)
                    replies.append(json.loads(await asyncio.wait_for(socket.recv(), 60)))
                return replies
            except websockets.ConnectionClosed as closed:
                return closed.rcvd and closed.rcvd.code

    return asyncio.run(talk())


def logged(agent, since):
    return (agent.dir / "agent.log").read_text()[since:].splitlines()


@pytest.fixture
def src(shared):
    """The source, which serves the same afterwards, to a client that was there before as well."""
    agent = shared.src
    before = ours(agent)
    yield agent
    assert ours(agent) == before
    look = [tool("LIBJUJU").split(":")[0], CLIENTS / "look.py", address_of(agent), ca_of(agent), "admin", PASSWORD, uuid_of(agent)]
    assert sorted(run(look).json()["models"]) == ["controller", MODEL]


@pytest.mark.parametrize("garbage, line", [
    ('{"request-id": 2, "type": "Cli', "sent garbage and was closed"),
    ("[]", "sent garbage and was closed"),
    ('{"request-id": "two", "type": "Client"}', "sent garbage and was closed"),
    (b"\x00\x01", "sent garbage and was closed"),
], ids=["cut", "a list", "a wrong type", "binary"])
def test_broken_json_ends_its_connection_as_juju_ends_it(src, garbage, line):
    since = len((src.dir / "agent.log").read_text())
    assert converse(src, [garbage]) == 1000
    found = [said for said in logged(src, since) if line in said]
    assert len(found) == 1 and "127.0.0.1:" in found[0], logged(src, since)


def test_a_message_of_65_mib_ends_its_connection(src):
    since = len((src.dir / "agent.log").read_text())
    assert converse(src, ["x" * (65 * MIB)]) == 1009
    found = [said for said in logged(src, since) if "more than 64 MiB" in said]
    assert len(found) == 1 and "127.0.0.1:" in found[0], logged(src, since)


def called(facade, version, method, params, number=2):
    return {"request-id": number, "type": facade, "version": version, "request": method, "params": params}


WRONG = {
    "a tag of another kind": (
        called("ModelManager", 10, "ModelInfo", {"entities": [{"tag": "machine-0"}]}),
        {"message": '"machine-0" is not a valid model tag', "code": ""},
    ),
    "no tag": (
        called("UserManager", 3, "UserInfo", {"entities": [{"tag": "bob"}]}),
        {"message": '"bob" is not a valid user tag', "code": ""},
    ),
    "a model that is nowhere": (
        called("ModelManager", 10, "ModelInfo", {"entities": [{"tag": "model-3850c8cc-0cd0-4d53-8a6d-591b63024141"}]}),
        {"message": "permission denied", "code": "unauthorized access"},
    ),
    "an unknown method": (
        called("ModelManager", 10, "Dance", {}),
        {"message": 'unknown method "Dance" at version 10 for facade type "ModelManager"', "code": "not implemented"},
    ),
    "a facade of models": (
        called("Client", 8, "FullStatus", {}),
        {"message": 'facade "Client" not supported for controller API connection', "code": "not supported"},
    ),
    "parameters of a wrong type": (
        called("ModelManager", 10, "ModelInfo", {"entities": 7}),
        {"message": "json: ", "code": ""},
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_call_is_refused_in_jujus_words_and_logged_once(src, case):
    message, expected = WRONG[case]
    since = len((src.dir / "agent.log").read_text())
    _, reply, after = converse(src, [message, called("Pinger", 1, "Ping", {}, 3)])
    assert after == {"request-id": 3, "response": {}}, "the connection goes on"
    if "error" in reply:
        told = {"message": reply["error"], "code": reply.get("error-code", "")}
    else:
        error = reply["response"]["results"][0]["error"]
        told = {"message": error["message"], "code": error.get("code", "")}
    assert told["code"] == expected["code"] and told["message"].startswith(expected["message"]), told
    found = [line for line in logged(src, since) if "a call was refused" in line]
    assert len(found) == 1 and "127.0.0.1:" in found[0] and "user-admin" in found[0], logged(src, since)


def test_another_users_model_is_refused_in_jujus_words_and_logged_once(shared, src):
    src("embedded", "user", "add", "mallory", "--password-file", shared.password).ok()
    model = f"model-{uuid_of(src)}"
    since = len((src.dir / "agent.log").read_text())
    _, reply = converse(src, [called("ModelManager", 10, "ModelInfo", {"entities": [{"tag": model}]})], user="mallory")
    assert reply["response"]["results"] == [{"error": {"message": "permission denied", "code": "unauthorized access"}}]
    [refused] = converse(src, [], f"/model/{uuid_of(src)}/api", "mallory")
    assert (refused["error"], refused["error-code"]) == ("permission denied", "unauthorized access")
    found = [line for line in logged(src, since) if "refused" in line]
    assert len(found) == 2 and all("user-mallory" in line for line in found), found
