"""Check the rules between the layers of csrc, by reading #include lines.

- A layer includes itself and the layers below: port < core < compat < codec <
  types < module.  Includes start at csrc ("core/queue.h"), never with "../".
- port and core know no Python; what CPython keeps private is for compat alone.
- An include guard is the path: COT_CORE_QUEUE_H.
- Each core/x.c has a test, tests/core/x_test.c.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"
LAYERS = ["port", "core", "compat", "codec", "types", "module"]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
PYTHON_HEADER = re.compile(r"^(Python|structmember|cpython/.*|internal/.*|py.*)(\.h)?$")
PRIVATE = re.compile(r"\bPy_BUILD_CORE\w*|\bcpython/\w+|\binternal/pycore_\w+")


def problems_of_file(path: Path, layer: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    rank = LAYERS.index(layer)
    found = []
    for quote, name in INCLUDE.findall(text):
        if quote == "<":
            if layer in ("port", "core") and PYTHON_HEADER.match(name):
                found.append(f"includes <{name}>: {layer} knows no Python")
            continue
        target = name.split("/")[0]
        if ".." in name.split("/"):
            found.append(f'includes "{name}": start at csrc instead of ".."')
        elif target not in LAYERS or "/" not in name:
            found.append(f'includes "{name}": begin with a layer ("core/queue.h")')
        elif LAYERS.index(target) > rank:
            found.append(f'includes "{name}": {target} is above {layer}')
    if layer != "compat":
        found += [f"uses {use}: for compat alone" for use in PRIVATE.findall(text)]
    if path.suffix == ".h":
        stem = path.relative_to(CSRC).with_suffix("")
        guard = "COT_" + "_".join(stem.parts).upper() + "_H"
        if f"#ifndef {guard}\n#define {guard}\n" not in text:
            found.append(f"the include guard is not {guard}")
    return found


def main() -> int:
    problems = []
    for path in sorted(CSRC.rglob("*.[ch]")):
        layer = path.relative_to(CSRC).parts[0]
        shown = path.relative_to(ROOT)
        if layer not in LAYERS:
            problems.append(f"{shown}: {layer} is no layer")
            continue
        problems += [f"{shown}: {word}" for word in problems_of_file(path, layer)]
    for path in sorted((CSRC / "core").glob("*.c")):
        test = ROOT / "tests" / "core" / f"{path.stem}_test.c"
        if not test.exists():
            problems.append(f"{path.relative_to(ROOT)}: no {test.relative_to(ROOT)}")
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
