"""The examples of the Multiple Interpreters HOWTO run, by one changed import.

They are those of the draft, with its slips mended: names that are not defined,
parentheses, text for bytes, a newline after what print() wrote, `os.fdopen` that
closes the caller's file.  Left out:

- the blocks that consist of `...` only, and the table of tools: nothing to run;
- the second of the queue's blocks: it is the first, with a slip;
- `executor.submit('print("spam!")')`: a string is no callable, in the standard
  library as here; what is meant is tested with functions.
"""

import pytest

IMPORT = "import coterie.interpreters as interpreters; "
FLAGS = ("-W", "ignore:remaining subinterpreters:RuntimeWarning")


@pytest.fixture
def howto(run_script):
    """Runs an example as a script, in a folder of its own: the lines it prints."""

    def run(source):
        # Before its first line, and on it: what is dedented has no line for it.
        folder = "import os, sys; os.chdir(os.path.dirname(__file__))\n"
        ended = run_script(IMPORT + folder + dedent(source), flags=FLAGS)
        assert (ended.rc, ended.stderr) == (0, "")
        return ended.lines

    return run


def dedent(source):
    import textwrap

    return textwrap.dedent(source)


# ---- basics ------------------------------------------------------------------


def test_running_code(howto):
    assert howto('''
        interp = interpreters.create()

        interp.exec('print("spam!")')
        interp.exec("""
            print('spam!')
            """)
        ''') == ["spam!", "spam!"]  # fmt: skip


def test_calling_a_function(howto):
    assert howto("""
        interp = interpreters.create()

        def script():
            print('spam!')
        interp.call(script)
        """) == ["spam!"]


def test_the_main_module(howto):
    assert howto('''
        print(__name__)
        # __main__

        interp = interpreters.create()
        interp.exec("""
            print(__name__)
            """)
        # __main__
        ''') == ["__main__", "__main__"]  # fmt: skip


def test_the_forms_of_the_command_line(howto):
    assert howto('''
        ############################
        # python -c 'print("spam!")'
        ############################

        interp = interpreters.create()
        interp.exec('print("spam!")')

        with open('script.py', 'w') as outfile:
            outfile.write("""
        print('spam!')
        """)

        ##################
        # python script.py
        ##################

        interp = interpreters.create()
        with open('script.py') as infile:
            script = infile.read()
        interp.exec(script)

        ##################
        # python -m script
        ##################

        interp = interpreters.create()
        interp.exec("""
            import runpy
            runpy.run_module('script')
            """)
        ''') == ["spam!"] * 3  # fmt: skip


def test_an_interpreter_is_not_reset(howto):
    assert howto('''
        interp = interpreters.create()
        interp.exec("""
            answer = 42
            """)
        interp.exec("""
            assert answer == 42
            """)
        ''') == []  # fmt: skip


def test_preparing_an_interpreter(howto):
    assert howto('''
        interp = interpreters.create()

        # Prepare the interpreter.
        interp.exec("""
            # We will need this later.
            import math

            # Initialize the value.
            value = 1

            def double(val):
                return val + val
            """)

        # Do the work.
        for _ in range(10):
            interp.exec("""
                assert math.factorial(value + 1) >= double(value)
                value = double(value)
                """)

        # Show the result.
        interp.exec("""
            print(value)
            """)
        ''') == ["1024"]  # fmt: skip


def test_running_in_a_thread(howto):
    assert howto("""
        import threading

        interp = interpreters.create()

        def run():
            interp.exec("print('spam!')")
        t = threading.Thread(target=run)
        t.start()
        t.join()

        def script():
            print('spam!')

        def run():
            interp.call(script)
        t = threading.Thread(target=run)
        t.start()
        t.join()
        """) == ["spam!", "spam!"]


def test_call_in_thread(howto):
    assert howto("""
        interp = interpreters.create()

        def script():
            print('spam!')
        t = interp.call_in_thread(script)
        t.join()
        """) == ["spam!"]


def test_an_uncaught_exception(howto):
    assert howto("""
        interp = interpreters.create()

        try:
            interp.exec('1/0')
        except interpreters.ExecutionFailed:
            print('oops!')
        """) == ["oops!"]


@pytest.mark.parametrize(("code", "seen"), [("1/0", "handled"), ("[][1]", "raised")])
def test_what_the_exception_knows(howto, code, seen):
    assert howto(f"""
        interp = interpreters.create()

        def run():
            try:
                interp.exec('{code}')
            except interpreters.ExecutionFailed as exc:
                if exc.excinfo.type.__name__ == 'ZeroDivisionError':
                    print('handled')
                else:
                    raise  # re-raise

        try:
            run()
        except interpreters.ExecutionFailed:
            print('raised')
        """) == [seen]


