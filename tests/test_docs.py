"""The examples of the documentation do what they say, each as a script."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
if not DOCS.exists():
    pytest.skip("there is no documentation here", allow_module_level=True)

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLES = {
    f"{path.relative_to(DOCS).with_suffix('')}-{number}": block
    for path in sorted(DOCS.glob("**/*.md"))
    for number, block in enumerate(BLOCK.findall(path.read_text()))
}


def test_there_are_examples():
    folders = {name.partition("/")[0] for name in EXAMPLES}
    assert folders == {"recipes", "reference"}


@pytest.mark.parametrize("block", EXAMPLES.values(), ids=EXAMPLES)
def test_as_a_script(run_script, block):
    for needed in ("distributed", "joblib"):  # extras
        if re.search(rf"^(from|import) {needed}\b", block, re.MULTILINE):
            pytest.importorskip(needed)
    ended = run_script(block)
    assert (ended.rc, ended.stderr) == (0, "")
