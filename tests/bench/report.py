#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows figures as a table as they come, and keeps them as one JSON document.

usage: report.py JSON_FILE < LINES   ("" for no file; a line is one figure as JSON)
"""
import json
import os
import platform
import sys

ROW = "{:<24} {:>12} {:>12}  {:<22} {:>7}  {:<8} {:<4} {}"


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def show(figure):
    met = {True: "yes", False: "NO", None: ""}[figure["met"]]
    print(ROW.format(figure["name"], number(figure["value"]), number(figure["reference"]),
                     figure["unit"], f"{figure['ratio']:.2f}", figure["goal"] or "", met,
                     figure["against"]), flush=True)


def main():
    figures = []
    print(ROW.format("name", "value", "reference", "unit", "ratio", "goal", "met", "reference is"))
    for line in sys.stdin:
        figures.append(json.loads(line))
        show(figures[-1])
    if sys.argv[1]:
        machine = {"cpus": os.cpu_count(), "system": platform.platform()}
        with open(sys.argv[1], "w", encoding="utf-8") as target:
            json.dump({"machine": machine, "rounds": 5, "figures": figures}, target, indent=1)
            target.write("\n")
    if not figures:
        print("no such figure", file=sys.stderr)
    return 0 if figures and all(figure["met"] is not False for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
