# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A published checkpoint alone finds what the training's finds."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import queryis  # noqa: F401
from insseg3d.apis import InstanceSeg3DInferencer
from insseg_scans import Assumptions
from insseg_scans.errors import RawDataError

ROOT = Path(__file__).parents[2]
LENIENT = dict(score_thr=0.05, min_voxels=10)


@pytest.mark.parametrize('ending', ['pth', 'safetensors'])
def test_what_is_published_finds_the_same(here, sure_weights, own_points, ending, tmp_path):
    result = here('publish_model', sure_weights, f'out/small.{ending}', '--model', 'queryis-s_demo')
    assert result.returncode == 0
    (path,) = (tmp_path / 'out').iterdir()
    assert re.fullmatch(rf'small-[0-9a-f]{{8}}\.{ending}', path.name)
    assert path.name in result.stdout and '18 classes (cabinet, bed, ' in result.stdout
    expected = InstanceSeg3DInferencer('queryis-s_demo', sure_weights, 'cpu', **LENIENT)(own_points)
    inferencer = InstanceSeg3DInferencer(weights=path, device='cpu', **LENIENT)
    found = inferencer(own_points)
    assert len(found) > 0 and inferencer.weights == str(path)
    np.testing.assert_array_equal(found.instance, expected.instance)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert found.classes == expected.classes and found.remarks == expected.remarks
    np.save('scan.npy', own_points)
    run = here(
        'infer',
        'scan.npy',
        '--weights',
        path,
        '--out',
        'found',
        '--device',
        'cpu',
        '--score-thr',
        0.05,
        '--min-voxels',
        10,
    )
    assert run.returncode == 0 and f'{len(expected)} objects' in run.stdout
    assert path.name in (tmp_path / 'found' / 'index.html').read_text()


def test_half_precision_halves_the_file_and_hardly_changes_the_objects(
    here, sure_weights, own_points, tmp_path
):
    for name, *more in (('full',), ('half', '--half')):
        here('publish_model', sure_weights, f'{name}.pth', '--model', 'queryis-s_demo', *more)
    (full,), (half,) = tmp_path.glob('full-*.pth'), tmp_path.glob('half-*.pth')
    assert half.stat().st_size < 0.6 * full.stat().st_size
    results = [
        InstanceSeg3DInferencer(weights=path, device='cpu', **LENIENT)(own_points)
        for path in (full, half)
    ]
    model = InstanceSeg3DInferencer(weights=half, device='cpu').model
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert len(results[0]) == len(results[1]) > 0
    np.testing.assert_allclose(results[1].scores, results[0].scores, atol=0.01)
    assert (results[0].instance == results[1].instance).mean() > 0.98


def test_class_names_of_the_checkpoint_are_taken_and_told(here, sure_weights, own_points, tmp_path):
    content = torch.load(sure_weights, weights_only=True)
    own = [f'kind {k}' for k in range(18)]
    content['meta'] = dict(dataset_meta=dict(classes=own, palette=[[k, k, k] for k in range(18)]))
    torch.save(content, tmp_path / 'iter_9.pth')
    here('publish_model', 'iter_9.pth', 'out/small.pth', '--model', 'queryis-s_demo')
    (path,) = (tmp_path / 'out').iterdir()
    inferencer = InstanceSeg3DInferencer('queryis-s_demo', path, 'cpu', **LENIENT)
    assert inferencer.classes == tuple(own)
    assert inferencer.model.dataset_meta['palette'][5] == [5, 5, 5]
    found = inferencer(own_points)
    assert set(found.names) <= set(own) and "the checkpoint's" in str(found.remarks[0])


def test_voxels_of_another_size_are_told(here, sure_weights, own_points, tmp_path):
    here('publish_model', sure_weights, 'out/small.pth', '--model', 'queryis-s_demo')
    (path,) = (tmp_path / 'out').iterdir()
    (tmp_path / 'coarse.py').write_text(
        f"_base_ = '{ROOT}/configs/queryis/queryis-s_demo.py'\n"
        "voxels = dict(type='AddVoxelTables', voxel_size=0.1)\n"
        'test_pipeline = [*_base_.test_transforms, _base_.pack_points, voxels]\n'
        'test_dataloader = dict(dataset=dict(pipeline=test_pipeline))\n'
    )
    message = 'voxels of 0.1 m, from the config; the checkpoint was trained with 0.08 m'
    strict = Assumptions(strict=True)
    for model in ('queryis-s_demo', None):
        inferencer = InstanceSeg3DInferencer(model, path, 'cpu')
        assert message not in str(inferencer(own_points, assumptions=strict).remarks)
    inferencer = InstanceSeg3DInferencer('coarse.py', path, 'cpu')
    assert f'assumed: {message}' in map(str, inferencer(own_points).remarks)
    with pytest.raises(RawDataError, match=message):
        inferencer(own_points, assumptions=strict)


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['none.pth', 'x.pth', '--model', 'queryis-s_demo'], 'none.pth: no such checkpoint'),
        (['{weights}', 'x.pth'], 'no config inside'),
        (['{weights}', 'x.onnx', '--model', 'queryis-s_demo'], r'ends with \.pth or \.safetensors'),
        (
            ['{weights}', 'x.pth', '--model', 'queryis-l_1xb10-150k_scannet'],
            'does not fit the config',
        ),
    ],
)
def test_nothing_is_written_of_what_does_not_work(here, sure_weights, arguments, message, tmp_path):
    result = here('publish_model', *(a.format(weights=sure_weights) for a in arguments))
    assert result.returncode == 2 and re.search(message, result.stderr)
    assert 'Traceback' not in result.stderr and not list(tmp_path.glob('x*'))
