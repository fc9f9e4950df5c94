"""Sample models that the import of a real Juju 4.1 controller takes.

Juju's description library takes documents that the import of a controller refuses; `as_imported` is the list of those things.
"""

import base64
import hashlib
import io
import json
import uuid
import zipfile
from pathlib import Path

import yaml

DATA = Path(__file__).parent / "data"
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIWgyAmWH7WuJjkhkTMJx1dyoG5iKaKuk8ibpOHUA8pY test@example"


def told_by(description):
    """The same names, as a description has them."""
    machines = set()

    def walk(some):
        for machine in some:
            machines.add(machine["id"])
            walk(machine.get("containers") or [])

    walk(description["machines"]["machines"])
    applications = description["applications"]["applications"]
    return {
        "applications": {application["name"] for application in applications},
        "units": {unit["name"] for application in applications for unit in application["units"]["units"]},
        "machines": machines,
    }


class Loader(yaml.SafeLoader):
    """Leaves times as texts."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(path):
    return yaml.load(path.read_text(), Loader)


def write(description, path):
    path.write_text(yaml.safe_dump(description, sort_keys=False, width=1 << 20))


def of_its_own(model, name):
    """Makes a description another model's: whatever one controller knows by a UUID gets another UUID, made from the name."""
    if isinstance(model, list):
        for part in model:
            of_its_own(part, name)
    elif isinstance(model, dict):
        for key, value in model.items():
            if key in ("uuid", "offer-uuid", "token") and isinstance(value, str):
                model[key] = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{value}"))
            else:
                of_its_own(value, name)


def agent_password(tag):
    return f"password-of-{tag}-0123456789"


def agent_hash(tag):
    """As Juju hashes an agent's password."""
    return base64.b64encode(hashlib.sha512(agent_password(tag).encode()).digest()[:18]).decode()


def as_imported(model):
    """Changes a description so that the import of Juju 4.1-beta2 takes it. Returns the new URLs of its local charms by the old ones."""
    config = model["config"]
    if "authorized-keys" in config:
        config["authorized-keys"] = SSH_KEY
    renamed = {}
    for application in model["applications"]["applications"]:
        old = application["charm-url"]
        if old.startswith("local:"):
            name, revision = old.rsplit("/", 1)[1].rsplit("-", 1)
            renamed[old] = application["charm-url"] = f"ch:amd64/{name}-{revision}"
            application["charm-origin"].update(source="charm-hub", id=f"testcharm{name}", channel="latest/stable")
        known = application["charm-configs"]["configs"]
        settings = application.get("settings") or {}
        for key, value in settings.items():
            # An import wants int64 and is given int.
            if isinstance(value, int) and not isinstance(value, bool):
                settings[key] = value = str(value)
            if key not in known:
                kind = "boolean" if isinstance(value, bool) else "string"
                known[key] = {"type": kind, "default": value, "description": key}
        # It takes one application setting only.
        application["application-config"] = {
            key: value for key, value in (application.get("application-config") or {}).items() if key == "trust"
        }
    # A secret in a vault needs a back-end of the same id.
    model.pop("secret-backend-id", None)
    config.pop("secret-backend", None)
    held = model["secrets"]["secrets"]
    in_vault = lambda secret: any("value-ref" in revision for revision in secret["revisions"])
    model["secrets"]["secrets"] = [secret for secret in held if model["type"] == "caas" or not in_vault(secret)]
    for secret in model["secrets"]["secrets"] + (model.get("remote-secrets") or {}).get("remote-secrets", []):
        for consumer in [secret, *secret.get("consumers", [])]:
            if consumer.get("consumer", "").startswith("application-"):
                consumer["consumer"] = consumer["consumer"].replace("application-", "unit-") + "-0"
    entities = model["remote-entities"]["remote-entities"]
    ids = {entity["id"] for entity in entities}
    for remote in model["remote-applications"]["remote-applications"]:
        if f"application-{remote['name']}" not in ids:
            token = str(uuid.uuid5(uuid.NAMESPACE_DNS, remote["name"]))
            entities.append({"id": f"application-{remote['name']}", "token": token, "macaroon": ""})
    give_passwords(model)
    for volume in model["volumes"]["volumes"]:
        for attachment in volume["attachments"]["attachments"]:
            if attachment.get("provisioned") and attachment.get("device-name") and not attachment.get("device-link"):
                attachment["device-link"] = f"/dev/disk/by-id/virtio-{volume['volume-id'][:20]}"
    return renamed


def zipped(name, url, filling=b""):
    """A charm's archive, as far as controllers look into one; `filling` makes it as large as real ones are."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("metadata.yaml", f"name: {name}\nsummary: {url}\ndescription: made up\n")
        writer.writestr("manifest.yaml", "bases:\n- {name: ubuntu, channel: 22.04/stable, architectures: [amd64]}\n")
        writer.writestr("revision", "0")
        if filling:
            writer.writestr("filling", filling)
    return archive.getvalue()


def make_binaries(model, folder, filling=b""):
    """Writes made-up binaries for a description, and puts their hashes into it; each charm has this filling."""

    def put(path, content):
        path = folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return content

    def machines(some):
        for machine in some:
            yield machine
            yield from machines(machine.get("containers") or [])

    applications = model["applications"]["applications"]
    for application in applications:
        url = application["charm-url"]
        content = put(f"charms/{url.replace('/', '_')}", zipped(application["name"], url, filling))
        application["charm-origin"]["hash"] = hashlib.sha256(content).hexdigest()
        for resource in (application.get("resources") or {}).get("resources", []):
            revision = resource["application-revision"]
            if not revision.get("timestamp") or not (revision.get("fingerprint") or revision.get("sha384")):
                continue
            name = f"{application['name']}/{resource['name']}"
            content = put(f"resources/{name}", json.dumps({"ImageName": name, "Username": "", "Password": ""}).encode())
            key = "sha384" if "sha384" in revision else "fingerprint"
            revision[key], revision["size"] = hashlib.sha384(content).hexdigest(), len(content)
    if model["type"] == "caas":
        return
    units = [unit for application in applications for unit in application["units"]["units"]]
    for thing in [*machines(model["machines"]["machines"]), *units]:
        tools = thing.get("tools")
        if tools and tools["tools-version"]:
            content = put(f"tools/{tools['tools-version']}", f"agent {tools['tools-version']}".encode() * 1000)
            tools["sha256"], tools["size"] = hashlib.sha256(content).hexdigest(), len(content)


def give_passwords(model):
    """Gives each agent a password of its own: two that are equal are refused."""

    def machines(some):
        for machine in some:
            machine["password-hash"] = agent_hash("machine-" + machine["id"].replace("/", "-"))
            machines(machine.get("containers") or [])

    machines(model["machines"]["machines"])
    for application in model["applications"]["applications"]:
        for unit in application["units"]["units"]:
            unit["password-hash"] = agent_hash("unit-" + unit["name"].replace("/", "-"))
