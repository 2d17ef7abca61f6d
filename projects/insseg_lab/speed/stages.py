# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Timers of a prediction by stage, as in the paper's Table 5."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate

STAGES = ('read', 'voxelize', 'transfer', 'backbone', 'query_generation', 'masks', 'postprocess')
SUMS = {'total': STAGES[3:], 'end_to_end': STAGES}
"""Stages that Table 5 times, with the data on the device; and all, from file to instances."""


class _Clock:
    """Seconds between calls, with the device at rest at each."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds = device, {}
        self._start = self._now()

    def _now(self) -> float:
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def lap(self, stage: str) -> None:
        now = self._now()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._start
        self._start = self._now()


class StageTimer:
    """Timer of predictions of one model, one scan at a time.

    ``read`` is the loading transform (of files that are mapped into memory, the pages are read in
    the next stage), ``voxelize`` the rest of the test pipeline on the host, ``transfer`` the copy
    to the device. ``backbone`` includes the means of points in voxels and the neighbour tables,
    ``query_generation`` is neck and query decoder, ``masks`` the masks with their scores,
    ``postprocess`` the ranking and the assignment to points. For a model that groups points, as in
    the paper's table, ``query_generation`` is class and offset of each point and their grouping,
    ``masks`` the network over proposals and its outputs. The stages end where the model calls its
    neck, or its head if it has no neck, and ``decode_head.masks``; the parts do not matter.

    Args:
        model: Model from ``load_model`` whose head makes masks from queries or from proposals.
        config: Its config.
        amp: Whether the model runs under autocast: float16 on a GPU, bfloat16 on a CPU.

    Raises:
        ValueError: If the model has no such parts.
    """

    def __init__(self, model: torch.nn.Module, config: Config, *, amp: bool = False) -> None:
        head = getattr(model, 'decode_head', None)
        if not hasattr(head, 'masks'):
            raise ValueError(
                f'{type(model).__name__} with {type(head).__name__}: expected a model with a '
                'decode_head that makes masks from queries or proposals; stages of others are not '
                'known.'
            )
        self.model = model
        self.device = next(model.parameters()).device
        self.amp = amp
        load, *rest = Compose(config.test_dataloader.dataset.pipeline).transforms
        self.load, self.rest = load, Compose(rest)

    def pack(self, path: str | Path) -> dict:
        """Read and voxelise a scan: a batch of one on the host."""
        return self._prepare(self._read(path))

    @torch.no_grad()
    def __call__(self, path: str | Path) -> dict[str, float]:
        """Time one prediction.

        Args:
            path: float32 file of x y z r g b.

        Returns:
            Seconds of each of ``STAGES`` and their sums, ``SUMS``.
        """
        clock = _Clock(self.device)
        results = self._read(path)
        clock.lap('read')
        data = self._prepare(results)
        clock.lap('voxelize')
        data = self.model.data_preprocessor(data, False)
        clock.lap('transfer')
        with self.autocast(), _laps(self.model, clock):
            self.model.predict(data['inputs'], data['data_samples'])
        clock.lap('postprocess')
        seconds = {stage: clock.seconds[stage] for stage in STAGES}
        return {
            **seconds,
            **{name: sum(seconds[stage] for stage in parts) for name, parts in SUMS.items()},
        }

    def autocast(self) -> torch.autocast:
        """Return the context in which the model runs."""
        kind = self.device.type
        dtype = torch.float16 if kind == 'cuda' else torch.bfloat16
        return torch.autocast(kind, dtype=dtype, enabled=self.amp)

    def _read(self, path: str | Path) -> dict:
        path = str(path)
        return self.load(dict(lidar_points=dict(lidar_path=path), lidar_path=path, num_pts_feats=6))

    def _prepare(self, results: dict) -> dict:
        return pseudo_collate([self.rest(results)])


@contextlib.contextmanager
def _laps(model: torch.nn.Module, clock: _Clock) -> Iterator[None]:
    """Take the time where neck or head begins, and where the masks begin and end."""
    head, neck = model.decode_head, getattr(model, 'neck', None)
    predict, masks = head.predict, head.masks

    def timed_predict(*args, **kwargs):
        clock.lap('backbone')
        return predict(*args, **kwargs)

    def timed_masks(*args, **kwargs):
        clock.lap('query_generation')
        found = masks(*args, **kwargs)
        clock.lap('masks')
        return found

    head.masks = timed_masks  # hides the method until it is deleted
    if neck is None:
        head.predict = timed_predict
    else:
        hook = neck.register_forward_pre_hook(lambda *_: clock.lap('backbone'))
    try:
        yield
    finally:
        del head.masks
        if neck is None:
            del head.predict
        else:
            hook.remove()
