"""The example of the guard: right on small maps, and with workers."""

import importlib.util
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

PATROL = Path(__file__).parents[1] / "examples" / "patrol"
if not PATROL.exists():
    pytest.skip("there are no examples here", allow_module_level=True)

# Up, right, down, left, and out at the top: 17 places.  An obstacle more above or
# below her last way up makes her go round again.
SMALL = """
..#....
......#
.......
..^....
#......
.....#.
"""
CIRCLE = """
.#..
.^.#
#...
..#.
"""


@pytest.fixture(scope="module")
def lab():
    spec = importlib.util.spec_from_file_location("patrol_lab", PATROL / "lab.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def walk(rows, extra=None):
    """The places of the guard as (x, y), and whether she leaves: the naive way."""
    ((x, y),) = (
        (x, y) for y, row in enumerate(rows) for x, c in enumerate(row) if c == "^"
    )
    dx, dy = 0, -1
    seen = set()
    while (x, y, dx, dy) not in seen:
        seen.add((x, y, dx, dy))
        nx, ny = x + dx, y + dy
        if not (0 <= ny < len(rows) and 0 <= nx < len(rows[0])):
            return {state[:2] for state in seen}, True
        if rows[ny][nx] == "#" or (nx, ny) == extra:
            dx, dy = -dy, dx
        else:
            x, y = nx, ny
    return {state[:2] for state in seen}, False


def traps_of(rows):
    return {
        (x, y)
        for y, row in enumerate(rows)
        for x, c in enumerate(row)
        if c == "." and not walk(rows, (x, y))[1]
    }


def found(lab, text):
    """What the example says: the way, and the traps, as (x, y)."""
    this = lab.parse(text)

    def place_of(index):
        return index % this.width - 1, index // this.width - 1

    way = {place_of(index) for index in lab.way_out(this)}
    traps = {
        place_of(extra)
        for start, extra in lab.candidates(this)
        if lab.is_trap(start, extra, grid=this.grid, width=this.width)
    }
    return way, traps


def test_a_small_map(lab):
    way, traps = found(lab, SMALL)
    assert len(way) == 17
    assert traps == {(1, 0), (1, 4)}
    assert (way, True) == walk(SMALL.split())
    assert traps == traps_of(SMALL.split())


def test_no_way_out(lab):
    assert lab.way_out(lab.parse(CIRCLE)) == []
    assert not walk(CIRCLE.split())[1]


@pytest.mark.parametrize("seed", range(30))
def test_random_maps(lab, seed):
    rng = random.Random(seed)
    text = lab.random_lab(10, rng).grid.replace("!", " ")
    rows = text.split()
    way, traps = found(lab, text)
    assert way == walk(rows)[0]
    assert traps == traps_of(rows)


def test_a_generated_map(lab):
    text = lab.generate(20, 6)
    rows = text.split()
    assert [len(row) for row in rows] == [20] * 20
    way, traps = found(lab, text)
    assert walk(rows) == (way, True)
    assert len(way) > 40
    assert traps == traps_of(rows)
    assert lab.generate(20, 6) == text


def run_demo(*arguments):
    command = [sys.executable, str(PATROL / "demo.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_demo_on_a_map_of_ones_own(tmp_path):
    (tmp_path / "map.txt").write_text(SMALL)
    first, _, *lines = run_demo(tmp_path / "map.txt", "--workers", 2)
    assert first == "16 places to try, on a map of 7 x 6"
    assert [line.split()[:2] for line in lines] == [["1", "2"], ["2", "2"]]
    assert re.fullmatch(r"1\.00", lines[0].split()[3])


def test_the_demo_on_a_random_map(lab):
    traps = traps_of(lab.generate(16, 3).split())
    _, _, line = run_demo("--size", 16, "--seed", 3, "--workers", 1)
    assert line.split()[:2] == ["1", str(len(traps))]
