#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Figures over HTTP: starts ticketqd with a sale and lets http_load ask.

usage: over_http.py [NAME...]   with TICKETQ_BUILD naming the build folder
"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import world as e2e  # noqa: E402

NAME = "http.queue_state"


def main():
    if len(sys.argv) > 1 and NAME not in sys.argv[1:]:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        world = e2e.World(folder, "--threads", "1")
        try:
            world.start()
            schedule = world.sale()
            path = f"/v1/queue/state?scheduleId={schedule}"
            e2e.wait_for("the room", lambda: world.call("GET", path).status_code == 200)
            load = os.path.join(e2e.BUILD, "tests", "bench", "http_load")
            return subprocess.run([load, NAME, str(world.port), path], check=False).returncode
        finally:
            world.close()


if __name__ == "__main__":
    sys.exit(main())
