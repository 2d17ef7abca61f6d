# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""From a bare points file to labelled objects, with an untrained model."""
from pathlib import Path

import numpy as np
import pytest
import torch
from plyfile import PlyData, PlyElement

import queryis  # noqa: F401
from insseg3d.apis import load_model, predict_points

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'configs' / 'queryis' / 'queryis-s_demo.py'


@pytest.fixture
def infer(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    import infer
    return infer


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    torch.manual_seed(0)
    model, _ = load_model(CONFIG)
    # An untrained model finds nothing: make every query sure of its class and mask.
    head = model.decode_head
    torch.nn.init.normal_(head.classifier.weight, std=3)
    torch.nn.init.normal_(head.mask_embedding[-1].weight, std=3)
    path = tmp_path_factory.mktemp('weights') / 'model.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return str(path)


@pytest.fixture(scope='module')
def points():
    rng = np.random.default_rng(0)
    plane = np.c_[rng.random((3000, 2)) * 3, rng.normal(0, 0.005, 3000)]
    box = rng.random((2000, 3)) * (0.8, 0.6, 0.5) + (1, 1, 0)
    colors = np.r_[np.full((3000, 3), 90), np.full((2000, 3), 200)]
    return np.c_[np.r_[plane, box] + (500, -20, 3), colors].astype(np.float32)


def test_bin_and_ply_give_the_same_objects_over_all_points(
        infer, weights, points, tmp_path, capsys):
    points.tofile(tmp_path / 'scan.bin')
    vertex = np.empty(len(points), dtype=[
        *((name, 'f4') for name in 'xyz'), *((name, 'u1') for name in ('red', 'green', 'blue'))])
    for i, name in enumerate(vertex.dtype.names):
        vertex[name] = points[:, i]
    PlyData([PlyElement.describe(vertex, 'vertex')]).write(tmp_path / 'scan.ply')
    found = []
    for kind in ('bin', 'ply'):
        out = tmp_path / f'{kind}_out.ply'
        infer.main([str(tmp_path / f'scan.{kind}'), '--config', str(CONFIG), '--weights', weights,
                    '--out', str(out), '--score-thr', '0.1', '--min-points', '20',
                    '--picture', str(tmp_path / 'scan.png')])
        assert '5000 points' in capsys.readouterr().out
        found.append(PlyData.read(out)['vertex'])
    assert len(found[0]['x']) == len(points)
    np.testing.assert_array_equal(found[0]['x'], points[:, 0])
    np.testing.assert_array_equal(found[0]['instance'], found[1]['instance'])
    assert found[0]['instance'].max() >= 0
    assert (tmp_path / 'scan.png').stat().st_size > 1000


@pytest.mark.parametrize('name,content,message', [
    ('scan.bin', b'\0' * 20, 'expected a multiple of 6'),
    ('scan.bin', b'', '0 float32 values'),
    ('scan.xyz', b'', "unknown format '.xyz'"),
    ('none.bin', None, 'No such file'),
    ('nan.bin', np.float32([0, 0, np.nan, 9, 9, 9]).tobytes(), 'NaN'),
])
def test_bad_scans_are_refused_in_one_line(infer, weights, tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SystemExit) as error:
        infer.main([str(tmp_path / name), '--config', str(CONFIG), '--weights', weights])
    assert message in str(error.value) and str(error.value).startswith('infer.py: ')


def test_ply_without_colours_says_what_is_missing(infer, tmp_path):
    vertex = np.zeros(4, dtype=[(name, 'f4') for name in 'xyz'])
    PlyData([PlyElement.describe(vertex, 'vertex')]).write(tmp_path / 'scan.ply')
    with pytest.raises(ValueError, match='no red, green, blue'):
        infer.read_scan(tmp_path / 'scan.ply')


def test_where_a_scan_lies_does_not_matter(weights, points):
    model, config = load_model(CONFIG, weights)
    here = predict_points(model, config, points).pred_instances_3d
    # By a multiple of the voxel size that float32 holds exactly, so that no voxel changes.
    there = predict_points(model, config, points + np.float32([60, -120, 0, 0, 0, 0]))
    assert torch.equal(here.labels_3d, there.pred_instances_3d.labels_3d)


def test_points_of_another_shape_are_refused(weights, points):
    model, config = load_model(CONFIG, weights)
    with pytest.raises(ValueError, match=r'shape \(5000, 3\), expected \(P, 6\)'):
        predict_points(model, config, points[:, :3])
