"""The lines that `modelferry demo --keep` prints, typed as they are printed."""

import re
import signal
import subprocess
import threading

from conftest import PATIENCE, run, tool, until


def test_the_lines_that_the_demo_leaves_work_as_they_are_printed(tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "juju").symlink_to(tool("JUJU36"))
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    errors = open(tmp_path / "demo.err", "w+")
    demo = subprocess.Popen(
        [tool("MODELFERRY"), "demo", "--keep", "--size", "4MiB", "--link", "200mbit,10ms"], env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=errors, text=True,
    )
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(demo.stdout), daemon=True)
    reader.start()
    try:
        def left():
            assert demo.poll() is None, ("".join(lines), errors.seek(0), errors.read())
            return any("juju status -m dst:" in line for line in lines)

        until("the demo has ended and leaves everything running", left, PATIENCE * 2)
        said = "".join(lines)
        ours, theirs = said.split("In another terminal:")[1].split("And with Juju's own client, where it is installed:")
        data = re.search(r"JUJU_DATA=(\S+)", theirs)[1]
        # A client that finds no list of public clouds asks a host outside for one.
        with open(f"{data}/public-clouds.yaml", "w") as clouds:
            clouds.write("clouds: {}\n")
        typed = [line.strip() for line in (ours + theirs).splitlines() if line.strip()]
        assert len(typed) == 7, typed
        told = {line: run(["bash", "-c", line], env=environment).ok() for line in typed}
        listed, status = [told[line] for line in typed if line.startswith("JUJU_DATA=")]
        assert "shop-eu" in listed or "controller" in listed, listed
        assert re.search(r"(?m)^shop-eu +dst ", status), status
        assert "Relation provider" in status or "Integration provider" in status, status
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=PATIENCE) == 0
    finally:
        if demo.poll() is None:
            demo.kill()
            demo.wait()
