"""A guard on patrol, and where one more obstacle would trap her.

The search of Advent of Code 2024, day 6: she starts facing up, walks straight on,
turns right in front of an obstacle, and is gone when she leaves the map.  In how
many places of her way does one more obstacle make her walk in circles for ever?
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

OBSTACLE, FLOOR, START, OUTSIDE = "#", ".", "^", "!"


class Lab(NamedTuple):
    """A map as one string: its rows, with a border of OUTSIDE around them."""

    grid: str
    width: int  # of a row, with the border
    start: int  # an index into the grid

    def with_obstacle(self, place: int) -> "Lab":
        """Put one obstacle more, but not upon the guard."""
        if place == self.start:
            return self
        return self._replace(grid=put_obstacle(self.grid, place))


def put_obstacle(grid: str, place: int) -> str:
    """Put one obstacle more."""
    return f"{grid[:place]}{OBSTACLE}{grid[place + 1 :]}"


def parse(text: str) -> Lab:
    """Read a map: '#' is an obstacle, '^' the guard, everything else floor."""
    rows = text.split()
    width = len(rows[0]) + 2
    border = OUTSIDE * width
    inside = (f"{OUTSIDE}{row}{OUTSIDE}" for row in rows)
    grid = "".join([border, *inside, border])
    return Lab(grid, width, grid.index(START))


def generate(size: int, seed: int) -> str:
    """Write a random map, on which the guard's way has an end and is long."""
    rng = random.Random(seed)
    lab = random_lab(size, rng)
    way = way_out(lab)
    for _ in range(30 * size):
        # One more obstacle on her way, wherever that makes it longer.
        changed = lab.with_obstacle(rng.choice(way))
        longer = way_out(changed)
        if len(longer) > len(way):
            lab, way = changed, longer
    rows = lab.grid.replace(OUTSIDE, " ").split()
    return "\n".join(rows)


def random_lab(size: int, rng: random.Random) -> Lab:
    """Put an obstacle on one place of forty, and the guard where there is a way out."""
    while True:
        places = rng.choices([OBSTACLE, FLOOR], [1, 39], k=size * size)
        places[rng.randrange(len(places))] = START
        rows = (places[i : i + size] for i in range(0, len(places), size))
        lab = parse("\n".join(map("".join, rows)))
        if way_out(lab):
            return lab


def way_out(lab: Lab) -> list[int]:
    """List the places that the guard comes to; none if there is no way out."""
    grid, width, place = lab
    steps = (-width, 1, width, -1)
    facing = 0
    places = {place: None}
    turns = set()
    while (ahead := grid[place + steps[facing]]) != OUTSIDE:
        if ahead != OBSTACLE:
            place += steps[facing]
            places[place] = None
        elif (place, facing) in turns:
            return []
        else:
            turns.add((place, facing))
            facing = (facing + 1) % 4
    return list(places)


def candidates(lab: Lab) -> Iterator[tuple[int, int]]:
    """Give the arguments of all calls of is_trap: an obstacle must be on her way."""
    return ((lab.start, place) for place in way_out(lab) if place != lab.start)


def is_trap(place: int, extra: int, *, grid: str, width: int) -> bool:
    """Tell whether the guard, now at `place`, never leaves with the extra obstacle."""
    grid = put_obstacle(grid, extra)
    steps = (-width, 1, width, -1)
    facing, step = 0, steps[0]
    turns = set()
    while (ahead := grid[place + step]) != OUTSIDE:
        if ahead != OBSTACLE:
            place += step
        elif (turn := place * 4 + facing) in turns:
            return True
        else:
            turns.add(turn)
            facing = (facing + 1) % 4
            step = steps[facing]
    return False
