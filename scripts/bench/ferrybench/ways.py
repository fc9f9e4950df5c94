"""Ways to carry bytes over a link: agents, and what else there is."""

import os
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
    server = subprocess.Popen(link.inside(1, sys.executable, "-c", PUT_SERVER, SECOND, pem, f"{scratch}/arrived"))
    try:
        results = []
        time.sleep(1)
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
    server = subprocess.Popen(link.inside(1, "rsync", "--daemon", "--no-detach", f"--config={scratch}/rsyncd.conf"))
    try:
        results = []
        time.sleep(1)
        for bytes_ in content:
            with open(f"{scratch}/payload", "wb") as file:
                file.write(bytes_)
            link.disturb()
            before, begun = link.stats(), time.monotonic()
            run(*link.inside(0, "rsync", "-z", "--whole-file", f"{scratch}/payload", f"rsync://{SECOND}:8730/there/"))
            results.append((time.monotonic() - begun, before, link.stats(), None, None))
        return results
    finally:
        server.terminate()
        server.wait()
