"""The examples of the README do what they say, as a script and typed in."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
if not README.exists():
    pytest.skip("there is no README here", allow_module_level=True)

BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.S)
blocks = pytest.mark.parametrize(
    "block", BLOCKS, ids=[f"block{n}" for n in range(len(BLOCKS))]
)


def typed_in(block):
    """The lines as somebody types them: an empty one ends what is indented."""
    lines = []
    for line in block.splitlines():
        if not line.strip():
            continue
        goes_on = re.match(r"\s|(else|elif|except|finally)\b|[)\]}]", line)
        if lines and re.match(r"\s", lines[-1]) and not goes_on:
            lines.append("")
        lines.append(line)
    return "\n".join([*lines, "", ""])


def run(*flags, stdin):
    return subprocess.run(
        [sys.executable, *flags],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONSTARTUP": "", "PYTHON_BASIC_REPL": "1"},
    )


def test_there_is_an_example():
    assert any("import coterie" in block for block in BLOCKS)


@blocks
def test_as_a_script(run_script, block):
    ended = run_script(block)
    assert (ended.rc, ended.stderr) == (0, "")


@blocks
def test_as_standard_input(block):
    ended = run("-", stdin=block)
    assert (ended.returncode, ended.stderr) == (0, "")


@blocks
def test_typed_in(block):
    ended = run("-i", "-q", stdin=typed_in(block) + "print('the end is reached')\n")
    assert "Error" not in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout.splitlines()[-1] == "the end is reached"
