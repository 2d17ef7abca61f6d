# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import json
import re
import webbrowser
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.visualization import LocalVisBackend, TensorboardVisBackend, Visualizer
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from insseg3d.visualization import SceneImageHook, ScenePageHook

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
            instance_labels=torch.tensor([0, 1]),
            instance_scores=torch.tensor([0.9, 0.5]),
        )
        sample.eval_ann_info = (
            dict(pts_instance_mask=np.arange(60) // 30, pts_semantic_mask=np.arange(60) // 30)
            if annotated
            else None
        )
        outputs.append(sample)
    return outputs


def runner_of(**more):
    loader = SimpleNamespace(dataset=SimpleNamespace(metainfo=dict(classes=CLASSES)))
    return SimpleNamespace(
        test_dataloader=loader,
        val_dataloader=loader,
        cfg=SimpleNamespace(filename='a/leaf.py'),
        timestamp='20260101',
        **more,
    )


def run(hook, outputs, metrics=None, work_dir=None):
    runner = runner_of(work_dir=work_dir)
    hook.before_test(runner)
    for number, output in enumerate(outputs):
        hook.after_test_iter(runner, number, None, [output])
    hook.after_test_epoch(runner, metrics)


def test_page_and_picture_show_the_first_scenes(tmp_path):
    hook = ScenePageHook(
        out_file=str(tmp_path / 'page.html'),
        picture_file=str(tmp_path / 'page.png'),
        num_scenes=2,
        num_pictured=1,
        title='A title',
    )
    run(hook, make_outputs(tmp_path, 3), dict(AP=0.25, AP50=0.5, AP25=0.75))
    page = (tmp_path / 'page.html').read_text()
    assert 'room0' in page and 'room1' in page and 'room2' not in page
    assert 'A title' in page and '2 scenes' in page and '"leaf ' in page
    one = Image.open(tmp_path / 'page.png').size
    hook.num_pictured = 2
    run(hook, make_outputs(tmp_path, 3))
    two = Image.open(tmp_path / 'page.png').size
    # Three views side by side, one row per scene.
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


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text())[1])


def test_show_dir_has_a_page_for_every_scene_and_one_over_the_first(tmp_path):
    (tmp_path / 'scans').mkdir()
    # The values that mmdetection3d's test.py sets for `--show-dir shown --score-thr 0.25`.
    hook = ScenePageHook(
        draw=True, test_out_dir='shown', vis_task='lidar_seg', score_thr=0.25, num_scenes=2
    )
    run(hook, make_outputs(tmp_path / 'scans', 3), dict(AP=0.25), work_dir=tmp_path / 'work')
    folder = tmp_path / 'work' / '20260101' / 'shown'
    assert sorted(path.name for path in folder.iterdir()) == [
        'index.html',
        'room0.html',
        'room1.html',
        'room2.html',
    ]
    room, index = data_of(folder / 'room2.html'), data_of(folder / 'index.html')
    assert [scene['name'] for scene in room['scenes']] == ['room2']
    assert [scene['name'] for scene in index['scenes']] == ['room0', 'room1']
    assert len(room['scenes'][0]['pred']['items']) == 2 and room['scoreThr'] == 0.25
    assert index['cards'][0]['value'] == '25.0'


def test_show_opens_the_pages(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, 'open', opened.append)
    run(ScenePageHook(draw=True, show=True), make_outputs(tmp_path, 1), work_dir=tmp_path)
    assert opened == [(tmp_path / '20260101' / 'pages' / 'index.html').as_uri()]
    run(ScenePageHook(show=True, test_out_dir='not'), make_outputs(tmp_path, 1), work_dir=tmp_path)
    assert len(opened) == 1 and not (tmp_path / '20260101' / 'not').exists()


def test_another_task_is_refused():
    with pytest.raises(ValueError, match="found 'mono_det'.* use --task lidar_seg"):
        ScenePageHook(draw=True, vis_task='mono_det')


def validate(hook, runner, outputs):
    hook.before_val(runner)
    for number, output in enumerate(outputs):
        hook.after_val_iter(runner, number, None, [output])


def test_tensorboard_gets_views_of_the_first_validation_scenes(tmp_path):
    visualizer = Visualizer(
        'tb',
        vis_backends=[
            LocalVisBackend(str(tmp_path / 'local')),
            TensorboardVisBackend(str(tmp_path / 'tb')),
        ],
    )
    hook = SceneImageHook(num_scenes=2)
    for iteration in (100, 200):
        validate(hook, runner_of(visualizer=visualizer, iter=iteration), make_outputs(tmp_path, 3))
    visualizer.close()
    events = EventAccumulator(str(tmp_path / 'tb'))
    events.Reload()
    assert events.Tags()['images'] == ['val_room0', 'val_room1']
    images = events.Images('val_room0')
    assert [image.step for image in images] == [100, 200]
    assert images[0].width == 3 * 480 and images[0].height > 400
    # The same pictures are also files, because there is a local backend, too.
    assert (tmp_path / 'local' / 'vis_image' / 'val_room1_200.png').is_file()


def test_mmengines_default_gets_no_pictures(tmp_path):
    visualizer = Visualizer('plain', vis_backends=[LocalVisBackend(str(tmp_path / 'local'))])
    validate(SceneImageHook(), runner_of(visualizer=visualizer, iter=1), make_outputs(tmp_path, 1))
    assert not (tmp_path / 'local').exists()
