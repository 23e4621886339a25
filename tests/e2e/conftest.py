# SPDX-License-Identifier: MIT
"""Fixtures of the end-to-end tests: run with TICKETQ_BUILD naming the build folder."""
import pytest

from world import World


@pytest.fixture(name="make_world")
def fixture_make_world(tmp_path):
    """Makes worlds with options of ticketqd; they end with the test."""
    worlds = []

    def make(*options):
        folder = tmp_path / str(len(worlds))
        folder.mkdir()
        worlds.append(World(folder, *options))
        return worlds[-1].start()
    yield make
    for world in worlds:
        world.close()


@pytest.fixture(name="world")
def fixture_world(make_world):
    return make_world()
