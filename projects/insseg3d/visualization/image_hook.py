# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Pictures of validation scenes for TensorBoard and similar tools."""

from collections.abc import Sequence

from mmdet3d.registry import HOOKS
from mmdet3d.structures import Det3DDataSample
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.visualization import LocalVisBackend

from .render import render_views
from .scene import Scene


@HOOKS.register_module()
class SceneImageHook(Hook):
    """Hook that sends views of the first validation scenes to the visualiser's backends.

    A view shows input, prediction and ground truth side by side. It is named ``val_SCENE`` and
    logged at the iteration of the training. Views are made only if a backend is configured that
    shows images, such as ``TensorboardVisBackend`` or ``WandbVisBackend``; mmengine's default, a
    single ``LocalVisBackend``, does not.

    Args:
        num_scenes: Number of scenes per validation, taken from the first process.
    """

    def __init__(self, *, num_scenes: int = 3) -> None:
        self.num_scenes = num_scenes
        self._sent = 0

    def before_val(self, runner: Runner) -> None:
        """Start again with the first scene."""
        self._sent = 0

    @master_only
    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[Det3DDataSample] | None = None,
    ) -> None:
        """Draw and send scenes until ``num_scenes`` are sent."""
        # mmengine has no public list of backends.
        backends = runner.visualizer._vis_backends.values()
        if all(isinstance(backend, LocalVisBackend) for backend in backends):
            return
        num_classes = len(runner.val_dataloader.dataset.metainfo['classes'])
        for sample in outputs[: max(self.num_scenes - self._sent, 0)]:
            scene = Scene.of_sample(sample, num_classes=num_classes)
            runner.visualizer.add_image(f'val_{scene.name}', render_views(scene), step=runner.iter)
            self._sent += 1
