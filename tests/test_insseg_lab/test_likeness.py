# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Figures of scans whose shapes and colours are known."""

import json
import pickle

import numpy as np
import pytest

from insseg_lab.likeness.measures import measure, roughness, upright_box, value_and_saturation
from insseg_lab.likeness.scene import LabelledScan, read_scans
from insseg_lab.likeness.table import REAL, as_text, compare

BED, WALL, FLOOR, DESK = 4, 1, 2, 14


def turned(points, degrees):
    angle = np.deg2rad(degrees)
    turn = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    return points @ np.array(turn).T


def filled_box(sides, number, rng):
    return rng.uniform(0, 1, (number, 3)) * sides


def room(*, degrees=0, noise=0.004, seed=0):
    """Make a floor of 4 x 6 m with noise, a wall, and a bed that is 30 cm above the floor."""
    rng = np.random.default_rng(seed)
    floor = np.column_stack(
        [rng.uniform(0, 4, 20000), rng.uniform(0, 6, 20000), noise * rng.standard_normal(20000)]
    )
    wall = np.column_stack(
        [rng.uniform(0, 4, 8000), 6 + 0.1 * rng.random(8000), rng.uniform(0, 2.5, 8000)]
    )
    bed = filled_box((2.0, 1.5, 0.5), 4000, rng) + (1, 2, 0.3)
    points = np.concatenate([floor, wall, bed]) + (0, 0, 1.2)
    kinds = np.repeat([FLOOR, WALL, BED], [len(part) for part in (floor, wall, bed)])
    colors = np.full((len(points), 3), 0.5)
    colors[kinds == FLOOR] = (0.8, 0.4, 0.2)
    colors[kinds == BED, 0] = np.where(np.arange(4000) % 2, 1.0, 0.0)
    return LabelledScan('room', turned(points, degrees), colors, kinds, kinds)


@pytest.mark.parametrize('degrees', [0, 33, 60, 90])
def test_sides_of_an_upright_box_at_any_angle(degrees):
    rng = np.random.default_rng(0)
    points = turned(filled_box((0.9, 2.4, 1.3), 20000, rng), degrees)
    sides = upright_box(points)
    assert sides == pytest.approx((0.96 * 2.4, 0.96 * 0.9, 0.96 * 1.3), rel=0.02)


@pytest.mark.parametrize('number', [1, 2, 3])
def test_sides_of_a_few_points_on_a_line(number):
    points = np.outer(np.arange(number), (1.0, 1.0, 2.0))
    length, width, height = upright_box(points)
    assert length == pytest.approx(0.96 * (number - 1) * 2**0.5, abs=1e-6)
    assert width == pytest.approx(0, abs=1e-6) and height == pytest.approx(1.92 * (number - 1))


