"""The command line: `python -m coterie map pkg.module:function FILE...`."""

import argparse
import difflib
import functools
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coterie import __version__
from coterie._progress import Progress, progress_bar

FAILED = 1
INTERRUPTED = 130


class UsageError(Exception):
    """What the command line asks for cannot be done."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one item: a line of JSON, or the text of an error."""

    line: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """Calls the named function; runs in the workers and never raises."""

    target: str
    with_traceback: bool = False

    def __call__(self, item: str) -> Outcome:
        try:
            return Outcome(line=json_line(find_function(self.target)(item)))
        except UsageError as error:  # the function is found, but not in workers
            return Outcome(error=str(error))
        except (Exception, SystemExit) as error:
            return Outcome(error=self._text(error))

    def _text(self, error: BaseException) -> str:
        if self.with_traceback:
            return "".join(traceback.format_exception(error)).rstrip()
        return "".join(traceback.format_exception_only(error)).rstrip()


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for; return the exit status."""
    parser = make_parser()
    options, rest = parser.parse_known_args(arguments)
    if any(word.startswith("-") for word in rest):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.files += rest  # where argparse of 3.13.0 leaves a FILE after an option
    try:
        find_function(options.target)
        items = given_items(options.files, options.lines)
    except (UsageError, OSError) as error:
        parser.error(str(error))
    try:
        return run_map(options, items)
    except KeyboardInterrupt:
        return end_interrupted()
    except BrokenPipeError:
        # Nobody reads any more, and Python would flush once again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def end_interrupted() -> int:
    """Stop the workers; return the exit status, if they can be stopped."""
    from coterie import _core, _exit

    with suppress(KeyboardInterrupt):  # again
        if _exit.stop(_core.pools()):
            return INTERRUPTED
    # One is stuck in C code, and the end of Python would give another status.
    os._exit(INTERRUPTED)


def make_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m coterie",
        description="True parallelism in one process.",
    )
    parser.add_argument("--version", action="version", version=f"coterie {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "map",
        help="call a function with each item, in parallel",
        description="Call a function with each item, in parallel. Results come as"
        " JSON, one a line, in the order of the items; errors go to standard error."
        " The exit status is 1 if an item failed.",
    )
    add = command.add_argument
    add("target", metavar="pkg.module:function", help="what to call with each item")
    add("files", nargs="*", metavar="FILE", help="the items: file names, or any text")
    add("--lines", metavar="FILE", help="read the items, one a line; - is stdin")
    add("--workers", type=positive, metavar="N", help="default: one for each core")
    add("--traceback", action="store_true", help="show where an error happened")
    return parser


def positive(text: str) -> int:
    """Give the whole number, if it is more than zero."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def given_items(files: Sequence[str], lines: str | None) -> Sequence[str]:
    """Give the items, wherever the command line says that they are."""
    if files and lines:
        raise UsageError("give the items either as FILE... or with --lines, not both")
    if files:
        return files
    if lines is None and sys.stdin.isatty():
        raise UsageError("no items: give FILE..., or --lines, or pipe them in")
    if lines is None or lines == "-":
        return split_lines(sys.stdin.buffer.read())
    return split_lines(Path(lines).read_bytes())


def split_lines(text: bytes) -> list[str]:
    """Give the lines; file names may be any bytes, and stay what they are."""
    return [os.fsdecode(line) for line in text.splitlines()]


@functools.cache
def find_function(target: str) -> Callable[[str], object]:
    """Import what `pkg.module:function` names."""
    module_name, colon, path = target.partition(":")
    if not (module_name and colon and path):
        raise UsageError(
            f"{target!r} does not name a function: expected pkg.module:function,"
            " as in json:loads"
        )
    found = import_module(module_name)
    for name in path.split("."):
        found = attribute(found, name, target)
    if not callable(found):
        raise UsageError(f"{target} is no function, but of type {type(found).__name__}")
    return found


def import_module(name: str) -> object:
    """Import the module, and say clearly why if it cannot be done."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise UsageError(f"module {name} needs another one: {error}") from error
        raise UsageError(
            f"there is no module {error.name!r}, neither in the current directory nor"
            " among what is installed"
        ) from error
    except Exception as error:
        reason = "".join(traceback.format_exception_only(error)).rstrip()
        raise UsageError(f"module {name} cannot be imported: {reason}") from error


def attribute(owner: object, name: str, target: str) -> object:
    """Give the attribute, and propose another if there is none of this name."""
    try:
        return getattr(owner, name)
    except AttributeError:
        close = difflib.get_close_matches(name, dir(owner))
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise UsageError(f"{target}: there is no {name!r}{hint}") from None


def json_line(result: object) -> str:
    """Write a result as one line of JSON."""
    try:
        return json.dumps(result, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"the result cannot be written as JSON: {error}") from None


def run_map(options: argparse.Namespace, items: Sequence[str]) -> int:
    """Call the function with all items and write what comes."""
    from coterie import map as parallel_map

    call = Call(options.target, options.traceback)
    outcomes: Any = parallel_map(call, items, workers=options.workers)
    status = 0
    with (
        closing(outcomes),
        progress_bar(len(items), sys.stderr.isatty()) as progress,
    ):
        for item, outcome in zip(items, outcomes, strict=True):
            progress.update()
            if not report(item, outcome, progress):
                status = FAILED
    return status


def report(item: str, outcome: Outcome, progress: Progress) -> bool:
    """Write a result, or the error with its item; tell whether all went well."""
    if outcome.line is not None:
        progress.write(outcome.line, sys.stdout)
        return True
    progress.write(f"{item}: {outcome.error}", sys.stderr)
    return False
