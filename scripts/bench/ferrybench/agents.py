"""Two paired agents on a link, and what they carry."""

import hashlib
import io
import json
import os
import random
import socket
import stat
import subprocess
import sys
import time
import uuid
import zipfile

PATIENCE = 900
# What compresses as agents and charms do before they are packed: programs, of which every host has enough.
BINARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib", "/usr/bin")


def payload(kind, size, seed):
    """Returns bytes that do not compress, or the host's programs and libraries, which do to about a third."""
    if kind == "random":
        rand = random.Random(seed)
        # In pieces: a C int counts the bits.
        return b"".join(rand.randbytes(min(1 << 26, size - at)) for at in range(0, size, 1 << 26))
    made, seen = bytearray(), set()
    for folder, _, names in (entry for root in BINARIES for entry in sorted(os.walk(root))):
        for name in sorted(names):
            path = f"{folder}/{name}"
            facts = os.lstat(path)
            if not stat.S_ISREG(facts.st_mode) or facts.st_ino in seen:
                continue
            seen.add(facts.st_ino)
            with open(path, "rb") as file:
                made += file.read()
            if len(made) >= size:
                return bytes(made[:size])
    raise RuntimeError(f"{', '.join(BINARIES)} have {len(made)} bytes, and {size} are wanted")


MODEL = """version: 12
agent-version: 3.6.23
type: iaas
owner: admin
config: {{agent-version: 3.6.23, name: {name}, type: openstack, uuid: {uuid}}}
users:
  version: 1
  users: [{{name: admin, created-by: admin, date-created: 2026-08-21T09:00:00Z, access: admin}}]
applications:
  version: 13
  applications: [{{name: payload, type: iaas, charm-url: "ch:amd64/{name}"{resources}}}]
cloud: nimbus
cloud-region: north-1
volumes: {{version: 1, volumes: []}}
meter-status: {{code: NOT SET, info: ""}}
"""


RESOURCE = """, resources: {{version: 1, resources: [{{name: payload, application-revision: {{revision: {revision}, \
type: file, origin: upload, fingerprint: {sha384}, size: {size}, timestamp: 2026-08-21T09:00:00Z}}}}]}}"""


def small_charm():
    """Returns an archive of next to nothing: a charm is one, or it is refused."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("metadata.yaml"), "name: payload\n")
    return out.getvalue()


class Agents:
    """Two paired agents, one at each end of the link."""

    def __init__(self, binary, link, scratch, congestion, further="", tables=""):
        self.binary, self.link, self.scratch = binary, link, scratch
        self.processes = []
        for side, (name, address) in enumerate(zip(("src", "dst"), link.ends)):
            os.makedirs(f"{scratch}/{name}")
            with open(self.config(name), "w") as file:
                file.write(
                    f'state-dir = "{scratch}/{name}/state"\nsocket = "{scratch}/{name}/sock"\n'
                    f'listen = "{address}:17171"\n[log]\nfilter = "info,modelferry::link=debug"\n'
                    f'[embedded]\nname = "{name}"\ncloud = "nimbus"\n'
                    'region = "north-1"\ntype = "openstack"\nversion = "3.6.23"\n'
                )
                if congestion:
                    file.write(f'[link]\ncongestion = "{congestion}"\n{further}\n')
                file.write(tables)
            log = open(f"{scratch}/{name}/log", "w")
            command = link.inside(side, binary, "agent", "--config", self.config(name))
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        self.until(lambda: all(self.ask(name, "status") for name in ("src", "dst")))
        code = self.code("src")
        assert self.ask("src", "pair", "accept", code, link.ends[1], "--as", "dst")
        self.until(lambda: all(peer["connected"] for peer in json.loads(self.ask("src", "peers", "--format", "json"))))
        time.sleep(1)

    def config(self, name):
        return f"{self.scratch}/{name}/agent.toml"

    def ask(self, name, *arguments):
        told = subprocess.run([self.binary, "--config", self.config(name), *arguments], capture_output=True, text=True)
        if told.returncode and arguments[0] != "status":
            # What is wrong is on stdout where JSON was asked for.
            print(told.stderr or told.stdout, file=sys.stderr)
        return told.stdout if told.returncode == 0 else ""

    def code(self, peer):
        """Has the destination offer to pair, and returns the code."""
        words = (word.strip("'") for word in self.ask("dst", "pair", "offer", "--as", peer).split())
        return next(word for word in words if len(word) == 21 and word.count("-") == 4)

    def until(self, done):
        begun = time.monotonic()
        while not done():
            if time.monotonic() - begun > 60:
                raise RuntimeError(f"agents do not get ready; see {self.scratch}")
            time.sleep(0.05)

    def stop(self):
        for process in self.processes:
            process.terminate()
            process.wait()

    def peak_mib(self):
        """The most memory that either has had, in MiB."""
        peaks = []
        for process in self.processes:
            with open(f"/proc/{process.pid}/status") as status:
                peaks += [int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")]
        return max(peaks)

    def cpu_seconds(self):
        """Seconds of processor that both have had."""
        ticks = 0
        for process in self.processes:
            with open(f"/proc/{process.pid}/stat") as stat:
                ticks += sum(int(field) for field in stat.read().rpartition(")")[2].split()[11:13])
        return ticks / os.sysconf("SC_CLK_TCK")

    def prepare(self, number, content, comment=""):
        name, resources = f"payload-{number}", ""
        charms, files = f"{self.scratch}/{name}/charms", f"{self.scratch}/{name}/resources/payload"
        os.makedirs(charms)
        charm = content
        if not content.startswith(b"PK\x03\x04"):
            # What is no archive travels as a file resource of the application, beside a charm of next to nothing.
            charm = small_charm()
            os.makedirs(files)
            with open(f"{files}/payload", "wb") as file:
                file.write(content)
            sha384 = hashlib.sha384(content).hexdigest()
            resources = RESOURCE.format(revision=number, sha384=sha384, size=len(content))
        with open(f"{charms}/ch:amd64_{name}", "wb") as file:
            file.write(charm)
        with open(f"{self.scratch}/{name}.yaml", "w") as file:
            file.write(MODEL.format(name=name, uuid=uuid.uuid4(), resources=resources) + comment)
        assert self.ask("src", "embedded", "import", f"{self.scratch}/{name}.yaml", "--blobs", f"{self.scratch}/{name}")
        return name

    def migrate(self, name, size, seen=lambda view: None):
        """Returns seconds until the target's last durable acknowledgement, and the last view; `seen` gets every view."""
        self.link.disturb()
        begun = time.monotonic()
        told = json.loads(self.ask("src", "migrate", name, "dst", "--format", "json"))
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(f"{self.scratch}/src/sock")
            sock.sendall(json.dumps({"verb": "watch", "id": told["id"]}).encode() + b"\n")
            took = None
            for line in sock.makefile():
                answer = json.loads(line)
                if answer["answer"] == "failed":
                    raise RuntimeError(answer["body"])
                if answer["answer"] == "alive":
                    continue
                view = answer["body"]
                seen(view)
                if took is None and view["bytes"]["held"] >= size:
                    took = time.monotonic() - begun
                if view.get("ended-ms") or answer["answer"] == "migration":
                    assert view["stand"] == "moved", view
                    return took, view
        raise RuntimeError("the agent stopped answering")
