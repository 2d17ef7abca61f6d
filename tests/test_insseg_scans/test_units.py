# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The conversion of users' own scans detects lost digits and the up axis."""

from pathlib import Path

import numpy as np
import pytest

from insseg_scans.errors import RawDataError
from insseg_scans.units import UNITS, UP_AXES, convert_coords

RANDOM = np.random.default_rng(0)
MAP = np.array([500_000.0, 4_649_776, 100])


def rectangle(low, high):
    low, high = np.array(low, float), np.array(high, float)
    area = np.prod(np.where(high > low, high - low, 1))
    return low + RANDOM.random((int(300 * area), 3)) * (high - low)


def room():
    """Sample floor and walls of 4.2 m x 4 m x 2.4 m, and three pieces of furniture."""
    parts = [
        rectangle((0, 0, 0), (4.2, 4, 0)),
        rectangle((0, 0, 0), (4.2, 0, 2.4)),
        rectangle((0, 0, 0), (0, 4, 2.4)),
        rectangle((4.2, 0, 0), (4.2, 4, 2.4)),
        rectangle((0, 4, 0), (4.2, 4, 2.4)),
    ]
    for x, y, width, depth, height in (
        (0, 0, 2, 1.6, 0.5),
        (3, 2, 1, 1.5, 0.7),
        (1, 3.4, 1.2, 0.6, 0.9),
    ):
        parts += [
            rectangle((x, y, height), (x + width, y + depth, height)),
            rectangle((x, y, 0), (x + width, y, height)),
            rectangle((x, y, 0), (x, y + depth, height)),
        ]
    return np.concatenate(parts)


ROOM = room()


def convert(coords, **options):
    notes = []
    return convert_coords(coords, Path('scan.ply'), notes, **options), notes


def test_a_room_as_it_should_be_has_no_remark():
    for coords in (ROOM, ROOM.astype(np.float32), ROOM - (2, 2, 0)):
        assert not convert(coords)[1]
    converted, notes = convert(ROOM + MAP)
    assert len(notes) == 1 and 'moved by' in notes[0]
    np.testing.assert_allclose(np.ptp(converted, axis=0), np.ptp(ROOM, axis=0), atol=1e-8)


@pytest.mark.parametrize('units, axis, step', [('m', 1, '0.5'), ('mm', 1, '0.51'), ('m', 2, '0.5')])
def test_digits_that_were_lost_before_are_refused(units, axis, step):
    offset = np.roll(MAP, axis - 1)
    coords = ((ROOM + offset) / UNITS[units]).astype(np.float32)
    words = f'{step} m along {"xyz"[axis]}, as float32 has no finer ones there; .*as double'
    with pytest.raises(RawDataError, match=f'scan.ply: places in steps of .*{words}'):
        convert(coords, units=units)


def test_digits_that_a_text_did_not_have_are_refused():
    with pytest.raises(RawDataError, match='places in steps of 0.4 m along x; expected'):
        convert(np.round(ROOM / (0.4, 1e-6, 1e-6)) * (0.4, 1e-6, 1e-6))


def test_steps_that_do_not_matter_are_remarked_or_passed_over():
    _, notes = convert((ROOM + (70_000, 0, 0)).astype(np.float32))
    assert 'stored in steps of 0.0078 m along x, as float32' in notes[0] and 'moved by' in notes[1]
    assert not convert((ROOM + 900).astype(np.float32))[1]
    assert not convert(np.round(ROOM * 1000).astype(np.int32), units='mm')[1]


@pytest.mark.parametrize('up', UP_AXES)
def test_the_way_up_that_fits_better_is_remarked_with_the_option(up):
    given = np.empty_like(ROOM)
    for row, (axis, sign) in enumerate(UP_AXES[up]):
        given[:, axis] = sign * ROOM[:, row]
    assert not convert(given, up=up)[1]
    for said in UP_AXES:
        if said != up:
            _, notes = convert(given, up=said)
            option = f'--up {up}' if len(up) == 1 else f'--up={up}'
            assert len(notes) == 1 and notes[0].startswith(f'{up} ') and notes[0].endswith(option)
