"""Check that the meson.build files list what is there.

Each folder's meson.build names its own files, one by one.  A Python file that
is not named is not installed, a C test that is not named never runs.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def listed(path: Path) -> bool:
    """Whether the nearest meson.build above names the file."""
    folder = path.parent
    while not (folder / "meson.build").exists():
        folder = folder.parent
    name = path.relative_to(folder).as_posix()
    text = (folder / "meson.build").read_text(encoding="utf-8")
    names = [name, name.removesuffix("_test.c")]
    return any(f"'{name}'" in text for name in names)


def main() -> int:
    files = [
        *ROOT.glob("csrc/**/*.c"),
        *ROOT.glob("src/**/*.py"),
        *ROOT.glob("src/**/*.pyi"),
        *ROOT.glob("tests/core/*_test.c"),
        *ROOT.glob("tests/support/*.c"),
    ]
    missing = [path for path in sorted(files) if not listed(path)]
    for path in missing:
        print(f"{path.relative_to(ROOT)}: no meson.build names it")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
