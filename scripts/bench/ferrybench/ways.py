"""Ways to carry bytes over a link: agents, and what else there is."""

import os
import shutil
import subprocess
import sys
import time

from .agents import Agents
from .link import SECOND, run


def ferry(binary, link, scratch, congestion, content):
    """Returns, for each model, what it took, the link's counts before and after, memory in MiB and processor seconds."""
    agents = Agents(binary, link, scratch, congestion)
    try:
        results = []
        for number, bytes_ in enumerate(content):
            name = agents.prepare(number, bytes_)
            before, busy = link.stats(), agents.cpu_seconds()
            took, _ = agents.migrate(name, len(bytes_))
            results.append((took, before, link.stats(), agents.peak_mib(), agents.cpu_seconds() - busy))
        return results
    finally:
        agents.stop()


def installed(way):
    """Returns whether the program of a way is here; those of the others always are."""
    return not way.startswith(("rsync-", "sendme")) or bool(program(way.partition("-")[0]))


def program(name):
    """Returns where a peer's program is: what SENDME or RSYNC names, or on the PATH."""
    return shutil.which(os.environ.get(name.upper(), name))


PUT_SERVER = """
import http.server, ssl, sys
class Put(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_PUT(self):
        left = int(self.headers["Content-Length"])
        with open(sys.argv[3], "wb") as file:
            while left:
                piece = self.rfile.read(min(left, 1 << 18))
                file.write(piece)
                left -= len(piece)
        self.send_response(201); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer((sys.argv[1], 8443), Put)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)
server.serve_forever()
"""


def put(link, scratch, algorithm, content):
    """One HTTPS PUT, as Juju uploads a charm, by curl."""
    link.tcp(algorithm)
    pem, source = f"{scratch}/cert.pem", f"{scratch}/payload"
    key = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
              "-subj", "/CN=ferry", "-keyout", "-", "-out", "-")
    with open(pem, "w") as file:
        file.write(key)
    command = link.inside(1, sys.executable, "-c", PUT_SERVER, SECOND, pem, f"{scratch}/arrived")
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        results = []
        if server.stdout.readline() != "ready\n":
            raise RuntimeError("the server of the PUT does not start")
        for bytes_ in content:
            with open(source, "wb") as file:
                file.write(bytes_)
            link.disturb()
            before, begun = link.stats(), time.monotonic()
            run(*link.inside(0, "curl", "-sSk", "-H", "Expect:", "-T", source, f"https://{SECOND}:8443/payload"))
            results.append((time.monotonic() - begun, before, link.stats(), None, None))
        return results
    finally:
        server.terminate()
        server.wait()


RSYNCD = """
port = 8730
use chroot = no
log file = /dev/null
[there]
path = {path}
read only = no
uid = root
gid = root
"""


def rsync(link, scratch, algorithm, content):
    """rsync to a daemon: without ssh, which would only add to it."""
    link.tcp(algorithm)
    os.makedirs(f"{scratch}/there")
    with open(f"{scratch}/rsyncd.conf", "w") as file:
        file.write(RSYNCD.format(path=f"{scratch}/there"))
    server = subprocess.Popen(link.inside(1, program("rsync"), "--daemon", "--no-detach", f"--config={scratch}/rsyncd.conf"))
    try:
        results = []
        time.sleep(1)
        for bytes_ in content:
            with open(f"{scratch}/payload", "wb") as file:
                file.write(bytes_)
            link.disturb()
            before, begun = link.stats(), time.monotonic()
            run(*link.inside(0, program("rsync"), "-z", "--whole-file", f"{scratch}/payload", f"rsync://{SECOND}:8730/there/"))
            results.append((time.monotonic() - begun, before, link.stats(), None, None))
        return results
    finally:
        server.terminate()
        server.wait()


def sendme(link, scratch, content):
    """sendme without relays and directories: its ticket names the addresses. From the start of the receiver to its end."""
    results = []
    for number, bytes_ in enumerate(content):
        here, there = f"{scratch}/here-{number}", f"{scratch}/there-{number}"
        os.makedirs(here)
        os.makedirs(there)
        with open(f"{here}/payload", "wb") as file:
            file.write(bytes_)
        command = [program("sendme"), "send", "--no-progress", "--relay", "disabled", "--ticket-type", "addresses", "payload"]
        quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        sender = subprocess.Popen(link.inside(0, *command), cwd=here, stdout=subprocess.PIPE, text=True, **quiet)
        try:
            ticket = next(line.split()[-1] for line in sender.stdout if line.startswith("sendme receive "))
            link.disturb()
            before, begun = link.stats(), time.monotonic()
            command = [program("sendme"), "receive", "--no-progress", "--relay", "disabled", ticket]
            subprocess.run(link.inside(1, *command), cwd=there, stdout=subprocess.DEVNULL, check=True, timeout=900, **quiet)
            results.append((time.monotonic() - begun, before, link.stats(), None, None))
            assert os.path.getsize(f"{there}/payload") == len(bytes_)
        finally:
            sender.kill()
            sender.wait()
    return results
