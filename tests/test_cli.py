"""The command line, run as users run it."""

import json
import os
import signal
import subprocess
import sys
import termios
import time

import pytest

JOBS = """
import math, os, sys, time

def double(text):
    return {"item": text, "twice": 2 * int(text)}

def read(name):
    with open(name) as file:
        return file.read()

def slow_first(text):
    time.sleep(0.2 if text == "0" else 0)
    return text

def unwritable(text):
    return {"nan": math.nan, "set": {1}, "none": None}[text]

def leave(text):
    sys.exit("left " + text)

def sleep(text):
    print("started", file=sys.stderr, flush=True)
    time.sleep(30)

def work(text):
    print("started", file=sys.stderr, flush=True)
    while True:
        pass

def chat(text):
    print("said", end=" ")
    print(text)
    return text

def wait_or_go(text):
    if text == "wait":
        print("started", file=sys.stderr, flush=True)
    return open("fifo", "r" if text == "wait" else "w").close()

def stay(text):
    if text == "stuck":
        print("started", file=sys.stderr, flush=True)
        time.sleep(30)
    return open("fifo").close() if text == "wait" else text

class Group:
    def shout(text):
        return text.upper()

number = 5
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "leaving.py").write_text("import sys; sys.exit(5)")
    (tmp_path / "loud.py").write_text("print('loaded'); same = str")
    (tmp_path / "needy.py").write_text("import not_installed_at_all")
    return tmp_path


@pytest.fixture
def run(folder):
    def run(*arguments, stdin=""):
        return subprocess.run(
            [sys.executable, "-m", "coterie", *arguments],
            cwd=folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def results(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_results_are_json_lines_in_order(run):
    done = run("map", "jobs:double", "1", "2", "3")
    assert results(done) == [{"item": str(n), "twice": 2 * n} for n in (1, 2, 3)]
    assert (done.returncode, done.stderr) == (0, "")


def test_slow_items_keep_their_place(run):
    done = run("map", "jobs:slow_first", "--workers", "2", *map(str, range(20)))
    assert results(done) == [str(n) for n in range(20)]


def test_dotted_function(run):
    assert results(run("map", "jobs:Group.shout", "a")) == ["A"]


def test_items_from_a_file(run, folder):
    (folder / "items").write_text("1\n2\n")
    assert len(results(run("map", "jobs:double", "--lines", "items"))) == 2


@pytest.mark.parametrize("arguments", [(), ("--lines", "-")])
def test_items_from_standard_input(run, arguments):
    done = run("map", "jobs:slow_first", *arguments, stdin="a b\nc\n")
    assert results(done) == ["a b", "c"]


def test_no_items(run):
    done = run("map", "jobs:double")
    assert (done.stdout, done.returncode) == ("", 0)


def test_names_that_are_not_utf_8(folder):
    name = os.fsencode(folder) + b"/\xff"
    with open(name, "w") as file:
        file.write("content")
    command = [sys.executable, "-m", "coterie", "map", "jobs:read"]
    for more, stdin in ([name], b""), ([], name):
        output = subprocess.run(
            command + more, cwd=folder, input=stdin, stdout=subprocess.PIPE, check=True
        ).stdout
        assert json.loads(output) == "content"


def test_error_names_its_item_and_the_rest_goes_on(run):
    done = run("map", "jobs:double", "1", "x", "3")
    assert [result["twice"] for result in results(done)] == [2, 6]
    assert done.stderr.startswith("x: ValueError: invalid literal")
    assert len(done.stderr.splitlines()) == 1
    assert done.returncode == 1


def test_traceback(run):
    done = run("map", "jobs:double", "x", "--traceback")
    assert "in double" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("ValueError")


def test_exit_in_the_function_is_an_error_of_the_item(run):
    done = run("map", "jobs:leave", "a")
    assert (done.stderr, done.returncode) == ("a: SystemExit: left a\n", 1)


def test_result_that_json_cannot_hold(run):
    done = run("map", "jobs:unwritable", "nan", "set", "none")
    assert results(done) == [None]
    nan, a_set = done.stderr.splitlines()
    assert nan.startswith("nan: TypeError: the result cannot be written as JSON")
    assert a_set.endswith("Object of type set is not JSON serializable")
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("jobs", "expected pkg.module:function"),
        ("jobs:", "expected pkg.module:function"),
        (":double", "expected pkg.module:function"),
        ("nowhere:double", "there is no module 'nowhere'"),
        ("jobs.sub:double", "there is no module 'jobs.sub'"),
        ("jobs:duble", "there is no 'duble'; did you mean double?"),
        ("jobs:number", "jobs:number is no function, but of type int"),
        ("broken:x", "module broken cannot be imported: ZeroDivisionError"),
        ("leaving:x", "module leaving cannot be imported: SystemExit: 5"),
        ("needy:x", "module needy needs another one: No module named"),
    ],
)
def test_wrong_target(run, target, message):
    done = run("map", target, "1")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (done.stdout, done.returncode) == ("", 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "required: COMMAND"),
        (("map",), "required: pkg.module:function"),
        (("map", "jobs:double", "1", "--workers", "0"), "at least 1"),
        (("map", "jobs:double", "1", "--workers", "x"), "x"),
        (("map", "jobs:double", "1", "--lines", "-"), "not both"),
        (("map", "jobs:double", "--lines", "nowhere"), "No such file"),
        (("map", "jobs:double", "--nonsense"), "unrecognized arguments"),
    ],
)
def test_wrong_usage(run, arguments, message):
    done = run(*arguments)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (done.stdout, done.returncode) == ("", 2)


def test_version(run):
    done = run("--version")
    assert done.stdout.startswith("coterie ")
    assert done.returncode == 0


def test_reader_that_goes_away(folder):
    command = f'"{sys.executable}" -m coterie map jobs:double $(seq 5000) | head -n 1'
    done = subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert json.loads(done.stdout)["item"] == "1"
    assert done.stderr == ""


@pytest.fixture
def start(folder):
    """Start it with pipes for its three streams."""

    def start(*arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "coterie", "map", *arguments],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    os.mkfifo(folder / "fifo")
    return start


def send(process, text):
    process.stdin.write(text)
    process.stdin.flush()


@pytest.mark.timeout(60)
def test_results_do_not_wait_for_the_next_line(start):
    with start("jobs:slow_first", "--workers", "2") as process:
        send(process, "1\n2\n\n3")
        assert [process.stdout.readline() for _ in "123"] == ['"1"\n', '"2"\n', '""\n']
        send(process, "4\n")
        assert process.stdout.readline() == '"34"\n'
        out, errors = process.communicate("5")
    assert (out, errors, process.returncode) == ('"5"\n', "", 0)


@pytest.mark.timeout(60)
def test_a_line_does_not_wait_for_a_result(start):
    with start("jobs:wait_or_go", "--workers", "2") as process:
        send(process, "wait\n")
        assert process.stderr.readline() == "started\n"
        out, _ = process.communicate("go\n")
    assert out == "null\nnull\n"


@pytest.mark.timeout(60)
def test_lines_without_end(folder):
    command = f'yes | "{sys.executable}" -m coterie map jobs:slow_first | head -n 2'
    done = subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, timeout=50
    )
    assert (done.stdout, done.stderr) == ('"y"\n"y"\n', "")


@pytest.mark.timeout(60)
def test_interrupt_while_it_waits_for_a_line(start):
    with start("jobs:slow_first") as process:
        send(process, "1\n")
        assert process.stdout.readline() == '"1"\n'
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=50) == 130
        assert process.stderr.read() == ""


@pytest.mark.timeout(60)
def test_reader_that_goes_away_while_a_call_is_stuck(start, folder):
    items = ["first", "wait", "stuck"]
    with start("jobs:stay", *items, "--workers", "3") as process:
        assert process.stdout.readline() == '"first"\n'
        assert process.stderr.readline() == "started\n"
        process.stdout.close()
        (folder / "fifo").write_text("")  # the next result
        assert process.wait(timeout=25) == 1
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("redirection", "status", "message"),
    [
        ("2>&-", 1, ""),
        ("<&-", 2, "no items"),
        ("--lines - <&-", 2, "standard input is closed"),
        (">&-", 2, "standard output is closed"),
        pytest.param(
            "1 >/dev/full",
            1,
            "coterie: [Errno 28] No space left on device",
            marks=pytest.mark.skipif(
                not os.path.exists("/dev/full"), reason="no /dev/full"
            ),
        ),
    ],
)
def test_closed_and_full_streams(folder, redirection, status, message):
    command = f'echo x | "{sys.executable}" -m coterie map jobs:double {redirection}'
    done = subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.returncode) == ("", status)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_printed_does_not_tear_the_results(run):
    done = run("map", "jobs:chat", "a", "b")
    assert results(done) == ["a", "b"]
    assert sorted(done.stderr.splitlines()) == ["said a", "said b"]
    done = run("map", "loud:same", "a")
    assert results(done) == ["a"]
    assert set(done.stderr.splitlines()) == {"loaded"}


@pytest.mark.parametrize("function", ["work", "sleep"])
def test_interrupt(folder, function):
    command = [sys.executable, "-m", "coterie", "map", f"jobs:{function}"]
    process = subprocess.Popen(
        [*command, "--workers", "1", "a", "b", "c"],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr.readline() == "started\n"
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert time.monotonic() - begin < 20


def test_progress_bar_on_a_terminal(folder):
    reader, writer = os.openpty()
    termios.tcsetwinsize(writer, (24, 80))
    subprocess.run(
        [sys.executable, "-m", "coterie", "map", "jobs:double", "1", "x", "3"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=writer,
        timeout=60,
    )
    os.close(writer)
    shown = b""
    try:
        while chunk := os.read(reader, 4096):
            shown += chunk
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(reader)
    assert b"3/3" in shown
    assert b"x: ValueError" in shown


def test_callback_of_progress():
    from coterie._progress import progress_bar

    calls = []
    with progress_bar(2, lambda done, total: calls.append((done, total))) as progress:
        progress.update()
        progress.update()
    assert calls == [(1, 2), (2, 2)]


def test_without_progress_tqdm_is_not_imported():
    code = """if True:
        import sys
        from coterie._progress import progress_bar
        with progress_bar(2, False) as progress:
            progress.update()
        assert "tqdm" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
