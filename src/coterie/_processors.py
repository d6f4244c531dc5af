"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def available() -> int:
    """As many as os.process_cpu_count() says, or as the control group allows."""
    count = os.process_cpu_count() or 1
    quota = _quota()
    # Part of a processor more is worth a worker more.
    return count if quota is None else max(1, min(count, math.ceil(quota)))


@cache
def _quota() -> float | None:
    return quota("/proc/self/cgroup", "/sys/fs/cgroup")


def quota(membership: str, root: str) -> float | None:
    """The time of how many processors the control groups of this process allow.

    None: as many as there are.  A group has no more than those that it is in.
    """
    try:
        with open(membership, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, ValueError):
        return None
    quotas = []
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            quotas += [_quota_v2(folder) for folder in _up(root, path)]
        elif "cpu" in controllers.split(","):
            for name in (controllers, "cpu"):
                tree = os.path.join(root, name)
                quotas += [_quota_v1(folder) for folder in _up(tree, path)]
    return min((found for found in quotas if found is not None), default=None)


def _up(root: str, path: str) -> Iterator[str]:
    """The folders of the group and of all that it is in.

    In a container the root is often the group's own: then its path is not there.
    """
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for length in range(len(parts), -1, -1):
        yield os.path.join(root, *parts[:length])


def _quota_v2(folder: str) -> float | None:
    return _ratio(*_words(folder, "cpu.max"))


def _quota_v1(folder: str) -> float | None:
    return _ratio(
        *_words(folder, "cpu.cfs_quota_us"), *_words(folder, "cpu.cfs_period_us")
    )


def _words(folder: str, name: str) -> list[str]:
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            return file.read().split()
    except (OSError, ValueError):
        return []


def _ratio(*words: str) -> float | None:
    try:
        quota, period = map(int, words)
    except ValueError:  # "max", or nothing there
        return None
    return quota / period if quota > 0 and period > 0 else None
