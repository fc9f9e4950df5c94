"""Measurements that are no ratio of a rate: fairness, a cap, the freeze window."""

import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time

from .agents import Agents, payload
from .link import BENCH, HEADER_BYTES, SECOND, Link, Loopback, run

# One TCP flow of a congestion control, for some seconds; the receiver prints how many bytes came.
SINK = """
import socket, sys, time
with socket.create_server((sys.argv[1], int(sys.argv[2]))) as server:
    stream, _ = server.accept()
    came = 0
    while piece := stream.recv(1 << 18):
        came += len(piece)
print(came)
"""
SOURCE = """
import socket, sys, time
stream = socket.socket()
stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, sys.argv[3].encode())
stream.connect((sys.argv[1], int(sys.argv[2])))
until, piece = time.monotonic() + float(sys.argv[4]), bytes(1 << 16)
stream.settimeout(1)
while time.monotonic() < until:
    try:
        stream.send(piece)
    except TimeoutError:
        pass
stream.close()
"""


class Flow:
    """A TCP flow between the two ends of a link."""

    def __init__(self, link, port, algorithm, seconds):
        self.sink = subprocess.Popen(link.inside(1, sys.executable, "-c", SINK, SECOND, str(port)), stdout=subprocess.PIPE, text=True)
        time.sleep(0.3)
        command = link.inside(0, sys.executable, "-c", SOURCE, SECOND, str(port), algorithm, str(seconds))
        self.source = subprocess.Popen(command)

    def came(self):
        self.source.wait()
        return int(self.sink.communicate()[0])


def fairness(binary, link_name, seed, seconds=20):
    """Returns the Mbit/s that a TCP CUBIC flow keeps beside one flow of kernel BBR, and beside a transfer."""
    with Link(link_name, seed) as link:
        link.tcp("cubic")
        other = Flow(link, 9001, "bbr", seconds + 3)
        time.sleep(2)
        beside_bbr = Flow(link, 9002, "cubic", seconds).came()
        other.came()
    with Link(link_name, seed) as link, tempfile.TemporaryDirectory(prefix="ferry-bench-") as scratch:
        link.tcp("cubic")
        agents = Agents(binary, link, scratch, None)
        try:
            size = int(link.mbit * 1e6 / 8 * (seconds + 10))
            name = agents.prepare(0, payload("random", size, seed))
            agents.ask("src", "migrate", name, "dst")
            time.sleep(2)
            beside_ours = Flow(link, 9002, "cubic", seconds).came()
        finally:
            agents.stop()
    return [came * 8 / seconds / 1e6 for came in (beside_bbr, beside_ours)]


def cap(binary, seed, mbit=20, seconds=30):
    """Returns UDP payload / cap, of the 10 s in which it was most, while a transfer is held back."""
    with Link("metro", seed) as link, tempfile.TemporaryDirectory(prefix="ferry-bench-") as scratch:
        agents = Agents(binary, link, scratch, None)
        try:
            agents.ask("src", "limit", f"{mbit}mbit")
            name = agents.prepare(0, payload("random", int(mbit * 1e6 / 8 * (seconds + 5)), seed))
            agents.ask("src", "migrate", name, "dst")
            sent, begun = [], time.monotonic()
            while time.monotonic() - begun < seconds:
                packets, bytes_ = link.stats()[:2]
                sent.append((time.monotonic(), bytes_ - HEADER_BYTES * packets))
                time.sleep(0.1)
        finally:
            agents.stop()
    most = 0.0
    for at, (begun, before) in enumerate(sent):
        after = next(((until, later) for until, later in sent[at:] if until - begun >= 10), None)
        if after:
            most = max(most, (after[1] - before) * 8 / (after[0] - begun) / (mbit * 1e6))
    return most


def description(size, seed):
    """Returns comments that make a description so large; they compress as machines in YAML do."""
    rand, lines, made = random.Random(seed), [], 0
    while made < size:
        number = len(lines)
        line = f"# machine {number}: 10.{rand.randint(0, 255)}.{rand.randint(0, 255)}.7 {rand.getrandbits(64):016x} amd64 24.04 started since 2026-08-21\n"
        lines.append(line)
        made += len(line)
    return "".join(lines)


def freeze(binary, seed, mib=1024, link_mbit=20):
    """Returns for how many seconds a model was frozen whose description has 7.9 MB and was changed late.

    Its binaries travel on a faster link, or this would take minutes; the last of them, and the freeze, do not.
    """
    with Link("wide", seed) as link, tempfile.TemporaryDirectory(prefix="ferry-bench-", dir="/var/tmp") as scratch:
        agents = Agents(binary, link, scratch, None)
        try:
            name = agents.prepare(0, payload("random", mib << 20, seed), description(7_900_000, seed))
            slow = threading.Event()

            def seen(view):
                if not slow.is_set() and view["bytes"]["held"] > view["bytes"]["total"] - (24 << 20) > 0:
                    slow.set()
                    link.order(f"rate {link_mbit * 1_000_000}")
                    agents.ask("src", "embedded", "set", name, "bench=changed")

            _, view = agents.migrate(name, mib << 20, seen)
            return view["frozen-ms"] / 1e3, slow.is_set()
        finally:
            agents.stop()


def bare_stream(link, scratch, size):
    """Returns seconds, and processor seconds of both sides, of one QUIC stream that carries `size` bytes."""
    address, certificate = f"{link.ends[1]}:17172", f"{scratch}/bare.der"
    server = subprocess.Popen(link.inside(1, f"{BENCH}/bare", "serve", address, certificate), stdout=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 10
        while not os.path.exists(certificate):
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the bare stream's server does not start")
            time.sleep(0.02)
        took, busy = map(float, run(*link.inside(0, f"{BENCH}/bare", "send", address, certificate, str(size))).split())
        return took, busy + float(server.communicate(timeout=60)[0])
    finally:
        server.kill()
        server.wait()


def loopback(binary, kind, seed, mib, packet_bytes):
    """Returns what both ways take without a link between them, and the processor seconds of the parts.

    In a dictionary: seconds of the agents and of the bare stream, bytes of the payload and as it travels, and processor seconds
    of the agents, the bare stream, and each part; zstd's for as much of the payload as was compressed.
    """
    with Loopback(packet_bytes) as link, tempfile.TemporaryDirectory(prefix="ferry-bench-", dir="/var/tmp") as scratch:
        content = payload(kind, mib << 20, seed)
        agents = Agents(binary, link, scratch, None)
        try:
            name = agents.prepare(0, content)
            before = agents.cpu_seconds()
            took, view = agents.migrate(name, len(content))
            busy = agents.cpu_seconds() - before
        finally:
            agents.stop()
        wire = view["bytes"]["sent-wire"]
        bare, bare_busy = bare_stream(link, scratch, wire)
        with open(f"{scratch}/content", "wb") as file:
            file.write(content)
        *parts, left = map(float, run(f"{BENCH}/bare", "parts", f"{scratch}/content").split())
        # What does not shrink was tried; of what does, the wire tells how much was.
        parts[2] *= 1 if left > 0.98 else min(1, max(0, (1 - wire / len(content)) / (1 - left)))
        parts = dict(zip(("BLAKE3", "FastCDC", "zstd"), parts))
        return {"took": took, "bare": bare, "size": len(content), "wire": wire, "busy": busy, "bare_busy": bare_busy, "parts": parts}
