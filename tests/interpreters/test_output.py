"""What another interpreter prints, captured."""

import contextlib
import io

import pytest

import coterie
from coterie import interpreters


@pytest.fixture
def interp():
    with interpreters.create() as interp:
        yield interp


# ---- capture -----------------------------------------------------------------


def test_both_streams(interp):
    with interp.capture_output() as out:
        interp.exec(
            """
            import sys
            print("to stdout")
            print("to stderr", file=sys.stderr)
            """
        )
    assert out.stdout == "to stdout\n"
    assert out.stderr == "to stderr\n"
    assert out.stdout_bytes == b"to stdout\n"
    assert out.stderr_bytes == b"to stderr\n"


def test_nothing(interp):
    with interp.capture_output() as out:
        pass
    assert (out.stdout, out.stderr) == ("", "")
    assert (out.stdout_bytes, out.stderr_bytes) == (b"", b"")


def test_a_call(interp):
    with interp.capture_output() as out:
        assert interp.call(divmod, 7, 2) == (3, 1)
        interp.call(print, "from a call", 1)
    assert out.stdout == "from a call 1\n"


def test_it_can_be_read_in_the_block(interp):
    with interp.capture_output() as out:
        interp.exec("print('one', end='')")
        assert out.stdout == "one"
        interp.exec("print('two', end='')")
        assert out.stdout == "onetwo"
        assert out.stdout == "onetwo"


def test_it_can_be_read_while_the_code_runs(interp, in_threads):
    go, printed = coterie.Queue(), coterie.Queue()

    def work():
        print("in the middle")
        printed.put(None)
        go.get()
        print("at the end")

    with interp.capture_output() as out:

        def read_and_go():
            printed.get()
            try:
                return out.stdout
            finally:
                go.put(None)

        def either(function, *args):
            return function(*args)

        _, seen = in_threads(either, [(interp.call, work), (read_and_go,)])
    assert seen == "in the middle\n"
    assert out.stdout == "in the middle\nat the end\n"


def test_it_stays_after_the_interpreter():
    with interpreters.create() as interp, interp.capture_output() as out:
        interp.exec(
            """
            import atexit
            atexit.register(print, "last words")
            """
        )
        interp.close()
    assert out.stdout == "last words\n"


def test_an_interpreter_that_runs_elsewhere_at_the_end(interp):
    go, printed = coterie.Queue(), coterie.Queue()

    def work():
        print("captured")
        printed.put(None)
        go.get()
        print("not any more")

    with contextlib.redirect_stdout(io.StringIO()), interp.capture_output() as out:
        thread = interp.call_in_thread(work)
        printed.get()
    go.put(None)
    thread.result()
    assert out.stdout == "captured\n"


def test_an_interpreter_that_runs_elsewhere_at_the_begin(interp):
    go, started = coterie.Queue(), coterie.Queue()

    def work():
        started.put(None)
        go.get()

    thread = interp.call_in_thread(work)
    started.get()
    with pytest.raises(interpreters.InterpreterError, match="already running"):
        interp.capture_output().__enter__()
    go.put(None)
    thread.result()
    assert interp.call(streams_are_their_own)


def test_the_order_of_text_and_bytes(interp):
    with interp.capture_output() as out:
        interp.exec(
            """
            import sys
            print("text", end=" ")
            sys.stdout.buffer.write(b"bytes ")
            sys.stdout.write("text ")
            sys.stdout.buffer.write(memoryview(b"view"))
            """
        )
    assert out.stdout == "text bytes text view"


def test_bytes_that_are_no_text(interp):
    with interp.capture_output() as out:
        interp.exec("import sys; sys.stdout.buffer.write(b'a\\xff\\x00z')")
    assert out.stdout_bytes == b"a\xff\x00z"
    assert out.stdout == "a\\xff\x00z"


def test_a_character_in_two_writes(interp):
    with interp.capture_output() as out:
        interp.exec(
            """
            import sys
            for byte in "\N{SNOWMAN}".encode():
                sys.stdout.buffer.write(bytes([byte]))
            """
        )
    assert out.stdout == "\N{SNOWMAN}"


@pytest.mark.parametrize(
    "text", ["a\r\nb\rc\n", "\N{SNOWMAN}\U0001f40d", "\udcff\ud800", "\0", "x" * 10**6],
    ids=["newlines", "wide", "surrogates", "nul", "long"],
)  # fmt: skip
def test_any_text_comes_back(interp, text):
    with interp.capture_output() as out:
        interp.call(print, text)
    assert out.stdout == text + "\n"


@pytest.mark.parametrize("what", ["'text'", "3", "None"])
def test_what_is_no_bytes_is_refused(interp, what):
    with interp.capture_output() as out:
        with pytest.raises(TypeError):
            interp.run(write_bytes, eval(what))
        with pytest.raises(TypeError):
            interp.run(write_text, 3)
    assert out.stdout == ""


def write_bytes(data):
    import sys

    sys.stdout.buffer.write(data)


def write_text(text):
    import sys

    sys.stdout.write(text)


def test_logging(interp):
    with interp.capture_output() as out:
        interp.exec(
            """
            import logging
            logging.basicConfig(format="%(levelname)s %(message)s")
            logging.warning("careful")
            """
        )
    assert out.stderr == "WARNING careful\n"


