"""The demo on a tiny folder of tables."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("openpyxl")

DEMO = Path(__file__).parents[1] / "examples" / "tables" / "demo.py"


@pytest.fixture
def tables(tmp_path):
    import openpyxl

    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "a.csv").write_text("n,x,word\n1,2.5,one\n2,NA,two\n3,3.5\n")
    (folder / "b.csv").write_text("day;n\n2013-01-01;5\n2013-02-01;\n")
    (folder / "broken.xlsx").write_text("no workbook")
    book = openpyxl.Workbook()
    book.active.append(["n", "word"])
    book.active.append([1, "one"])
    book.active.append([2.5, None])
    book.save(folder / "c.xlsx")
    return folder


def run_demo(*arguments):
    command = [sys.executable, str(DEMO), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


def columns_of(summary):
    return {column["name"]: column for column in summary["columns"]}


def test_engines_agree_and_a_bad_file_is_shown(tables, tmp_path):
    done = run_demo(tables, "--engines", "loop", "coterie", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    loop, coterie = (line for line in lines if line.endswith(" equal"))
    assert loop.startswith("loop")
    assert coterie.startswith("coterie")
    assert f"could not read {tables / 'broken.xlsx'}" in lines
    assert "read 3 tables: 7 rows, 7 columns" in lines


def test_summaries(tables, tmp_path):
    done = run_demo(tables, "--engines", "loop", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    summaries = json.loads((tmp_path / "summaries.json").read_text())
    a, b, broken, c = summaries
    x = columns_of(a)["x"]
    assert (x["kind"], x["count"], x["missing"]) == ("number", 2, 1)
    assert (x["smallest"], x["largest"], x["mean"]) == (2.5, 3.5, 3.0)
    assert columns_of(a)["word"]["missing"] == 1
    assert columns_of(b)["day"]["kind"] == "date"
    assert columns_of(b)["n"]["kind"] == "integer"
    assert columns_of(c)["n"]["kind"] == "number"
    assert "BadZipFile" in broken["reason"]


def test_folder_without_tables(tmp_path):
    done = run_demo(tmp_path)
    assert done.returncode == 1
    assert f"no tables (.csv, .tsv, .xlsx) in {tmp_path}" in done.stderr
