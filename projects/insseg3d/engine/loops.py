# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A training loop that resumes without replaying the data."""

from collections.abc import Iterator
from typing import Any

from mmengine.dist import get_rank
from mmengine.logging import print_log
from mmengine.registry import LOOPS
from mmengine.runner import IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from .sampler import DrawSampler


class _StartsLate:
    """A data loader whose iterator starts its workers at the first batch, not when it is made.

    mmengine's loop makes the iterator in its constructor, before a checkpoint is read; its workers
    would start loading from draw 0.
    """

    def __init__(self, dataloader: DataLoader) -> None:
        self._dataloader = dataloader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataloader, name)

    def __iter__(self) -> Iterator:
        yield from self._dataloader


class _Batches:
    """Iterator over batches that skips the first ``num_done`` without loading them.

    On resume, mmengine's loop requests and discards all batches of the earlier training, but the
    sampler already starts after them.
    """

    def __init__(self, dataloader: DataLoader, num_done: int) -> None:
        self._batches = iter(_StartsLate(dataloader))
        self._num_done = num_done

    def __iter__(self) -> '_Batches':
        return self

    def __next__(self) -> dict | None:
        if self._num_done > 0:
            self._num_done -= 1
            return None
        return next(self._batches)


@LOOPS.register_module()
class DrawBasedTrainLoop(IterBasedTrainLoop):
    """mmengine's ``IterBasedTrainLoop``, but it resumes at the right draw without earlier ones.

    On resume, the stock loop replays the data loader from the start, which takes hours late in a
    long training. Here, :class:`DrawSampler` continues where the checkpoint ended: at draw
    iterations × batch size × processes. Augmentations depend only on the seed and the draw, hence
    the next batches are those of an uninterrupted training. On resume, the sampler also takes the
    checkpoint's seed, unless the config sets a seed for the sampler.

    Args:
        runner: The runner.
        dataloader: A data loader or its config; its sampler must be ``DrawSampler``.
        max_iters: Number of iterations of the whole training.
        val_begin: First iteration after which to validate.
        val_interval: Number of iterations between validations.
        dynamic_intervals: (iteration, interval) pairs that change the interval.

    Raises:
        TypeError: The sampler has another type, or the batch sampler has no fixed size.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        max_iters: int,
        val_begin: int = 1,
        val_interval: int = 1000,
        dynamic_intervals: list[tuple[int, int]] | None = None,
    ) -> None:
        self._different_seeds = runner._randomness_cfg.get('diff_rank_seed', False)
        if isinstance(dataloader, dict):
            dataloader = runner.build_dataloader(
                dataloader, seed=runner.seed, diff_rank_seed=self._different_seeds
            )
        sampler = dataloader.sampler
        if not isinstance(sampler, DrawSampler) or dataloader.batch_size is None:
            raise TypeError(
                f'DrawBasedTrainLoop needs train_dataloader.sampler=dict(type="DrawSampler") and a '
                f'batch_size, got {type(sampler).__name__} and {dataloader.batch_size}; otherwise '
                'use IterBasedTrainLoop, which replays the data when it resumes'
            )
        super().__init__(
            runner, _StartsLate(dataloader), max_iters, val_begin, val_interval, dynamic_intervals
        )
        self.dataloader = dataloader
        self._takes_runner_seed = sampler.seed in (None, self._shared_seed())
        if sampler.seed is None:
            sampler.seed = self._shared_seed()

    def _shared_seed(self) -> int:
        """Return the runner's seed, which is the same in every process."""
        return self.runner.seed - (get_rank() if self._different_seeds else 0)

    def run(self) -> Any:
        """Train from the runner's current iteration."""
        sampler = self.dataloader.sampler
        if self._takes_runner_seed:
            sampler.seed = self._shared_seed()
        sampler.start_at(self._iter * self.dataloader.batch_size * sampler.world_size)
        self.dataloader_iterator = _Batches(self.dataloader, num_done=self._iter)
        if self._iter > 0:
            print_log(
                f'Training continues at draw {sampler.start}; no earlier scene is read again '
                '(the steps announced below load nothing)',
                logger='current',
            )
        return super().run()
