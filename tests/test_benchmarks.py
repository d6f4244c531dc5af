"""The benchmarks run; what they say is not looked at."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[1] / "benchmarks" / "run.py"


@pytest.mark.slow
def test_all_benchmarks_run(tmp_path):
    command = [sys.executable, str(RUN), "--quick", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    (saved,) = tmp_path.iterdir()
    content = json.loads(saved.read_text())
    assert content["quick"]
    assert None not in content["results"].values()
    assert {result["unit"] for result in content["results"]["codec"]} == {"us"}
