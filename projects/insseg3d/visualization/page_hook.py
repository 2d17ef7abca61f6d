# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Pages with the scenes of a test run."""

import time
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmdet3d.registry import HOOKS
from mmdet3d.structures import Det3DDataSample
from mmengine.dist import is_main_process, master_only
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from .render import render_views, save_png
from .scene import Scene
from .scene_page import write_scene_page

TASK = 'lidar_seg'
"""mmdetection3d's name for the labelling of points (``--task`` of its test.py)."""
_MOST_POINTS_OF_MANY = 40_000  # per scene of a page with many, to keep pages at a few megabytes


@HOOKS.register_module()
class ScenePageHook(Hook):
    """Hook that writes pages with input, prediction and truth of a test run.

    See ``write_scene_page`` for the pages. ``tools/test.py --show-dir DIR`` writes one page per
    scene, and an ``index.html`` with the first scenes. As in mmdetection3d, ``DIR`` is relative to
    the run's folder in the work dir. ``--show`` opens that index in the web browser. Without these
    flags, ``--cfg-options default_hooks.visualization.out_file=work_dirs/page.html`` writes a
    single page.

    Args:
        draw: Whether ``show`` and ``test_out_dir`` have an effect. mmdetection3d's test.py sets
            this argument and the next five.
        show: Open the pages in the web browser.
        wait_time: Time to wait for the browser to start, seconds.
        test_out_dir: Folder of the pages, relative to ``work_dir/timestamp`` unless absolute.
        vis_task: Must be ``'lidar_seg'``.
        score_thr: Initial position of the pages' sliders; all objects are on the pages.
        out_file: Page with the first scenes; None writes no page.
        picture_file: PNG with the first scenes, for a README; None writes no picture.
        num_scenes: Number of scenes on the page, the first ones of the run.
        num_pictured: Number of scenes on the PNG.
        title: Headline of the page.

    Raises:
        ValueError: The task is not ``'lidar_seg'``.
    """

    def __init__(
        self,
        *,
        draw: bool = False,
        show: bool = False,
        wait_time: float = 0.0,
        test_out_dir: str | None = None,
        vis_task: str = TASK,
        score_thr: float = 0.0,
        out_file: str | None = None,
        picture_file: str | None = None,
        num_scenes: int = 12,
        num_pictured: int = 3,
        title: str = '3D instance segmentation',
    ) -> None:
        if vis_task != TASK:
            raise ValueError(
                f'--task (vis_task): found {vis_task!r}, but these models label '
                f'points: use --task {TASK}, or leave it out.'
            )
        self.show = draw and show
        self.wait_time = wait_time
        self.pages_dir = (test_out_dir or 'pages') if draw and (show or test_out_dir) else None
        self.score_thr = score_thr
        self.out_file = out_file
        self.picture_file = picture_file
        self.num_scenes = num_scenes
        self.num_pictured = num_pictured
        self.title = title
        self._scenes: list[Scene] = []

    def before_test(self, runner: Runner) -> None:
        """Discard the scenes of an earlier run."""
        self._scenes = []

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[Det3DDataSample] | None = None,
    ) -> None:
        """Write the page of each scene in every process, and keep the scenes for later files."""
        if self.pages_dir is None and self.out_file is None and self.picture_file is None:
            return
        classes = _classes(runner)
        for sample in outputs:
            keep = is_main_process() and len(self._scenes) < self.num_scenes
            if not keep and self.pages_dir is None:
                continue
            scene = Scene.of_sample(sample, num_classes=len(classes))
            if keep:
                self._scenes.append(scene)
            if self.pages_dir is not None:
                write_scene_page(
                    self._folder(runner) / f'{scene.name}.html',
                    [scene],
                    classes=classes,
                    title=scene.name,
                    subtitle=_leaf(runner),
                    score_thr=self.score_thr,
                )

    @master_only
    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Write the files that show several scenes."""
        if not self._scenes:
            return
        if self.out_file is not None:
            self._write_overview(self.out_file, runner, metrics)
        if self.picture_file is not None:
            rows = [
                render_views(scene, captions=i == 0)
                for i, scene in enumerate(self._scenes[: self.num_pictured])
            ]
            save_png(self.picture_file, np.concatenate(rows))
        if self.pages_dir is not None:
            index = self._write_overview(
                self._folder(runner) / 'index.html',
                runner,
                metrics,
                notes=[
                    'Every scene of the run has its own page next to this one, with more '
                    'of its points.'
                ],
            )
            if self.show:
                webbrowser.open(index.resolve().as_uri())
                time.sleep(self.wait_time)

    def _folder(self, runner: Runner) -> Path:
        return Path(runner.work_dir, runner.timestamp, self.pages_dir)

    def _write_overview(
        self, path: str | Path, runner: Runner, metrics: dict | None, notes: Sequence[str] = ()
    ) -> Path:
        page = write_scene_page(
            path,
            self._scenes,
            classes=_classes(runner),
            title=self.title,
            subtitle=f'{_leaf(runner)} · {len(self._scenes)} scenes',
            metrics=metrics,
            notes=notes,
            score_thr=self.score_thr,
            max_points=_MOST_POINTS_OF_MANY,
        )
        print_log(f'Page with {len(self._scenes)} scenes: {page}', logger='current')
        return page


def _classes(runner: Runner) -> Sequence[str]:
    return runner.test_dataloader.dataset.metainfo['classes']


def _leaf(runner: Runner) -> str:
    return Path(runner.cfg.filename or '').stem
