"""Modules in C for benchmarks, built when they are asked for: that needs a compiler."""

import importlib
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness import HERE

CSRC = HERE.parent / "csrc"
SYSTEM = "darwin" if sys.platform == "darwin" else "linux"
PORT = (f"port/{SYSTEM}", "port/posix")


def built(name: str, folders: Iterable[str]) -> Any:
    """Build the module `name`_c of `name`.c and folders of csrc, and import it."""
    sources = [path for folder in folders for path in (CSRC / folder).glob("*.c")]
    with tempfile.TemporaryDirectory() as folder:
        command = ["cc", "-O3", "-DNDEBUG", "-std=gnu11", "-D_GNU_SOURCE=1"]
        command += ["-fPIC", "-shared", "-fvisibility=hidden", "-pthread"]
        command += ["-isystem", sysconfig.get_path("include"), "-I", CSRC]
        command += ["-o", Path(folder, f"{name}_c.so")]
        command += [HERE / f"{name}.c", *sources]
        if sys.platform == "darwin":
            command += ["-undefined", "dynamic_lookup"]
        subprocess.run(command, check=True)
        sys.path.insert(0, folder)
        try:
            return importlib.import_module(f"{name}_c")
        finally:
            sys.path.remove(folder)
