"""The storm, a few times over; by hand it may blow longer: see storm.py."""

import os
import random
from pathlib import Path

import pytest

STORM = Path(__file__).with_name("storm.py")
SECONDS = float(os.environ.get("COTERIE_STRESS_SECONDS", "8"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.stress,
    pytest.mark.timeout(SECONDS + 100),
]


@pytest.mark.parametrize("run", range(5))
def test_storm(run_script, run):
    seed = int(os.environ.get("COTERIE_STRESS_SEED", random.randrange(2**32)))
    print("seed", seed)  # shown if it fails
    ended = run_script(STORM.read_text(), seed, SECONDS)
    print(ended.stdout, ended.stderr)
    assert ended.rc == 0
    assert ended.stderr.strip() == ""
