"""The stress scripts, a little by make test and more by make check.

Each may be run by hand, longer and with the seed that it printed: see there.
"""

import os
import random
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SECONDS = float(os.environ.get("COTERIE_STRESS_SECONDS", "8"))

pytestmark = [pytest.mark.stress, pytest.mark.timeout(SECONDS + 100)]


@pytest.fixture
def run_stress(run_script):
    def run(name, amount, **options):
        seed = int(os.environ.get("COTERIE_STRESS_SEED", random.randrange(2**32)))
        print("seed", seed)  # shown if it fails
        ended = run_script((HERE / name).read_text(), seed, amount, **options)
        print(ended.stdout, ended.stderr)
        assert ended.rc == 0
        assert ended.stderr.strip() == ""

    return run


@pytest.mark.slow
@pytest.mark.parametrize("run", range(5))
def test_storm(run_stress, run):
    run_stress("storm.py", SECONDS)


def test_traffic(run_stress):
    run_stress("traffic.py", 100_000)


@pytest.mark.slow
@pytest.mark.parametrize("run", range(3))
def test_heavy_traffic(run_stress, run):
    run_stress("traffic.py", 1_000_000)


def test_choosing(run_stress):
    run_stress("choosing.py", 9_000)


@pytest.mark.slow
@pytest.mark.parametrize("run", range(3))
def test_much_choosing(run_stress, run):
    run_stress("choosing.py", 100_000)


def test_kills(run_stress):
    run_stress("kills.py", 2)


@pytest.mark.slow
@pytest.mark.parametrize("run", range(5))
def test_many_kills(run_stress, run):
    run_stress("kills.py", 10)