def test_roughness_is_the_distance_from_the_plane():
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(-1, 1, 40), np.linspace(-1, 1, 40)))
    waves = np.where((np.arange(1600) + np.arange(1600) // 40) % 2, 0.01, -0.01)
    points = np.column_stack([x, y, waves])
    assert roughness(points) == pytest.approx(0.01, rel=1e-3)
    tilt = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    assert roughness(points @ tilt) == pytest.approx(0.01, rel=1e-3)


def test_brightness_and_saturation():
    value, saturation = value_and_saturation(np.array([[0.8, 0.4, 0.2], [0.3, 0.3, 0.3], [0] * 3]))
    assert value.tolist() == [0.8, 0.3, 0.0]
    assert saturation == pytest.approx([0.75, 0.0, 0.0])


@pytest.mark.parametrize('degrees', [0, 40])
def test_figures_of_a_room(degrees):
    figures = measure(room(degrees=degrees), np.random.default_rng(0))
    one = {name: np.median(values) for name, values in figures.items()}
    assert one['share of floor points'] == 20 / 32 and one['share of wall points'] == 8 / 32
    assert one['objects'] == 1 and one['share of points of no class'] == 0
    assert one['extent, short side'] == pytest.approx(0.96 * 4, rel=0.02)
    assert one['bed: length'] == pytest.approx(0.96 * 2, rel=0.02)
    assert one['bed: width'] == pytest.approx(0.96 * 1.5, rel=0.02)
    assert one['bed: height'] == pytest.approx(0.96 * 0.5, rel=0.02)
    assert one['bed: bottom'] == pytest.approx(0.3 + 0.02 * 0.5, abs=0.005)
    assert one['bed: colour'] == pytest.approx(0.5 / 3)  # of three channels, one is 0 or 1
    assert one['bed: brightness'] == pytest.approx(0.75)
    assert one['brightness at 50 %'] == 0.8 and one['saturation at 50 %'] == pytest.approx(0.75)
    assert one['floor, 20 cm: roughness'] == pytest.approx(4, rel=0.1)
    assert one['floor, 50 cm: roughness'] == pytest.approx(4, rel=0.05)
    assert one['floor, 20 cm: colour'] == pytest.approx(0, abs=1e-6)
    assert one['wall, 50 cm: roughness'] == pytest.approx(100 / 12**0.5, rel=0.1)
    assert one['wall: thickness'] == pytest.approx(0.096, rel=0.05)
    assert one['floor: range of heights'] == pytest.approx(4.1 * 0.004, rel=0.05)
    assert not any(name.startswith('desk') for name in figures)


def test_the_table_names_real_figures_and_marks_what_differs():
    rows = {row.name: row for row in compare([room(), room(noise=0.0001)])}
    real = json.loads(REAL.read_text())['figures']
    assert rows.keys() == real.keys()
    found = rows['share of floor points']
    assert found.ratio == pytest.approx(20 / 32 / 0.17) and not found.is_alike
    assert rows['bed: width'].ratio == pytest.approx(0.96 * 1.5 / 1.61, rel=0.02)
    assert rows['bed: width'].is_alike and rows['bed: width'].count == 2
    assert rows['desk: length'].ratio is None and rows['desk: length'].count == 0
    # Of a range, the nearer end counts: the real median lies between 2 and 3 mm.
    assert rows['floor, 20 cm: roughness'].real[1] == [2, 3]
    text = as_text([rows['share of floor points'], rows['bed: width'], rows['desk: length']])
    assert '3.68!' in text and f'{rows["bed: width"].ratio:.2f} ' in text
    assert '1 of 2 medians are within a factor of 1.5' in text
    assert '1 figures without a value' in text


def test_every_real_figure_has_a_measure():
    """Otherwise it would be compared with nothing, whatever is measured."""
    rng = np.random.default_rng(0)
    measured = set()
    for kind in (3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 16, 24, 33, 34, 39):
        scan = room(seed=kind)
        semantic = np.where(scan.semantic == BED, kind, scan.semantic)
        measured |= measure(scan._replace(semantic=semantic), rng).keys()
    spread = {f'deviation of mean {color} between scans' for color in ('red', 'green', 'blue')}
    assert json.loads(REAL.read_text())['figures'].keys() <= measured | spread


def test_reads_prepared_data(tmp_path):
    scan = room()
    record = dict(
        lidar_points=dict(lidar_path='a.bin'),
        pts_semantic_mask_path='a.bin',
        pts_instance_mask_path='a.bin',
    )
    for kind in ('points', 'semantic_mask', 'instance_mask'):
        (tmp_path / kind).mkdir()
    columns = np.column_stack([scan.points, 255 * scan.colors]).astype(np.float32)
    columns.tofile(tmp_path / 'points' / 'a.bin')
    scan.semantic.astype(np.int64).tofile(tmp_path / 'semantic_mask' / 'a.bin')
    scan.instance.astype(np.int64).tofile(tmp_path / 'instance_mask' / 'a.bin')
    index = tmp_path / 'scannet_infos_val.pkl'
    index.write_bytes(pickle.dumps(dict(metainfo={}, data_list=[record])))
    (found,) = read_scans(tmp_path)
    assert found.name == 'a' and np.array_equal(found.semantic, scan.semantic)
    np.testing.assert_allclose(found.points, scan.points, atol=1e-6)
    np.testing.assert_allclose(found.colors, scan.colors, atol=1e-6)
    index.write_bytes(pickle.dumps(dict(metainfo={}, data_list=[print])))
    with pytest.raises(ValueError, match='may run code'):
        next(read_scans(tmp_path))
    with pytest.raises(FileNotFoundError, match='scannet_infos_train.pkl.*prepare_scannet'):
        next(read_scans(tmp_path, 'train'))
