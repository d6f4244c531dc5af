"""What another interpreter prints comes to where its caller has redirected to."""

import contextlib
import io

import pytest

from coterie import interpreters


@pytest.fixture
def interp():
    with interpreters.create() as interp:
        yield interp


def write_bytes(data):
    import sys

    sys.stdout.buffer.write(data)


def test_redirected_stdout(interp):
    with contextlib.redirect_stdout(io.StringIO()) as stdout:
        interp.exec("print('spam!')")
    assert stdout.getvalue() == "spam!\n"


def test_redirected_stderr(interp):
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        interp.exec("import sys; print('spam!', file=sys.stderr)")
    assert stderr.getvalue() == "spam!\n"


def test_a_call_under_redirection(interp):
    with contextlib.redirect_stdout(io.StringIO()) as stdout:
        assert interp.call(say_and_return, "spam!", 3) == 3
        print("own")
        interp.call(say_and_return, "eggs", None)
    assert stdout.getvalue() == "spam!\nown\neggs\n"


def say_and_return(text, value):
    print(text)
    return value


def test_both_into_one_in_order(interp):
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        interp.exec(
            """
            import sys
            for n in range(3):
                print(n, "out")
                print(n, "err", file=sys.stderr)
            """
        )
    assert stream.getvalue().splitlines() == [
        "0 out", "0 err", "1 out", "1 err", "2 out", "2 err",
    ]  # fmt: skip


def test_a_run_that_raises_under_redirection(interp):
    with contextlib.redirect_stdout(io.StringIO()) as stdout:
        with pytest.raises(Exception, match="division by zero"):
            interp.exec("print('before'); 1/0")
    assert stdout.getvalue() == "before\n"
    with contextlib.redirect_stdout(io.StringIO()) as stdout:
        interp.exec("print('again')")
    assert stdout.getvalue() == "again\n"


def test_a_capture_comes_first(interp):
    with contextlib.redirect_stdout(io.StringIO()) as stdout:
        with interp.capture_output() as out:
            interp.exec("print('captured')")
        interp.exec("print('not captured')")
    assert out.stdout == "captured\n"
    assert stdout.getvalue() == "not captured\n"


def test_what_the_code_redirects_stays_there(interp):
    with contextlib.redirect_stdout(io.StringIO()) as stdout:
        interp.exec("import io, sys; mine = sys.stdout = io.StringIO()")
        interp.exec("print('mine')")
        interp.exec("sys.stdout = sys.__stdout__")
        interp.exec("print('yours')")
    assert stdout.getvalue() == "yours\n"
    assert interp.call(eval_in_main, "mine.getvalue()") == "mine\n"


def eval_in_main(source):
    import __main__

    return eval(source, vars(__main__))


def test_what_is_held_writes_to_the_caller_of_now(interp):
    with contextlib.redirect_stdout(io.StringIO()) as first:
        interp.exec("import sys; held = sys.stdout; print('one', file=held)")
    with contextlib.redirect_stdout(io.StringIO()) as second:
        interp.exec("print('two', file=held)")
    assert (first.getvalue(), second.getvalue()) == ("one\n", "two\n")


def test_a_caller_without_streams(interp, monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    assert interp.call(say_and_return, "", 5) == 5


def test_bytes_under_redirection(interp):
    with contextlib.redirect_stdout(io.StringIO()) as stdout:
        interp.call(write_bytes, "\N{SNOWMAN}".encode())
        interp.call(write_bytes, b"\xff")
    assert stdout.getvalue() == "\N{SNOWMAN}\\xff"


def test_only_what_is_redirected_is_relayed(run_script):
    ended = run_script(
        """
        import contextlib, io, sys
        from coterie import interpreters

        def say():
            print("to stdout")
            print("to stderr", file=sys.stderr)

        with interpreters.create() as interp:
            with contextlib.redirect_stderr(io.StringIO()) as stderr:
                interp.call(say)
            assert stderr.getvalue() == "to stderr\\n", stderr.getvalue()
            interp.call(say)
        """
    )
    assert (ended.rc, ended.stdout) == (0, "to stdout\nto stdout\n")
    assert ended.stderr == "to stderr\n"


def test_the_traceback_shows_the_users_code_only(interp):
    with contextlib.redirect_stdout(io.StringIO()):
        with pytest.raises(interpreters.ExecutionFailed) as caught:
            interp.exec("def fail(): 1/0\nfail()")
    lines = caught.value.excinfo.errdisplay.splitlines()
    assert "<script" in lines[1]
    assert not any("coterie" in line for line in lines)


def test_the_arguments_and_errors_of_a_call(interp):
    def gather(*args, **kwargs):
        return args, kwargs

    with contextlib.redirect_stdout(io.StringIO()):
        assert interp.call(gather, 1, b=2) == ((1,), {"b": 2})
        with pytest.raises(TypeError, match="expected a callable"):
            interp.call(3)
        with pytest.raises(TypeError, match="missing 1 required"):
            interp.call()
        with pytest.raises(interpreters.NotShareableError):
            interp.call(gather, (n for n in ()))
        interp.close()
        with pytest.raises(interpreters.InterpreterNotFoundError):
            interp.call(gather)
