"""The job itself: read one table, CSV or XLSX, and say what is in it.

Plain Python that a person would write; it knows nothing of threads,
processes or interpreters.
"""

import csv
import operator
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

type Value = int | float | datetime | str

MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "NULL", "null", "None"})


@dataclass(frozen=True, slots=True)
class Column:
    """What one column of a table holds."""

    name: str
    kind: str
    count: int
    missing: int
    distinct: int
    smallest: Value | None
    largest: Value | None
    mean: float | None
    common: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """What one file holds."""

    file: str
    rows: int
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one file could not be read."""

    file: str
    reason: str


def summarise(file: str) -> Table | Failure:
    """Summarise one file; a bad file is reported, not raised."""
    try:
        return summarise_table(Path(file))
    except Exception as error:
        return Failure(file, f"{type(error).__name__}: {error}")


def summarise_table(path: Path) -> Table:
    """Read one table and summarise each of its columns."""
    read = READERS[path.suffix.lower()]
    rows = list(read(path))
    if not rows:
        raise ValueError("the table is empty")
    columns = zip_longest(*rows, fillvalue="")
    return Table(str(path), len(rows) - 1, tuple(map(summarise_column, columns)))


def read_csv(path: Path) -> Iterator[list[str]]:
    """Yield the rows of a text table, whatever separates its cells."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        delimiter = max(",;\t|", key=file.readline().count)
        file.seek(0)
        yield from csv.reader(file, delimiter=delimiter)


def read_xlsx(path: Path) -> Iterator[list[str]]:
    """Yield the rows of the first sheet of a workbook, as text."""
    # openpyxl would import numpy for number types that no file holds; that loads
    # in threads and processes, not in sub-interpreters, and the work be unequal.
    sys.modules.setdefault("numpy", None)  # type: ignore[arg-type]
    import openpyxl

    with closing(openpyxl.load_workbook(path, read_only=True, data_only=True)) as book:
        for row in book.worksheets[0].iter_rows(values_only=True):
            yield ["" if cell is None else str(cell) for cell in row]


READERS: dict[str, Callable[[Path], Iterable[list[str]]]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".xlsx": read_xlsx,
}


def summarise_column(cells: tuple[str, ...]) -> Column:
    """Summarise one column, whose first cell is its name."""
    name, *texts = cells
    counts = Counter(texts)
    missing = sum(counts.pop(text, 0) for text in MISSING)
    kind, values = converted(counts)
    return Column(
        name=name,
        kind=kind,
        count=len(texts) - missing,
        missing=missing,
        distinct=len(counts),
        smallest=min(values, default=None),
        largest=max(values, default=None),
        mean=mean(values, counts) if kind in ("integer", "number") else None,
        common=tuple(counts.most_common(3)),
    )


def converted(texts: Iterable[str]) -> tuple[str, list[Any]]:
    """Give the texts as values of the narrowest kind that holds them all."""
    for kind, convert in KINDS.items():
        try:
            return kind, [convert(text) for text in texts]
        except ValueError:
            continue
    raise AssertionError("any text is a text")


def moment(text: str) -> datetime:
    """Read a date or a time; one without a time zone is taken as UTC."""
    when = datetime.fromisoformat(text)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


KINDS: dict[str, Callable[[str], Value]] = {
    "integer": int,
    "number": float,
    "date": moment,
    "text": str,
}


def mean(values: list[float], counts: Counter[str]) -> float | None:
    """Give the mean of the values, each as often as its text was there."""
    total = sum(map(operator.mul, values, counts.values()))
    return total / counts.total() if values else None
