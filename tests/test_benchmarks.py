"""The benchmarks run; what they say is not looked at."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[1] / "benchmarks" / "run.py"
ALONE = {"codec_calls"}  # needs a C compiler, and is no part of a run
# All files that measure: run.py refuses one that it has not heard of.
QUESTIONS = sorted(
    path.stem
    for path in RUN.parent.glob("*.py")
    if " main(measure" in path.read_text() and path.stem not in ALONE
)


@pytest.mark.slow
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_benchmark_runs(question, tmp_path):
    command = [sys.executable, str(RUN), "--quick", "--only", question]
    command += ["--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    (saved,) = tmp_path.iterdir()
    content = json.loads(saved.read_text())
    assert content["quick"]
    (results,) = content["results"].values()
    assert all(result["unit"] and result["samples"] for result in results)


@pytest.mark.slow
def test_there_are_benchmarks():
    assert "round_trip" in QUESTIONS
