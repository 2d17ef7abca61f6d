# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Pictures of validation scenes for TensorBoard and its like."""

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
    """Send views of the first validation scenes to the visualiser's backends.

    Input, prediction and ground truth side by side, named ``val_SCENE``, at the iteration of the
    training. Only where a backend is configured that shows images, as ``TensorboardVisBackend``
    and ``WandbVisBackend`` do: ``LocalVisBackend`` alone, mmengine's default, gets none.

    Args:
        num_scenes: Scenes of each validation; of several processes, those of the first.
    """

    def __init__(self, *, num_scenes: int = 3) -> None:
        self.num_scenes = num_scenes
        self._sent = 0

    def before_val(self, runner: Runner) -> None:
        """Begin again with the first scene."""
        self._sent = 0

    @master_only
    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[Det3DDataSample] | None = None,
    ) -> None:
        """Draw and send scenes until there are enough."""
        # mmengine has no public list of them.
        backends = runner.visualizer._vis_backends.values()
        if all(isinstance(backend, LocalVisBackend) for backend in backends):
            return
        num_classes = len(runner.val_dataloader.dataset.metainfo['classes'])
        for sample in outputs[: max(self.num_scenes - self._sent, 0)]:
            scene = Scene.of_sample(sample, num_classes=num_classes)
            runner.visualizer.add_image(f'val_{scene.name}', render_views(scene), step=runner.iter)
            self._sent += 1
