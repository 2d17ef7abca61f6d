# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A page with the scenes of a test run."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmdet3d.registry import HOOKS
from mmdet3d.structures import Det3DDataSample
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from .render import render_views, save_png
from .scene import InstanceMap, Scene
from .scene_page import write_scene_page

_MOST_POINTS_OF_MANY = 40_000  # of each scene on a page of many, for pages of some megabytes


@HOOKS.register_module()
class ScenePageHook(Hook):
    """Write a page (see ``write_scene_page``) with input, prediction and truth of a test run.

    Does nothing unless a file is named:
    ``--cfg-options default_hooks.visualization.out_file=work_dirs/page.html``.

    Args:
        out_file: The page; None for none.
        picture_file: A PNG with the first scenes, for a README; None for none.
        num_scenes: Scenes on the page, the first of the run.
        num_pictured: Scenes on the PNG.
        title: Head line of the page.
    """

    def __init__(
        self,
        *,
        out_file: str | None = None,
        picture_file: str | None = None,
        num_scenes: int = 12,
        num_pictured: int = 3,
        title: str = '3D instance segmentation',
    ) -> None:
        self.out_file = out_file
        self.picture_file = picture_file
        self.num_scenes = num_scenes
        self.num_pictured = num_pictured
        self.title = title
        self._scenes: list[Scene] = []

    def before_test(self, runner: Runner) -> None:
        """Forget the scenes of an earlier run."""
        self._scenes = []

    @master_only
    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[Det3DDataSample] | None = None,
    ) -> None:
        """Keep the points and objects of as many scenes as are shown."""
        if self.out_file is None and self.picture_file is None:
            return
        num_classes = len(self._classes(runner))
        for sample in outputs[: max(self.num_scenes - len(self._scenes), 0)]:
            self._scenes.append(_scene(sample, num_classes))

    @master_only
    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Write the files."""
        if not self._scenes:
            return
        if self.out_file is not None:
            page = write_scene_page(
                self.out_file,
                self._scenes,
                classes=self._classes(runner),
                title=self.title,
                subtitle=f'{Path(runner.cfg.filename or "").stem} · {len(self._scenes)} scenes',
                metrics=metrics,
                max_points=_MOST_POINTS_OF_MANY,
            )
            print_log(f'Page with {len(self._scenes)} scenes: {page}', logger='current')
        if self.picture_file is not None:
            rows = [render_views(scene, captions=i == 0)
                    for i, scene in enumerate(self._scenes[: self.num_pictured])]
            save_png(self.picture_file, np.concatenate(rows))

    @staticmethod
    def _classes(runner: Runner) -> Sequence[str]:
        return runner.test_dataloader.dataset.metainfo['classes']


def _scene(sample: Det3DDataSample, num_classes: int) -> Scene:
    """A scene as its file holds it: the pipeline has centred points and scaled colours."""
    path = Path(sample.metainfo['lidar_path'])
    points = np.fromfile(path, dtype=np.float32).reshape(-1, sample.metainfo['num_pts_feats'])
    result = sample.pred_pts_seg
    truth = sample.get('eval_ann_info')
    return Scene.of(
        path.stem,
        points,
        pred=InstanceMap.of(
            result.pts_instance_mask, result.instance_labels, result.instance_scores),
        truth=None if not truth else InstanceMap.from_annotation(
            truth['pts_instance_mask'], truth['pts_semantic_mask'], num_classes=num_classes),
    )
