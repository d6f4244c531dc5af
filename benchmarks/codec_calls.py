"""How long does the codec take between calls from C, as in a task or a queue?

Not part of run.py: it builds the module with these loops, which needs a C compiler.
"""

import gc
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from codec import shapes
from harness import HERE, Effort, Goal, Result, in_unit, interleaved, main, microseconds

ROOT = HERE.parent
SMALL = 8  # times faster than pickle


def built() -> Any:
    """Build the module, and import it."""
    system = "darwin" if sys.platform == "darwin" else "linux"
    folders = [f"port/{system}", "port/posix", "core", "compat", "codec"]
    sources = [p for folder in folders for p in (ROOT / "csrc" / folder).glob("*.c")]
    with tempfile.TemporaryDirectory() as folder:
        command = ["cc", "-O3", "-DNDEBUG", "-std=gnu11", "-D_GNU_SOURCE=1"]
        command += ["-fPIC", "-shared", "-fvisibility=hidden", "-pthread"]
        command += ["-isystem", sysconfig.get_path("include"), "-I", ROOT / "csrc"]
        command += ["-o", Path(folder, "codec_calls_c.so")]
        command += [HERE / "codec_calls.c", *sources]
        if sys.platform == "darwin":
            command += ["-undefined", "dynamic_lookup"]
        subprocess.run(command, check=True)
        sys.path.insert(0, folder)
        import codec_calls_c

        sys.path.remove(folder)
    return codec_calls_c


def measure(effort: Effort) -> Iterator[Result]:
    """Measure both ways together; to free the result is part of it."""
    calls = built()
    kinds = {
        "pickle 5": calls.pickle,
        "marshal": calls.marshal,
        "coterie": calls.coterie,
    }
    for shape, (item, goals) in shapes(effort.scale).items():
        gc.collect()
        loops = {name: partial(call, item) for name, call in kinds.items()}
        samples = in_unit(microseconds, interleaved(loops, effort))
        small = [Goal("pickle 5", SMALL)] if goals and goals[0].ratio >= 4 else goals
        yield Result(f"encode + decode: {shape}", "us", samples, small)


if __name__ == "__main__":
    main(measure)
