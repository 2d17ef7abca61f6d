# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Pictures of scenes of a dataset, with methods from checkpoints and from files."""

import re

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

import queryis  # noqa: F401
from insseg3d.apis import load_model
from insseg3d.evaluation.exchange import LabelSet, open_source
from insseg3d.evaluation.exchange.predictions import Predictions, write_predictions
from insseg_analysis.figure_scenes import read_scene, result_of_files, result_of_model
from insseg_analysis.label_sets import label_set_of

SCENE = 'scene0004_00'


@pytest.fixture
def dataset(tiny_config, tiny_data, monkeypatch):
    monkeypatch.setenv('INSSEG3D_DATA', str(tiny_data))
    init_default_scope('mmdet3d')
    return DATASETS.build(Config.fromfile(tiny_config).test_dataloader.dataset)


@pytest.fixture
def files(dataset, tmp_path):
    """Predictions that are the ground truth, in the benchmark's format."""
    truth = read_scene(dataset, SCENE).scene.truth

    def write(path, content):
        (tmp_path / 'pred' / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'pred' / path).write_bytes(content)

    masks = truth.instance == np.arange(len(truth.labels))[:, None]
    scores = np.linspace(0.9, 0.4, len(masks))
    write_predictions(
        write, SCENE, Predictions(masks, truth.labels, scores), label_set_of(dataset.metainfo)
    )
    return tmp_path / 'pred'


@pytest.fixture
def weights(tiny_config, tmp_path):
    model, config = load_model(tiny_config)
    torch.save(
        dict(state_dict=model.state_dict(), meta=dict(cfg=config.pretty_text)),
        tmp_path / 'tiny.pth',
    )
    return tmp_path / 'tiny.pth'


def test_methods_of_both_kinds_in_the_order_given(here, tiny_config, files, weights, tmp_path):
    result = here(
        'figure',
        tiny_config,
        SCENE,
        '--pred',
        'files',
        files,
        '--method',
        'tiny',
        weights,
        '--pred',
        'again',
        files,
        '--width',
        120,
        '--height',
        90,
        '--out',
        'out/figure.png',
    )
    assert result.returncode == 0, result.stderr
    width, height = map(int, re.search(r'(\d+) × (\d+) pixels', result.stdout).groups())
    image = np.asarray(Image.open(tmp_path / 'out' / 'figure.png'))
    assert image.shape == (height, width, 3) and width == 5 * 120
    views = [image[:90, start : start + 120] for start in range(0, width, 120)]
    original, first, tiny, again, truth = views
    np.testing.assert_array_equal(first, truth)  # a prediction as good as that looks like it
    np.testing.assert_array_equal(again, truth)
    assert (original != truth).any() and (tiny != truth).any()
    assert len(np.unique(truth.reshape(-1, 3), axis=0)) > 20


def test_a_scene_without_methods_shows_input_and_truth(here, tiny_config, tmp_path):
    assert here('figure', tiny_config, SCENE, '--width', 60, '--height', 60).returncode == 0
    assert Image.open(tmp_path / 'figure.png').width == 2 * 60


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['nonsense'], r'nonsense: no scene of .*expected one of its 1: scene0004_00'),
        ([SCENE, '--pred', 'A', 'nowhere'], 'nowhere: no such folder'),
        ([SCENE, '--method', 'A', 'none.pth'], 'none.pth: no such checkpoint'),
        ([SCENE, '--method', 'A', 'tiny.pth', 'queryis-s_demo'], 'does not fit the config'),
    ],
)
def test_what_is_missing_is_told_in_a_line(
    here, tiny_config, weights, arguments, message, tmp_path
):
    result = here('figure', tiny_config, *arguments)
    assert result.returncode == 2 and re.search(message, result.stderr)
    assert not (tmp_path / 'figure.png').exists()


def test_options_with_too_few_values_are_refused(here, tiny_config, capsys):
    for option, expected in (('--method', 'NAME CHECKPOINT [CONFIG]'), ('--pred', 'NAME FOLDER')):
        with pytest.raises(SystemExit):
            here('figure', tiny_config, SCENE, option, 'A')
        assert f'{option}: found A; expected {expected}' in capsys.readouterr().err


def test_of_overlapping_masks_the_best_has_the_points(tmp_path):
    masks = np.array([[1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0]], dtype=bool)
    np.savez(tmp_path / 'room.npz', masks=masks, label_ids=[7, 9, 9], scores=[0.5, 0.9, 0.2])
    labels = LabelSet(('chair', 'desk'), (9, 7))
    result = result_of_files(
        'A', open_source(tmp_path), 'room', labels, num_points=6, score_thr=0.3
    )
    assert result.objects.instance.tolist() == [1, 1, 0, 0, 0, 0]
    assert result.objects.labels.tolist() == [0, 1] and result.semantic is None


def test_a_semantic_prediction_is_taken_where_there_is_one(dataset, tiny_config, monkeypatch):
    scene, points = read_scene(dataset, SCENE)
    assert scene.truth is not None and points.shape == (len(scene.coords), 6)
    model, config = load_model(tiny_config)
    assert result_of_model('A', model, config, points).semantic is None
    predict = type(model).predict

    def also_classes(self, inputs, samples):
        samples = predict(self, inputs, samples)
        samples[0].pred_pts_seg.pts_semantic_mask = torch.arange(len(points)) % 19
        return samples

    monkeypatch.setattr(type(model), 'predict', also_classes)
    result = result_of_model('A', model, config, points)
    np.testing.assert_array_equal(result.semantic, np.arange(len(points)) % 19)
