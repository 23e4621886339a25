# SPDX-License-Identifier: MIT
"""Fixtures of the end-to-end tests: run with TICKETQ_BUILD naming the build folder."""
import pytest

from world import World


def pytest_addoption(parser):
    parser.addoption("--all-points", action="store_true",
                     help="kill a purchase at each of its points, not at a sample of them")


@pytest.fixture(name="make_world")
def fixture_make_world(tmp_path):
    """Makes worlds with options of ticketqd; they end with the test."""
    worlds = []

    def make(*options, prepare=None):
        folder = tmp_path / str(len(worlds))
        folder.mkdir()
        worlds.append(World(folder, *options))
        if prepare:
            prepare(worlds[-1])
        return worlds[-1].start()
    yield make
    for world in worlds:
        world.close()


@pytest.fixture(name="world")
def fixture_world(make_world):
    return make_world()