def test_handling_the_exception_there(howto):
    assert howto('''
        interp = interpreters.create()

        interp.exec("""
            try:
                1/0
            except ZeroDivisionError:
                print('handled')
            """)
        ''') == ["handled"]  # fmt: skip


def test_raising_it_again(howto):
    assert howto('''
        interp = interpreters.create()

        def run():
            try:
                interp.exec("""
                    try:
                        1/0
                    except Exception as exc:
                        import pickle
                        data = pickle.dumps(exc)
                        class PickledException(Exception):
                            pass
                        raise PickledException(data)
                    """)
            except interpreters.ExecutionFailed as exc:
                if exc.excinfo.type.__name__ == 'PickledException':
                    import ast
                    import pickle
                    raise pickle.loads(ast.literal_eval(exc.excinfo.msg))
                else:
                    raise  # re-raise

        try:
            run()
        except ZeroDivisionError as exc:
            print(exc)
        ''') == ["division by zero"]  # fmt: skip


def test_the_lifetime(howto):
    assert howto('''
        interp = interpreters.create()
        try:
            interp.exec("""
                print('spam!')
                """)
        finally:
            interp.close()
        try:
            interp.exec("print('spam!')")
        except interpreters.InterpreterNotFoundError:
            print('closed')
        ''') == ["spam!", "closed"]  # fmt: skip


def test_the_executor(howto):
    lines = howto("""
        from coterie import InterpreterPoolExecutor

        def script():
            print("spam!")

        with InterpreterPoolExecutor(max_workers=5) as executor:
            executor.submit(script)
            executor.submit(print, "spam!")
        """)
    assert "".join(lines) == "spam!spam!"  # two workers, two writes each


# ---- communicating -----------------------------------------------------------

SPAM = """
with open('spam.txt', 'w') as outfile:
    outfile.write('one\\ntwo\\n')
"""


def test_values_in_the_source(howto):
    assert howto(SPAM + dedent('''
        interp = interpreters.create()

        def run_interp(interp, name, value):
            interp.exec(f"""
                {name} = {value!r}
                print({name})
                """)
        run_interp(interp, 'spam', 42)

        try:
            infile = open('spam.txt')
        except FileNotFoundError:
            pass
        else:
            with infile:
                interp.exec(f"""
                    import os
                    for line in os.fdopen({infile.fileno()}, closefd=False):
                        print(line, end='')
                    """)
        ''')) == ["42", "one", "two"]  # fmt: skip


def test_prepare_main(howto):
    assert howto(SPAM + dedent('''
        interp = interpreters.create()

        def run_interp(interp, name, value):
            interp.prepare_main(**{name: value})
            interp.exec(f"""
                print({name})
                """)
        run_interp(interp, 'spam', 42)

        try:
            infile = open('spam.txt')
        except FileNotFoundError:
            pass
        else:
            with infile:
                interp.prepare_main(fd=infile.fileno())
                interp.exec(f"""
                    import os
                    for line in os.fdopen(fd, closefd=False):
                        print(line, end='')
                    """)
        ''')) == ["42", "one", "two"]  # fmt: skip


def test_a_message_in_a_pipe(howto):
    assert howto('''
        import threading

        interp = interpreters.create()

        rpipe, spipe = os.pipe()
        try:
            def task():
                interp.exec(f"""
                    import os
                    msg = os.read({rpipe}, 20)
                    print(msg)
                    """)
            t = threading.Thread(target=task)
            t.start()

            # Sending the message:
            os.write(spipe, b'spam!')
            t.join()
        finally:
            os.close(rpipe)
            os.close(spipe)
        ''') == ["b'spam!'"]  # fmt: skip


def test_pipes_that_synchronize(howto):
    assert howto('''
        import threading

        interp = interpreters.create()

        r1, s1 = os.pipe()
        r2, s2 = os.pipe()
        try:
            def task():
                interp.exec(f"""
                    import os

                    # Do stuff...

                    # Synchronize!
                    msg = os.read({r1}, 1)
                    os.write({s2}, msg)

                    # Do other stuff...
                    """)
            t = threading.Thread(target=task)
            t.start()

            # Synchronize!
            os.write(s1, b'!')
            print(os.read(r2, 1))
            t.join()
        finally:
            os.close(r1)
            os.close(s1)
            os.close(r2)
            os.close(s2)
        ''') == ["b'!'"]  # fmt: skip


def test_pipes_that_are_closed_to_synchronize(howto):
    assert howto('''
        interp = interpreters.create()

        r, s = os.pipe()
        interp.prepare_main(r=r)

        def task():
            import os
            print(os.read(r, 1))
        interp.exec("""
            def task():
                import os
                print(os.read(r, 1))
            """)
        import threading
        t = threading.Thread(target=interp.exec, args=("task()",))
        t.start()
        os.close(s)
        t.join()
        os.close(r)
        ''') == ["b''"]  # fmt: skip


