# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Synchronisation of running means and variances over processes, including checkpoints."""

from typing import Any

from mmengine.dist import all_reduce_params
from mmengine.hooks import CheckpointHook, SyncBuffersHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner


@HOOKS.register_module()
class SyncSavedBuffersHook(SyncBuffersHook):
    """Hook that averages the buffers of all processes before validations and checkpoints.

    mmengine's hook averages before validations only, but a loop over iterations saves before it
    validates. The checkpoint would have the running statistics of the first process, and its scores
    would differ from those of the validation.
    """

    priority = 'LOW'  # before CheckpointHook, whose priority is VERY_LOW

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Average the buffers if a checkpoint is saved after this iteration."""
        if self.distributed and any(
            _saves_now(hook, runner) for hook in runner.hooks if isinstance(hook, CheckpointHook)
        ):
            all_reduce_params(runner.model.buffers(), op='mean')


def _saves_now(hook: CheckpointHook, runner: Runner) -> bool:
    return not hook.by_epoch and (
        hook.every_n_train_iters(runner, hook.interval, hook.save_begin)
        or hook.save_last
        and hook.is_last_train_iter(runner)
    )
