# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Where the time of a forward pass goes, stage by stage as in the paper's Table 5."""
import time

import numpy as np
import torch
from mmengine.config import Config

from .inference import pack_points

STAGES = ('voxelise', 'backbone', 'query generation', 'masks', 'post-processing')


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
        self.seconds[stage] = now - self._start
        self._start = self._now()


@torch.no_grad()
def time_stages(model: torch.nn.Module, config: Config, points: np.ndarray) -> dict[str, float]:
    """Time one prediction.

    ``voxelise`` is the whole test pipeline on the host but reading the file, ``backbone`` the
    means of points in voxels, the neighbour tables and the network; copies between host and
    device, of a voxelised scene on its way in, belong to no stage. ``masks`` holds the scores of
    the masks too.

    Args:
        model: In eval mode, of ``InstanceSegmentor3D`` with a head of queries.
        config: Its config.
        points: ``(P, 6)``.

    Returns:
        Seconds of each of ``STAGES``.
    """
    device = next(model.parameters()).device
    clock = _Clock(device)
    data = pack_points(points, config)
    clock.lap('voxelise')
    data = model.data_preprocessor(data, False)
    inputs, samples = data['inputs'], data['data_samples']
    clock.lap('copy')
    levels, (rows,) = model.extract_rows(inputs, samples)
    clock.lap('backbone')
    head = model.decode_head
    class_logits, embeddings = head.decode(*model.neck(levels, 1))
    clock.lap('query generation')
    masks = head.masks(embeddings[-1][0], rows)
    clock.lap('masks')
    head.ranking(class_logits[-1][0], masks, rows.point2row)
    clock.lap('post-processing')
    return {stage: clock.seconds[stage] for stage in STAGES}