def test_queues(howto):
    assert howto('''
        import coterie.interpreters.queues

        queue = interpreters.queues.create()
        interp = interpreters.create()
        interp.prepare_main(queue=queue)

        queue.put('spam!')
        interp.exec("""
            msg = queue.get()
            print(msg)
            """)

        queue1 = interpreters.queues.create()
        queue2 = interpreters.queues.create(syncobj=True)
        interp = interpreters.create()
        interp.prepare_main(queue1=queue1, queue2=queue2)

        queue1.put('spam 1!')
        queue1.put('spam 2!', syncobj=True)
        queue2.put('spam 3!')
        queue2.put('spam 4!', syncobj=False)
        interp.exec("""
            msg1 = queue1.get()
            msg2 = queue1.get()
            msg3 = queue2.get()
            msg4 = queue2.get()
            print(msg1, msg2, msg3, msg4)
            """)
        ''') == ["spam!", "spam 1! spam 2! spam 3! spam 4!"]  # fmt: skip


def test_channels(howto):
    assert howto('''
        import coterie.interpreters.channels

        rch, sch = interpreters.channels.create()
        interp = interpreters.create()
        interp.prepare_main(rch=rch)

        sch.send_nowait('spam!')
        interp.exec("""
            msg = rch.recv()
            print(msg)
            """)
        ''') == ["spam!"]  # fmt: skip


def test_a_buffer_through_a_channel(howto):
    assert howto('''
        import coterie.interpreters.channels

        rch, sch = interpreters.channels.create()
        interp = interpreters.create()
        interp.prepare_main(rch=rch)

        data = bytearray(100)

        sch.send_buffer_nowait(data)
        interp.exec("""
            data = rch.recv()
            for i in range(len(data)):
                data[i] = i
            """)
        assert len(data) == 100
        for i in range(len(data)):
            assert data[i] == i
        ''') == []  # fmt: skip


def test_capturing_stdout(howto):
    assert howto('''
        import contextlib
        import io
        import textwrap as tw

        interp = interpreters.create()
        stdout = io.StringIO()
        with contextlib.redirect_stdout(stdout):
            interp.exec(tw.dedent("""
                print('spam!')
                """))
        assert(stdout.getvalue() == 'spam!\\n')

        # alternately:
        interp.exec(tw.dedent("""
            import contextlib, io
            stdout = io.StringIO()
            with contextlib.redirect_stdout(stdout):
                print('spam!')
            captured = stdout.getvalue()
            """))
        captured = interp.get_main_attr('captured')
        assert(captured == 'spam!\\n')
        ''') == []  # fmt: skip


def test_capturing_stdout_by_a_pipe(howto):
    assert howto('''
        interp = interpreters.create()
        r, s = os.pipe()
        interp.exec(f"""
            import contextlib, os
            with os.fdopen({s}, 'w') as pipe, contextlib.redirect_stdout(pipe):
                print('spam!')
            """)
        with os.fdopen(r) as pipe:
            assert(pipe.read() == 'spam!\\n')
        ''') == []  # fmt: skip


def test_falling_back_to_pickle(howto):
    assert howto('''
        import pickle

        SCRIPT = """
            import __main__
            import pickle
            data = pickle.loads(_pickled)
            setattr(__main__, data['name'], data['value'])
            """
        data = dict(name='spam', value=42)

        interp = interpreters.create()
        interp.prepare_main(_pickled=pickle.dumps(data))
        interp.exec(SCRIPT)
        interp.exec('print(spam)')
        ''') == ["42"]  # fmt: skip


def test_pickles_in_a_pipe(howto):
    # Protocol 0 is the one whose pickles have no byte 0 in them.
    assert howto(r'''
        import pickle
        import textwrap as tw

        input = ['spam!', {'eggs': (1, 2.5)}, None]

        interp = interpreters.create()
        r, s = os.pipe()
        interp.exec(tw.dedent(f"""
            import os
            import pickle
            reader = {r}
            do_something = print
            """))
        for obj in input:
            data = pickle.dumps(obj, protocol=0)
            os.write(s, data)
            os.write(s, b'\x00')
        os.write(s, b'\x00')
        interp.exec(tw.dedent(r"""
            c = os.read(reader, 1)
            while c != b'\x00':
                data = b''
                while c != b'\x00':
                    data += c
                    c = os.read(reader, 1)
                obj = pickle.loads(data)
                do_something(obj)
                c = os.read(reader, 1)
            """))
        ''') == ["spam!", "{'eggs': (1, 2.5)}", "None"]  # fmt: skip
