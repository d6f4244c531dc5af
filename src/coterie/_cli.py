"""The command line: `python -m coterie map pkg.module:function FILE...`."""

from __future__ import annotations

import argparse
import difflib
import functools
import importlib
import json
import os
import stat
import sys
import traceback
from collections.abc import Sequence
from contextlib import closing, redirect_stdout, suppress
from dataclasses import dataclass

from coterie import __version__
from coterie._progress import Progress, progress_bar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from coterie._live import Lines
    from coterie._map import Results

# The JSON that came of an item, or the text of its error; and whether all went well.
type Outcome = tuple[bool, str]

FAILED = 1
INTERRUPTED = 130


class UsageError(Exception):
    """What the command line asks for cannot be done."""


@dataclass(frozen=True, slots=True)
class Call:
    """Calls the named function; runs in the workers and never raises."""

    target: str
    with_traceback: bool = False

    def __call__(self, item: str) -> Outcome:
        divert_output()
        try:
            return True, json_line(find_function(self.target)(item))
        except UsageError as error:  # the function is found, but not in workers
            return False, f"{item}: {error}"
        except (Exception, SystemExit) as error:
            return False, f"{item}: {self._text(error)}"

    def _text(self, error: BaseException) -> str:
        if self.with_traceback:
            return "".join(traceback.format_exception(error)).rstrip()
        return "".join(traceback.format_exception_only(error)).rstrip()


@functools.cache
def divert_output() -> None:
    """Let what this worker prints go where it does not tear the results.

    In whole lines, also where standard error has no buffer.
    """
    sys.stdout = open(  # noqa: SIM115  # for as long as the worker lives
        sys.stderr.fileno(),
        "w",
        buffering=1,
        errors="backslashreplace",
        closefd=False,
    )


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for; return the exit status."""
    if sys.stderr is None:  # closed: nobody wants to hear of errors
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    try:
        return command(arguments)
    except KeyboardInterrupt:
        return end(INTERRUPTED)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # it is, if nobody reads any more
            print(f"python -m coterie: {error}", file=sys.stderr)
        drop_output()
        return end(FAILED)


def command(arguments: list[str] | None) -> int:
    """Do what the command line asks for; errors of input and output are raised."""
    parser = make_parser()
    options, rest = parser.parse_known_args(arguments)
    if any(word.startswith("-") for word in rest):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.files += rest  # where argparse of 3.13.0 leaves a FILE after an option
    try:
        if sys.stdout is None:
            raise UsageError("standard output is closed")
        with redirect_stdout(sys.stderr):
            find_function(options.target)
        items = given_items(options.files, options.lines)
    except (UsageError, OSError) as error:
        parser.error(str(error))
    return run_map(options, items)


def drop_output() -> None:
    """Leave nothing for Python to write at its end, which would fail once more."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def end(status: int) -> int:
    """Stop the workers; return the exit status, if they can be stopped."""
    from coterie import _core, _exit

    with suppress(KeyboardInterrupt):  # again
        if _exit.stop(_core.pools()):
            return status
    # One is stuck in C code, and the end of Python would give another status.
    os._exit(status)


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
        " JSON, one a line, in the order of the items; errors, and what the function"
        " prints, go to standard error."
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


def given_items(files: Sequence[str], lines: str | None) -> Sequence[str] | Lines:
    """Give the items, wherever the command line says that they are."""
    if files and lines:
        raise UsageError("give the items either as FILE... or with --lines, not both")
    if files:
        return files
    if lines is not None and lines != "-":
        return lines_of(os.open(lines, os.O_RDONLY | os.O_CLOEXEC))
    if lines is None and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError("no items: give FILE..., or --lines, or pipe them in")
    if sys.stdin is None:
        raise UsageError("standard input is closed")
    return lines_of(sys.stdin.fileno())


def lines_of(fd: int) -> Sequence[str] | Lines:
    """Give the lines; all of them, so that they can be counted, if it is a file."""
    from coterie._live import Lines

    lines = Lines(fd)
    return list(lines) if stat.S_ISREG(os.fstat(fd).st_mode) else lines


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
    except (Exception, SystemExit) as error:
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


def run_map(options: argparse.Namespace, items: Sequence[str] | Lines) -> int:
    """Call the function with all items and write what comes."""
    call = Call(options.target, options.traceback)
    total = len(items) if isinstance(items, Sequence) else None
    status = 0
    with (
        closing(outcomes_of(call, items, options.workers)) as outcomes,
        progress_bar(total, sys.stderr.isatty()) as progress,
    ):
        for outcome in outcomes:
            progress.update()
            if not report(outcome, progress):
                status = FAILED
    return status


def outcomes_of(
    call: Call, items: Sequence[str] | Lines, workers: int | None
) -> Results[Outcome]:
    """Begin; the outcomes in the order of the items, which stop the work if closed."""
    if isinstance(items, Sequence):
        from coterie import map as parallel_map

        return parallel_map(call, items, workers=workers)
    from coterie._live import live_map

    return live_map(call, items, workers)


def report(outcome: Outcome, progress: Progress) -> bool:
    """Write a result, or an error; tell whether all went well."""
    is_result, text = outcome
    progress.write(text, sys.stdout if is_result else sys.stderr)
    return is_result
