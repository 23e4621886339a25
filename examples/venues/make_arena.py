#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws the arena of the examples: 15,000 seats in the open pretix seating-plan format.

usage: make_arena.py > arena.json
       make_arena.py --check arena.json    is the file what this script draws?

A stage at the north end; on the floor eight blocks of straight rows; around them two rings of
twenty sections each, whose rows grow longer towards the back. The order of the zones is the order
in which seats go on sale when only a part of the hall is sold: floor, lower ring from the stage
outwards, upper ring.
"""
import json
import math
import string
import sys
from pathlib import Path

SEAT = 0.55  # metres from seat to seat
ROW = 0.9  # metres from row to row
SCALE = 10  # plan units in a metre
WIDTH, HEIGHT = 1600, 1750  # plan units
CENTRE = (WIDTH / 2, HEIGHT / 2)
SECTIONS = 20  # in each ring
GAP = math.radians(40)  # left open behind the stage

GRADES = {"VIP": "#8e44ad", "R": "#c0392b", "S": "#d35400", "A": "#27ae60", "B": "#2980b9"}


def point(x, y):
    return {"x": round(x, 1), "y": round(y, 1)}


def seats_of(section, row, grade, places):
    return [{"seat_guid": f"{section}-{row}-{number}", "seat_number": str(number),
             "position": point(x, y), "category": grade}
            for number, (x, y) in enumerate(places, 1)]


def row_of(section, letter, grade, at, places):
    return {"row_number": letter, "row_number_position": "both", "position": point(*at),
            "seats": seats_of(section, letter, grade, places)}


def floor_block(name, grade, left, top):
    rows = [row_of(name, string.ascii_uppercase[r], grade, (0, r * ROW * SCALE),
                   [(s * SEAT * SCALE, 0) for s in range(20)]) for r in range(14)]
    return {"name": f"Floor {name}", "zone_id": name, "position": point(left, top), "rows": rows}


def floor():
    """Two by four blocks in front of the stage; the front ones are the dearest."""
    for deep in range(2):
        for across in range(4):
            left = CENTRE[0] - 4 * 125 / 2 + across * 125 + 8
            top = CENTRE[1] - 210 + deep * 170
            yield floor_block(f"F{deep * 4 + across + 1}", "VIP" if deep == 0 else "R", left, top)


def ring_section(name, grade, angle, radius, widths):
    """Rows on arcs around the centre; their seats are as far apart as everywhere."""
    def at(distance, turn):
        return (math.sin(angle + turn) * distance * 0.9, -math.cos(angle + turn) * distance)

    centre = at(radius, 0)
    rows = []
    for r, width in enumerate(widths):
        distance = radius + r * ROW * SCALE
        middle = at(distance, 0)
        step = SEAT * SCALE / distance
        places = []
        for s in range(width):
            x, y = at(distance, (s - (width - 1) / 2) * step)
            places.append((x - middle[0], y - middle[1]))
        rows.append(row_of(name, string.ascii_uppercase[r], grade,
                           (middle[0] - centre[0], middle[1] - centre[1]), places))
    return {"name": f"Section {name}", "zone_id": name,
            "position": point(CENTRE[0] + centre[0], CENTRE[1] + centre[1]), "rows": rows}


def ring(first, radius, widths, grade_of):
    """Sections from the stage outwards: left and right in turn."""
    turn = (2 * math.pi - GAP) / SECTIONS
    for i in range(SECTIONS):
        rank, side = i // 2, -1 if i % 2 else 1
        angle = side * (GAP / 2 + turn * (rank + 0.5))
        yield ring_section(str(first + i), grade_of(rank), angle, radius, widths)


def arena():
    lower = ring(101, 440, [13 + r for r in range(16)], lambda rank: "S" if rank < 6 else "A")
    upper = ring(201, 720, [22 + 2 * r for r in range(10)], lambda rank: "B")
    stage = {"shape": "rectangle", "color": "#444444", "border_color": "#222222",
             "position": point(CENTRE[0] - 150, CENTRE[1] - 350),
             "rectangle": {"width": 300, "height": 100},
             "text": {"position": point(150, 50), "color": "#ffffff", "text": "Stage"}}
    return {"name": "Ticketq Arena", "size": {"width": WIDTH, "height": HEIGHT},
            "categories": [{"name": name, "color": color} for name, color in GRADES.items()],
            "zones": [*floor(), *lower, *upper], "areas": [stage]}


def text_of(plan):
    """Compact, one line a row, so that a change of the hall shows in a diff."""
    zones = []
    for zone in plan["zones"]:
        head = json.dumps({k: v for k, v in zone.items() if k != "rows"}, separators=(",", ":"))
        rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in zone["rows"])
        zones.append(f'{head[:-1]},"rows":[\n{rows}]}}')
    head = json.dumps({k: v for k, v in plan.items() if k != "zones"}, separators=(",", ":"))
    return f'{head[:-1]},"zones":[\n' + ",\n".join(zones) + "]}"


def main():
    text = text_of(arena()) + "\n"
    if sys.argv[1:2] == ["--check"]:
        return int(Path(sys.argv[2]).read_text() != text)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
