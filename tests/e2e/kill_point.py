# SPDX-License-Identifier: MIT
"""Programs that die at a chosen point, and somebody who starts them again.

A KillPoint makes a program run under tests/lib/kill_point.c, whose first comment says
what a point is. A Keeper starts again what was killed; what ended otherwise is an error.
"""
import mmap
import os
import signal
import struct
import threading
import time

from world import BUILD, wait_for

LIBRARY = os.path.join(BUILD, "tests", "libkill_point.so")
LAYOUT = struct.Struct("QQQ")  # limit, is_power, count


class KillPoint:
    def __init__(self, program, is_power=False):
        path = os.path.join(program.folder, program.name + ".point")
        with open(path, "wb+") as file:
            file.write(LAYOUT.pack(0, is_power, 0))
            file.flush()
            self.memory = mmap.mmap(file.fileno(), LAYOUT.size)
        self.is_power = is_power
        self.again = 0
        program.environment = {"LD_PRELOAD": LIBRARY, "TICKETQ_KILL_POINT": path}

    def arm(self, limit, again=0):
        """Die at this point from now; and at point `again` after the start that follows."""
        self.memory[:] = LAYOUT.pack(limit, self.is_power, 0)
        self.again = again

    def count(self):
        return LAYOUT.unpack(self.memory[:])[2]


class Keeper(threading.Thread):
    def __init__(self, programs):
        super().__init__(daemon=True)
        self.programs = programs  # {program: its kill point}
        self.deaths = 0
        self.error = None
        self.is_over = False

    def run(self):
        try:
            while not self.is_over:
                for program, point in self.programs.items():
                    if program.process.poll() is not None:
                        self.start_again(program, point)
                time.sleep(0.005)
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def start_again(self, program, point):
        while True:
            assert program.process.returncode == -signal.SIGKILL, \
                f"{program.name} ended with {program.process.returncode}: {program.log()[-4000:]}"
            self.deaths += 1
            point.arm(point.again)
            try:
                program.start()
                return
            except AssertionError:
                if program.process.poll() is None:
                    raise

    def until_all_are_up(self):
        def are_up():
            self.check()
            return all(program.process.poll() is None and os.path.exists(program.ready)
                       for program in self.programs)
        wait_for("the programs to be up", are_up)

    def check(self):
        if self.error:
            raise self.error

    def stop(self):
        self.is_over = True
        self.join()
        self.check()
