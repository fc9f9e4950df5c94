"""What different clients show of a model, in one form, so that it can be compared field by field."""

import re


def base_of(base):
    """`ubuntu@24.04` of a base with its channel, whose risk some clients leave out."""
    return f"{base['name']}@{base['channel'].split('/')[0]}" if base else ""


def charm_of(url):
    """Name and revision of a charm's URL."""
    name, revision = re.fullmatch(r"(?:.*/)?(.+)-(\d+)", url).groups()
    return name.removeprefix("local:").removeprefix("ch:"), int(revision)


def by_full_status(told):
    """Of the reply to `Client.FullStatus`, as a library hands it on."""

    def unit(unit):
        return {
            "machine": unit["machine"] or "",
            "workload": (unit["workload-status"]["status"], unit["workload-status"]["info"]),
            "agent": unit["agent-status"]["status"],
            "leader": bool(unit.get("leader")),
            "address": unit["public-address"],
            "ports": sorted(unit["opened-ports"] or []),
            "subordinates": {name: one(sub) for name, sub in (unit["subordinates"] or {}).items()},
        }

    one = unit

    def machine(machine):
        return {
            "instance": machine["instance-id"],
            "state": machine["agent-status"]["status"],
            "base": base_of(machine["base"]),
            "address": machine["dns-name"],
            "containers": {name: held(inner) for name, inner in (machine["containers"] or {}).items()},
        }

    held = machine
    return {
        "name": told["model"]["name"],
        "version": told["model"]["version"],
        "applications": {
            name: {
                "charm": charm_of(application["charm"]),
                "status": (application["status"]["status"], application["status"]["info"]),
                "exposed": application["exposed"],
                "version": application["workload-version"],
                "units": {name: unit(one) for name, one in (application["units"] or {}).items()},
            }
            for name, application in told["applications"].items()
        },
        "machines": {name: machine(one) for name, one in told["machines"].items()},
    }


def by_status(told):
    """Of what `status --format json` prints, Juju's or ours."""

    def unit(unit):
        return {
            "machine": unit.get("machine", ""),
            "workload": (unit["workload-status"]["current"], unit["workload-status"].get("message", "")),
            "agent": unit["juju-status"]["current"],
            "leader": unit.get("leader", False),
            "address": unit.get("public-address", ""),
            "ports": sorted(unit.get("open-ports") or []),
            "subordinates": {name: one(sub) for name, sub in (unit.get("subordinates") or {}).items()},
        }

    one = unit

    def machine(machine):
        return {
            "instance": machine["instance-id"],
            "state": machine["juju-status"]["current"],
            "base": base_of(machine.get("base")),
            "address": machine.get("dns-name", ""),
            "containers": {name: held(inner) for name, inner in (machine.get("containers") or {}).items()},
        }

    held = machine
    return {
        "name": told["model"]["name"],
        "version": told["model"]["version"],
        "applications": {
            name: {
                "charm": (application["charm-name"], application["charm-rev"]),
                "status": (
                    application["application-status"]["current"], application["application-status"].get("message", ""),
                ),
                "exposed": application["exposed"],
                "version": application.get("version", ""),
                "units": {name: unit(one) for name, one in (application.get("units") or {}).items()},
            }
            for name, application in told["applications"].items()
        },
        "machines": {name: machine(one) for name, one in told["machines"].items()},
    }


def with_dashes(told):
    """A tree of jubilant's, whose keys are Python's, with Juju's keys; what is empty is absent there."""
    if isinstance(told, dict):
        renamed = {"apps": "applications", "app_status": "application-status"}
        named = lambda key: renamed.get(key, key.replace("_", "-") if re.fullmatch(r"[a-z_]+", key) else key)
        return {named(key): with_dashes(value) for key, value in told.items()}
    return [with_dashes(each) for each in told] if isinstance(told, list) else told


# What only one of the two clients prints, or prints of its own moment.
MOMENTS = {"since", "timestamp", "last-connection", "migration-start"}


def differences(theirs, ours, path=""):
    """Where two trees differ, as texts; times aside."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = []
        for key in sorted(set(theirs) | set(ours)):
            # Support levels and owners are Juju 3's alone. What a controller does not know of a credential, its client calls valid
            # or invalid.
            missing = key not in theirs and key in ("sla", "owner") or key not in ours and key == "validity-check"
            if key in MOMENTS or missing:
                continue
            at = f"{path}.{key}".lstrip(".")
            if key not in theirs or key not in ours:
                found.append(f"{at}: only {'ours' if key in ours else 'theirs'}: {(ours if key in ours else theirs)[key]!r}")
            else:
                found += differences(theirs[key], ours[key], at)
        return found
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return [one for at, pair in enumerate(zip(theirs, ours)) for one in differences(*pair, f"{path}[{at}]")]
    return [] if theirs == ours else [f"{path}: theirs {theirs!r}, ours {ours!r}"]


def tables(text):
    """The tables of a status that people read, by their headings: the rows of each, cells two spaces apart, times masked."""
    found = {}
    for block in text.strip("\n").split("\n\n"):
        heading, *rows = [re.sub(r" {2,}", "  ", line.rstrip()) for line in block.splitlines()]
        found[heading] = sorted(re.sub(r"\b\d\d:\d\d:\d\d\S*", "TIME", row) for row in rows)
    return found


def as_juju_4(tables):
    """The same tables as a client of Juju 4 prints them: without support levels, and with relations for integrations."""
    changed = {}
    for heading, rows in tables.items():
        if heading.startswith("Model"):
            rows = [row.replace("  unsupported", "", 1) for row in rows]
        changed[heading.replace("  SLA", "").replace("Integration provider", "Relation provider")] = rows
    return changed
