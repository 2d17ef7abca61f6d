# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Make valid files invalid, like bad disks, interrupted downloads, other programs and attackers.

``changes`` draws changes, ``mutated`` applies them to a file, and ``right_or_refused`` reads the
result in bounded memory and time. Every run tests the same files; with ``FUZZ_ANEW`` set in the
environment, each run tests others.
"""

import contextlib
import io
import os
import random
import re
import resource
import signal
import struct
import time
import warnings
import zipfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st

FEW = settings(
    max_examples=8,
    deadline=None,
    database=None,
    derandomize='FUZZ_ANEW' not in os.environ,
    phases=[Phase.explicit, Phase.generate],  # smaller seeds are not simpler
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.differing_executors,
    ],
)
MANY = settings(FEW, max_examples=400)

NUMBERS = [
    b'0',
    b'-1',
    b'1',
    b'2',
    b'7',
    b'255',
    b'256',
    b'65536',
    b'2147483648',
    b'4294967296',
    b'9223372036854775807',
    b'9223372036854775808',
    b'-9223372036854775809',
    b'1000000000000',
    b'9' * 40,
    b'9' * 5000,
    b'1e3',
    b'1e308',
    b'1e999',
    b'-1e300',
    b'1e-320',
    b'0.5',
    b'nan',
    b'inf',
    b'-inf',
    b'-nan(ind)',
    b'1_000',
    b'0x10',
    b'1,5',
    b'+3',
    b'',
    b'None',
    b'true',
    b'null',
    b'"7"',
    b'[]',
    b'{}',
    '²'.encode(),
    '٣'.encode(),
    b'\0',
    b'\xff\xfe',
]
WORDS = [
    b'float',
    b'double',
    b'uchar',
    b'char',
    b'int',
    b'uint',
    b'half',
    b'list',
    b'ascii',
    b'binary_little_endian',
    b'binary_big_endian',
    b'vertex',
    b'face',
    b'x',
    b'y',
    b'z',
    b'red',
    b'rgb',
    b'<f4',
    b'>f8',
    b'|O',
    b'|b1',
    b'|S0',
    b'<U9',
    b'<c16',
    b'F32',
    b'I64',
    b'BF16',
    b'binary',
    b'binary_compressed',
    b'True',
    b'-',
    b'#',
    b'"',
    b'..',
    b'/',
    b'\0',
    b'\xc3\x28',
    '\ufeff'.encode(),
    '\u2028'.encode(),
    b'\r',
    b'x' * 3000,
]
PIECES = [
    b'\n',
    b'\r\n',
    b' ',
    b'\0',
    b'\0' * 64,
    b'\xff' * 9,
    b'PK\x03\x04',
    b'PK\x05\x06',
    b'{' * 3,
    b'[' * 50,
    b'1 2 3\n',
    b'a b c\n',
    b',,,',
    b'\t',
    b'element vertex 3\n',
    b'end_header\n',
    b'property list uchar int x\n',
    b'property float q\n',
    b'nan nan nan\n',
    b'\x93NUMPY',
]
STATM = Path('/proc/self/statm')
_HEAD = 4096
_NUMBER = re.compile(rb'[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?')
_WORD = rb'[^\s,;:\t"\'()\[\]{}]+'


def _token(content, rng, pattern, replacement):
    found = list(re.finditer(pattern, content[:_HEAD]))
    if not found:
        return content
    start, end = rng.choice(found).span()
    return content[:start] + replacement + content[end:]


def _swap(content, rng):
    found = list(re.finditer(_WORD, content[:_HEAD]))
    if len(found) < 2:
        return content
    one, two = sorted(rng.sample(found, 2), key=lambda match: match.start())
    return (
        content[: one.start()]
        + two[0]
        + content[one.end() : two.start()]
        + one[0]
        + content[two.end() :]
    )


def _line(content, rng, times):
    lines = content.split(b'\n')
    place = rng.randrange(min(len(lines), 60))
    return b'\n'.join([*lines[:place], *lines[place : place + 1] * times, *lines[place + 1 :]])


def _span(content, rng):
    start = rng.randrange(len(content) + 1)
    return start, min(len(content), start + rng.choice((1, 4, 8, 17, 100, len(content))))


def _place(content, rng):
    """Choose a position, half of the time in the header."""
    return rng.randrange(min(len(content), rng.choice((200, len(content)))) + 1)


def _flip(content, rng):
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 3, 20)) if data else 0):
        data[min(_place(content, rng), len(data) - 1)] ^= rng.choice((1, 0x20, 0x80, 0xFF))
    return bytes(data)


def _field(content, rng):
    """Write an extreme binary number at an aligned position."""
    value = rng.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1))
    kind = rng.choice(('<B', '<H', '<I', '>I', '<Q'))
    field = struct.pack(kind, value % 256 ** struct.calcsize(kind))
    if rng.random() < 0.3:
        field = struct.pack('<d', rng.choice((float('nan'), float('inf'), 1e300, -1e38, 0)))
    place = _place(content, rng) // 4 * 4
    return content[:place] + field + content[place + len(field) :]


def _cut(content, rng):
    start, end = _span(content, rng)
    return content[:start] + content[end:]


def _again(content, rng):
    start, end = _span(content, rng)
    return content[:end] + content[start:end] + content[end:]


def _insert(content, rng):
    place = _place(content, rng)
    return content[:place] + rng.choice(PIECES) + content[place:]


CHANGES = {
    'number': lambda c, rng: _token(c, rng, _NUMBER, rng.choice(NUMBERS)),
    'word': lambda c, rng: _token(c, rng, _WORD, rng.choice(WORDS)),
    'swap words': _swap,
    'flip bits': _flip,
    'binary number': _field,
    'truncate': lambda c, rng: c[: _place(c, rng)],
    'cut out': _cut,
    'twice': _again,
    'insert': _insert,
    'drop a line': lambda c, rng: _line(c, rng, 0),
    'line twice': lambda c, rng: _line(c, rng, 2),
    'append': lambda c, rng: c + rng.choice(PIECES) * rng.choice((1, 3)),
    'empty': lambda c, rng: b'',
}
# The first ones change the header and are the most likely to pass checks.
_NAMES = ['number'] * 5 + ['word'] * 3 + ['flip bits'] * 2 + ['binary number'] * 2 + [*CHANGES]


def changes(most=2):
    """Draw the changes of a file: names of ``CHANGES``, and a seed for each."""
    return st.lists(
        st.tuples(st.sampled_from(_NAMES), st.integers(0, 2**32 - 1)), min_size=1, max_size=most
    )


def mutated(content, drawn):
    """Return the content of a file after the changes."""
    for name, seed in drawn:
        content = CHANGES[name](content, random.Random(seed))
    note(f'content: {content[:300]!r}, {len(content)} bytes')
    return content


def mutated_member(content, drawn, seed):
    """Change one of the files inside a zip archive, and correct all checksums."""
    rng = random.Random(seed)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {info.filename: archive.read(info) for info in archive.infolist()}
    chosen = rng.choice(sorted(files))
    note(f'in {chosen}')
    files[chosen] = mutated(files[chosen], drawn)
    if rng.random() < 0.15:  # a file that is referred to by another
        files[rng.choice(sorted(files))] = files[chosen]
        del files[chosen]
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w') as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


class _TooLong(BaseException):
    """Not an Exception, because readers might take it for an error in the file."""


@contextlib.contextmanager
def fence(*, seconds=60, more=2**30):
    """Limit reading a file of a few kilobytes to one GiB of memory and one minute."""
    late = []

    def ring(*_):
        late.append(True)
        raise _TooLong

    begun = time.monotonic()
    memory = resource.getrlimit(resource.RLIMIT_AS)
    if STATM.exists():  # Linux
        used = int(STATM.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + more, memory[1]))
    handler = signal.signal(signal.SIGALRM, ring)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)  # pytest-timeout's
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, memory)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(
            signal.ITIMER_REAL, max(left - (time.monotonic() - begun), 0.001) if left else 0
        )
        assert not late, 'a hang'


def right_or_refused(read, kind, *, name):
    """Call ``read``, which must succeed or reject the file with the right error.

    Args:
        read: Function that reads a file that was tampered with.
        kind: Exact class of the error.
        name: Text that the message must contain.

    Returns:
        The result of ``read``; None if it rejected the file correctly.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        try:
            with fence():
                result = read()
        except kind as error:
            message = str(error)
            assert type(error) is kind, f'{type(error).__name__}: {message[:300]}'
            assert name in message, message[:300]
            assert '\n' not in message.strip(), message[:300]
            assert len(message) < 2000, f'{message[:300]}…'
            result = None
    nonsense = [
        w for w in caught if issubclass(w.category, RuntimeWarning) and 'insseg3d' in w.filename
    ]
    # Warnings about numbers that overflow are ignored.
    assert not nonsense, nonsense[0]
    return result
