# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insseg_scans.errors import RawDataError
from insseg_scans.points.text_table import line_of_row, parse_table, repair_control_bytes

PATH = Path('table.txt')


def array(text):
    return np.frombuffer(text, np.uint8).copy()


def parse(text, columns=3):
    return parse_table(array(text), PATH, columns=columns)


def test_numbers_blanks_and_line_ends():
    table = parse(b'1.5 -2 .25\r\n\n   \n+3.\t00012.5   -0.000 \n4 5 6')
    assert table.tolist() == [[1.5, -2, 0.25], [3, 12.5, 0], [4, 5, 6]]
    assert np.signbit(table[1, 2])  # as float('-0.000')


def test_nothing_is_no_row():
    assert parse(b'').shape == parse(b'\n \n').shape == (0, 3)


NUMBERS = st.one_of(
    st.decimals(-10_000, 10_000, places=3).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),  # up to 17 digits, exponents
    st.integers(-(10**20), 10**20).map(str),
    st.from_regex(r'[+-]?[0-9]{1,16}\.[0-9]{0,16}', fullmatch=True),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=6), st.sampled_from(['\n', '\r\n']))
def test_every_number_is_the_one_that_python_reads(rows, line_end):
    text = ''.join(' '.join(row) + line_end for row in rows).encode()
    expected = [[float(word) for word in row] for row in rows]
    assert parse(text).tolist() == expected


@pytest.mark.parametrize(
    'line, complaint',
    [
        (b'1 2', 'line 3 has 2 columns'),
        (b'1 2 3 4', 'line 3 has 4 columns'),
        (b'1 2 nan', "line 3 holds 'nan'"),
        (b'1 inf 2', "line 3 holds 'inf'"),
        (b'1 2 1e999', "line 3 holds '1e999'"),
        (b'1 2 x3', "line 3 holds 'x3'"),
        (b'1 2 3.4.5', "line 3 holds '3.4.5'"),
        (b'1 2 .', "line 3 holds '.'"),
        (b'1 2 1_0', "line 3 holds '1_0'"),
        (b'1 2 --3', "line 3 holds '--3'"),
        (b'1, 2, 3', "line 3 holds '1,'"),
        (b'1 2 \xff', 'line 3 holds'),
    ],
)
@pytest.mark.parametrize('line_end', [b'\n', b''])
def test_what_is_no_number_is_named_with_its_line(line, complaint, line_end):
    with pytest.raises(RawDataError) as error:
        parse(b'1 2 3\n\n' + line + line_end)
    assert str(error.value).startswith(f'table.txt: {complaint}')
    assert 'expected 3 finite numbers' in str(error.value)


def test_the_line_of_a_row_counts_empty_lines():
    text = array(b'1 2 3\n\n \n4 5 6\n7 8 9\n')
    assert [line_of_row(text, row) for row in range(3)] == [1, 4, 5]


def test_known_faults_are_mended():
    text = array(b'56.00\x10000\r\n2\x111.000000\t-9.1\x160\n185\x00187 1\n')
    repairs = repair_control_bytes(text, PATH)
    assert text.tobytes() == b'56.000000\r\n211.000000\t-9.160\n185 187 1\n'
    assert [tuple(repair) for repair in repairs] == [
        (1, 6, 0x10, 0x30),
        (2, 2, 0x11, 0x31),
        (2, 16, 0x16, 0x36),
        (3, 4, 0x00, 0x20),
    ]
    assert str(repairs[0]) == "line 1, column 6: byte 0x10 read as '0'"


def test_a_file_full_of_control_bytes_is_no_text():
    with pytest.raises(RawDataError, match='5000 control characters'):
        repair_control_bytes(np.zeros(5000, np.uint8), PATH)
