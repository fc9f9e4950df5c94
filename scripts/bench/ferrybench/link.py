"""Two network namespaces and the emulated link between them."""

import contextlib
import fcntl
import os
import socket
import struct
import subprocess
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
# Where the programs of scripts/bench are built.
BENCH = f"{ROOT}/scripts/bench/target/release"
LINKS = {
    # name: (Mbit/s, RTT ms, loss %, further settings)
    "lan": (500, 1, 0, {}),
    "metro": (100, 20, 0, {}),
    "inter": (100, 150, 0.1, {}),
    "bad": (20, 200, 1, {}),
    "fat": (500, 100, 0, {}),
    "thin": (1, 600, 2, {}),
    "outage": (100, 50, 0, {"outage": (2, 5)}),
    "burst": (100, 80, 1, {"burst": 20}),
    "jitter": (100, 50, 0.1, {"jitter": 10}),
    "uneven": (100, 50, 0.1, {"rate-back": 5_000_000}),
    "shift": (100, 50, 0.1, {"shift": (3, 30)}),
    "hole": (100, 50, 0, {"hole": (2, 1300)}),
    "wide": (1000, 100, 0, {}),
    "office": (20, 100, 0, {}),
}
FIRST, SECOND = "10.77.0.1", "10.77.0.2"
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
# What IPv4 and UDP add to a datagram.
HEADER_BYTES = 28


def run(*command, **kwargs):
    return subprocess.run(command, check=True, capture_output=True, text=True, **kwargs).stdout


class Loopback:
    """One namespace in which both ends are at home, and no emulator; packets have at most so many bytes."""

    mbit, ends = None, ("127.0.0.1", "127.0.0.2")

    def __init__(self, packet_bytes):
        self.space, self.packet_bytes = f"ferry{os.getpid() % 10000}l", packet_bytes

    def __enter__(self):
        run("ip", "netns", "add", self.space)
        run("ip", "-n", self.space, "link", "set", "lo", "mtu", str(self.packet_bytes), "up")
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "netns", "del", self.space], capture_output=True)

    def inside(self, _side, *command):
        return ["ip", "netns", "exec", self.space, *command]

    def disturb(self):
        """Nothing happens to it."""


class Link:
    """Two namespaces and the emulated link between them."""

    ends = (FIRST, SECOND)

    def __init__(self, name, seed):
        self.mbit, self.rtt, self.loss, self.extra = LINKS[name]
        self.tag = f"ferry{os.getpid() % 10000}"
        self.spaces = [f"{self.tag}a", f"{self.tag}b"]
        self.seed = seed
        self.devices = []
        self.emulator = None

    def __enter__(self):
        try:
            self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _set_up(self):
        for space, own in zip(self.spaces, (FIRST, SECOND)):
            device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            self.devices.append(device)
            fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", space.encode(), IFF_TUN | IFF_NO_PI))
            run("ip", "netns", "add", space)
            run("ip", "link", "set", space, "netns", space)
            ip = ("ip", "-n", space)
            run(*ip, "addr", "add", f"{own}/24", "dev", space)
            run(*ip, "link", "set", space, "mtu", "1500", "txqueuelen", "10000", "up")
            run(*ip, "link", "set", "lo", "up")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        spec = {"rate": self.mbit * 1_000_000, "rtt": self.rtt, "loss": self.loss, "seed": self.seed, "control": port}
        spec.update({key: value for key, value in self.extra.items() if key not in ("outage", "shift", "hole")})
        self.emulator = subprocess.Popen(
            ["nice", "-n", "-10", f"{BENCH}/emulated-link", *(f"{k}={v}" for k, v in spec.items())],
            stdin=self.devices[0],
            stdout=self.devices[1],
        )
        self.control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.control.settimeout(5)
        self.control.connect(("127.0.0.1", port))
        for _ in range(50):
            time.sleep(0.05)
            with contextlib.suppress(OSError):
                self.stats()
                return
        raise RuntimeError("the emulator does not answer")

    def __exit__(self, *_):
        if self.emulator:
            self.emulator.terminate()
            self.emulator.wait()
        for space in self.spaces:
            subprocess.run(["ip", "netns", "del", space], capture_output=True)
        for device in self.devices:
            os.close(device)

    def order(self, text):
        self.control.send(text.encode())
        return self.control.recv(256).decode()

    def stats(self):
        """Packets, bytes, lost by chance, lost for want of room; there, then back."""
        return [int(number) for number in self.order("stats").split()]

    def inside(self, side, *command):
        return ["ip", "netns", "exec", self.spaces[side], *command]

    def tcp(self, algorithm):
        # By route: a namespace may not choose every algorithm for itself.
        for space, own in zip(self.spaces, (FIRST, SECOND)):
            run("ip", "-n", space, "route", "replace", "10.77.0.0/24", "dev", space, "src", own, "congctl", algorithm)

    def disturb(self):
        """Does to the link what its name promises, once a transfer has begun."""

        def later():
            if outage := self.extra.get("outage"):
                time.sleep(outage[0])
                self.order("cut")
                time.sleep(outage[1])
                self.order("mend")
            if shift := self.extra.get("shift"):
                time.sleep(shift[0])
                self.order(f"rate {shift[1] * 1_000_000}")

            if hole := self.extra.get("hole"):
                time.sleep(hole[0])
                self.order(f"mtu {hole[1]}")

        threading.Thread(target=later, daemon=True).start()