def test_tracebacks(interp):
    with interp.capture_output() as out:
        interp.exec(
            """
            import sys, traceback
            def fail(): 1 / 0
            try:
                fail()
            except ZeroDivisionError:
                traceback.print_exc()
                sys.excepthook(*sys.exc_info())
            """
        )
    assert out.stderr.count("Traceback (most recent call last)") == 2
    assert out.stderr.count("ZeroDivisionError") == 2
    assert "in fail" in out.stderr


def test_threads_inside(interp):
    with interp.capture_output() as out:
        interp.exec(
            """
            import threading
            def work(): print("from a thread")
            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            """
        )
    assert out.stdout.count("from a thread") == 3


def test_a_block_that_raises(interp):
    with pytest.raises(KeyError), interp.capture_output() as out:
        interp.exec("print('before')")
        raise KeyError
    assert out.stdout == "before\n"
    assert interp.call(streams_are_their_own)


def test_code_that_raises(interp):
    with interp.capture_output() as out:
        with pytest.raises(Exception, match="division by zero"):
            interp.exec("print('before'); 1/0")
    assert out.stdout == "before\n"


def streams_are_their_own():
    import sys

    def own(name):
        stream = getattr(sys, name)
        return stream is getattr(sys, f"__{name}__") or stream in relays

    from coterie import _output

    relays = _output._relays.values()
    return own("stdout") and own("stderr")


def test_the_streams_are_put_back(interp):
    for _ in range(3):
        with interp.capture_output():
            assert not interp.call(streams_are_their_own)
        assert interp.call(streams_are_their_own)


def test_nested(interp):
    with interp.capture_output() as outer:
        interp.exec("print('one')")
        with interp.capture_output() as inner:
            interp.exec("print('two')")
        interp.exec("print('three')")
    assert outer.stdout == "one\nthree\n"
    assert inner.stdout == "two\n"
    assert interp.call(streams_are_their_own)


def test_nested_the_other_way_round(interp):
    outer, inner = interp.capture_output(), interp.capture_output()
    outer.__enter__()
    inner.__enter__()
    interp.exec("print('one')")
    outer.__exit__(None, None, None)
    interp.exec("print('two')")
    inner.__exit__(None, None, None)
    assert (outer.stdout, inner.stdout) == ("", "one\ntwo\n")
    assert interp.call(streams_are_their_own)


def test_one_after_the_other(interp):
    with interp.capture_output() as first:
        interp.exec("print('one')")
    with interp.capture_output() as second:
        interp.exec("print('two')")
    assert (first.stdout, second.stdout) == ("one\n", "two\n")


def test_it_is_used_once(interp):
    out = interp.capture_output()
    with out:
        with pytest.raises(RuntimeError, match="only once"), out:
            pass
        interp.exec("print('still here')")
    with pytest.raises(RuntimeError, match="only once"), out:
        pass
    assert out.stdout == "still here\n"


def test_before_the_block(interp):
    assert interp.capture_output().stdout == ""


def test_streams_that_the_code_puts_there_stay(interp):
    with interp.capture_output() as out:
        interp.exec("import io, sys; print('ours'); sys.stdout = io.StringIO()")
    interp.exec("print('theirs'); seen = sys.stdout.getvalue()")
    assert out.stdout == "ours\n"
    assert interp.call(main_attribute, "seen") == "theirs\n"


def main_attribute(name):
    import __main__

    return getattr(__main__, name)


def test_code_that_redirects_its_own(interp):
    with interp.capture_output() as out:
        interp.exec(
            """
            import contextlib, io
            with contextlib.redirect_stdout(io.StringIO()) as inner:
                print("inner")
            print("outer", inner.getvalue())
            """
        )
    assert out.stdout == "outer inner\n\n"


def test_code_that_closes_its_stream(interp):
    with interp.capture_output() as out:
        interp.exec("import sys; print('x'); sys.stdout.close()")
    assert out.stdout == "x\n"
    assert interp.call(streams_are_their_own)


def test_code_that_buffers_its_stream(interp):
    with interp.capture_output() as out:
        interp.exec(
            """
            import sys
            sys.stdout.reconfigure(write_through=False, line_buffering=False)
            print('buffered')
            """
        )
    assert out.stdout == "buffered\n"


def test_what_is_held_writes_on(run_script):
    ended = run_script(
        """
        from coterie import interpreters

        with interpreters.create() as interp:
            with interp.capture_output() as out:
                interp.exec(
                    '''
                    import sys
                    held = sys.stderr
                    print("captured", file=held)
                    '''
                )
            interp.exec(
                '''
                print("not captured", file=held)
                held.buffer.write("\N{SNOWMAN}".encode()[:1])
                held.buffer.write("\N{SNOWMAN}".encode()[1:])
                held.flush()
                '''
            )
        assert out.stderr == "captured\\n", out.stderr
        """
    )
    assert (ended.rc, ended.stdout) == (0, "")
    assert ended.stderr == "not captured\n\N{SNOWMAN}"


def test_what_is_captured_does_not_appear(run_script):
    ended = run_script(
        """
        import sys
        from coterie import interpreters

        def say(text):
            print(text)
            print(text, file=sys.stderr)

        with interpreters.create() as interp:
            interp.call(say, "before")
            with interp.capture_output() as out:
                interp.call(say, "captured")
            interp.call(say, "after")
        assert out.stdout == out.stderr == "captured\\n"
        """
    )
    assert (ended.rc, ended.stdout) == (0, "before\nafter\n")
    assert ended.stderr == "before\nafter\n"
