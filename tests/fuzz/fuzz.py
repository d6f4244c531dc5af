"""Fuzzes the decoder: by libFuzzer where the module has it, else by chance.

    fuzz.py FOLDER SECONDS

The folder has the module decode_fuzz, and gets the inputs of libFuzzer.  Started
by tests/fuzz/run, which knows how to build the module.
"""

import builtins
import pathlib
import random
import sys
import time

folder = pathlib.Path(sys.argv[1])
seconds = int(sys.argv[2])
sys.path.insert(0, str(folder))

import math  # noqa: E402  # what the decoder may import

import decode_fuzz  # noqa: E402

ALLOWED = {"math", "builtins", "sys"}
import_really = builtins.__import__


def import_little(name, *args, **kwargs):
    # A damaged name shall not start something.
    if name in ALLOWED:
        return import_really(name, *args, **kwargs)
    raise ImportError(name)


GLOBAL, MODULE, FUNCTION = 1, 2, 3
ALREADY = {
    len: (GLOBAL, ("builtins", "len"), None),
    dict.fromkeys.__class__: (GLOBAL, ("math", "sin"), None),
    math: (MODULE, ("math",), None),
}


def reduce(obj):
    known = ALREADY.get(obj)
    if known is not None:
        return known
    if type(obj) is type(reduce):
        cells = obj.__closure__
        return FUNCTION, (obj.__name__, cells), [cells and cells[0].cell_contents]
    return None


def make(arguments):
    return lambda: arguments


def fill(function, state):
    function.state = state


def make_seeds():
    shared = [1, "shared"]
    cycle = [shared]
    cycle.append({"cycle": cycle})
    # Deep enough to grow the table of what is remembered.
    many = [[i] for i in range(50)]
    values = [
        *(None, True, False, ..., NotImplemented, 0, -1, 300, 2**40, -(2**63), 2**200),
        *(1.5, -0.0, 1j, "", "a", "text", "\xe9", "\u20ac\ud800", "\U0001f600" * 3),
        *(b"", b"bytes", bytearray(b"abc"), (), (1, "a"), [], {}, set(), frozenset()),
        [1, 2.5, "text", b"b", None, (1, 2), {"a": [1], 2: {3}}, {4, "x"}],
        [*range(10), *range(1000, 1010), *range(10**6, 10**6 + 9), 1.0, 2.0, 3.0, 4.0],
        [shared, shared, (shared, "x" * 300), {"k": shared}, {frozenset({1, "f"})}],
        [*many, *many],
        {i: {str(i): (i, [i])} for i in range(20)},
        ["\xe9" * 20, "\u20ac" * 300],
        cycle,
        # Next to each other as keys.
        [-math.inf, -(2**64), -(2.0**63), -1.5, -5e-324, 0, 0.0, False, 0.1, 1, 1.0],
        [2**53, 2.0**53, 2**53 + 1, 2**63 - 1, 2.0**63, 10**400, math.inf, True, -1],
        ["", "\0", "\0\0", "\1", "\1\1", "a", "a\0", "a\ud800", "\uffff", "\U0001f600"],
        [b"", b"\0", b"\0\1", b"\1", b"\1\2", b"\xff", b"\xff\0"],
        [(), ((),), ((), 0), (0,), (0, ""), (0, "\0"), (0.5, (b"", (1,))), (1, ())],
        [len, math, reduce, make, (lambda: shared), {"f": make_seeds}],
    ]
    return [decode_fuzz.encode(value) for value in values]


def change(rng, seeds):
    block = bytearray(rng.choice(seeds))
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        at = rng.randrange(len(block) + 1)
        match rng.randrange(7):
            case 0 if block:
                block[at % len(block)] = rng.randrange(256)
            case 1 if block:
                block[at % len(block)] ^= 1 << rng.randrange(8)
            case 2:
                del block[at : at + rng.choice([1, 1, 2, 4, 8, 1000])]
            case 3:
                block[at:at] = rng.randbytes(rng.choice([1, 1, 2, 4, 9]))
            case 4:
                other = rng.choice(seeds)
                start = rng.randrange(len(other) + 1)
                block[at:at] = other[start : start + rng.randrange(40)]
            case 5:
                # Tags and sizes are small numbers, or the highest ones.
                block[at:at] = bytes([rng.choice([*range(40), *range(128, 168), 253])])
            case _:
                block[at : at + 1] = rng.choice([b"\xfd\xff\xff", b"\xff" * 9, b"\xfe"])
    return bytes(block)


def fuzz_by_chance(seeds):
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    print(f"fuzz: by chance, with seed {seed}, for {seconds} s", flush=True)
    end = time.monotonic() + seconds
    count = 0
    last = folder / "last-input"
    pool = list(seeds)
    while count % 1000 or time.monotonic() < end or not seconds:
        block = change(rng, pool)
        count += 1
        if count % 50 == 0 and len(block) < 2000:  # changes upon changes
            pool[rng.randrange(len(seeds), 1000) % len(pool)] = block
            pool.append(block) if len(pool) < 1000 else None
        if "--save" in sys.argv:
            last.write_bytes(block)
        decode_fuzz.try_block(block)
    print(f"fuzz: {count} blocks were tried, no error")


def main():
    decode_fuzz.set_hooks(reduce, make, fill)
    seeds = make_seeds()
    for block in seeds:
        decode_fuzz.try_block(block)
        for end in range(len(block)):
            decode_fuzz.try_block(block[:end])
    builtins.__import__ = import_little
    if not hasattr(decode_fuzz, "run"):
        fuzz_by_chance(seeds)
        return 0
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for i, block in enumerate(seeds):
        (corpus / f"seed{i}").write_bytes(block)
    limits = [f"-max_total_time={seconds}", "-max_len=4096", "-rss_limit_mb=2048"]
    quiet = [
        "-verbosity=0",
        "-print_final_stats=1",
        f"-artifact_prefix={folder}/",
        "-timeout=10",
    ]
    return decode_fuzz.run([*limits, *quiet, str(corpus)])


sys.exit(main())
