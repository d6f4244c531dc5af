"""Check that the core keeps no state of its own outside runtime.c.

Usage: check_globals.py BUILD_DIR

Reads the symbol tables of the core's object files: only runtime.o may have
writable data.  Constant tables of pointers do not count: they are writable for
the loader alone (.data.rel.ro).
"""

import subprocess
import sys
from pathlib import Path

WRITABLE = (".bss", ".data", ".tbss", ".tdata", "COMMON", "*COM*")


def writable_symbols(path: Path) -> list[str]:
    table = subprocess.run(
        ["nm", "--format=sysv", path], check=True, capture_output=True, text=True
    ).stdout
    symbols = []
    for line in table.splitlines():
        columns = [column.strip() for column in line.split("|")]
        if len(columns) != 7:
            continue
        name, section = columns[0], columns[-1]
        if section.startswith(WRITABLE) and not section.startswith(".data.rel.ro"):
            symbols.append(name)
    return symbols


def main() -> int:
    if sys.platform == "darwin":
        print("not checked here: nm of macOS has no sysv format")
        return 0
    objects = sorted(Path(sys.argv[1]).glob("csrc/core/libcore.a.p/*.o"))
    if not objects:
        print("no object files of the core in", sys.argv[1])
        return 1
    status = 0
    for path in objects:
        if path.name == "runtime.c.o":
            continue
        for symbol in writable_symbols(path):
            print(f"{path.name}: {symbol} is writable data outside runtime.c")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
