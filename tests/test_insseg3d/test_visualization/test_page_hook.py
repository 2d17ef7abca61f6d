# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
from types import SimpleNamespace

import numpy as np
import torch
from mmdet3d.structures import Det3DDataSample, PointData
from PIL import Image

from insseg3d.visualization import ScenePageHook

CLASSES = ('chair', 'table')


def make_outputs(folder, count, annotated=True):
    rng = np.random.default_rng(0)
    outputs = []
    for number in range(count):
        path = folder / f'room{number}.bin'
        points = np.c_[rng.random((60, 3)) * 3, rng.integers(0, 256, (60, 3))]
        points.astype(np.float32).tofile(path)
        sample = Det3DDataSample(metainfo=dict(lidar_path=str(path), num_pts_feats=6))
        sample.pred_pts_seg = PointData(
            pts_instance_mask=torch.arange(60) // 20 - 1,
            instance_labels=torch.tensor([0, 1]), instance_scores=torch.tensor([0.9, 0.5]))
        sample.eval_ann_info = dict(
            pts_instance_mask=np.arange(60) // 30,
            pts_semantic_mask=np.arange(60) // 30) if annotated else None
        outputs.append(sample)
    return outputs


def run(hook, outputs, metrics=None):
    dataset = SimpleNamespace(metainfo=dict(classes=CLASSES))
    runner = SimpleNamespace(
        test_dataloader=SimpleNamespace(dataset=dataset), cfg=SimpleNamespace(filename='a/leaf.py'))
    hook.before_test(runner)
    for number, output in enumerate(outputs):
        hook.after_test_iter(runner, number, None, [output])
    hook.after_test_epoch(runner, metrics)


def test_page_and_picture_show_the_first_scenes(tmp_path):
    hook = ScenePageHook(
        out_file=str(tmp_path / 'page.html'), picture_file=str(tmp_path / 'page.png'),
        num_scenes=2, num_pictured=1, title='A title')
    run(hook, make_outputs(tmp_path, 3), dict(AP=0.25, AP50=0.5, AP25=0.75))
    page = (tmp_path / 'page.html').read_text()
    assert 'room0' in page and 'room1' in page and 'room2' not in page
    assert 'A title' in page and '2 scenes' in page and '"leaf ' in page
    one = Image.open(tmp_path / 'page.png').size
    hook.num_pictured = 2
    run(hook, make_outputs(tmp_path, 3))
    two = Image.open(tmp_path / 'page.png').size
    # Three views beside each other, one row a scene.
    assert two[0] == one[0] and two[1] > one[1] * 1.5


def test_scans_without_annotations_are_shown_too(tmp_path):
    hook = ScenePageHook(out_file=str(tmp_path / 'page.html'))
    run(hook, make_outputs(tmp_path, 1, annotated=False))
    assert 'room0' in (tmp_path / 'page.html').read_text()


def test_without_a_file_nothing_is_kept_or_written(tmp_path):
    outputs = make_outputs(tmp_path, 1)
    before = set(tmp_path.iterdir())
    hook = ScenePageHook()
    run(hook, outputs)
    assert hook._scenes == [] and set(tmp_path.iterdir()) == before
