# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A sampler that can start at any draw and passes the draw to each sample."""

from collections.abc import Iterator, Sized

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import Sampler


class DrawIndex(int):
    """A dataset index that carries its seed and its draw.

    It behaves like an int and can be sent to a data loader's worker. The operators ``%`` and
    ``-``, with which mmengine's ``RepeatDataset`` and ``ConcatDataset`` compute the index in the
    wrapped dataset, keep the draw.

    Attributes:
        draw: Seed and number of the draw, counted over all processes from the start of training.
    """

    def __new__(cls, index: int, draw: tuple[int, int]) -> 'DrawIndex':
        self = super().__new__(cls, index)
        self.draw = draw
        return self

    def __mod__(self, other: int) -> 'DrawIndex':
        return type(self)(int(self) % other, self.draw)

    def __sub__(self, other: int) -> 'DrawIndex':
        return type(self)(int(self) - other, self.draw)

    def __reduce__(self):
        return type(self), (int(self), self.draw)

    def __repr__(self) -> str:
        return f'DrawIndex({int(self)}, draw={self.draw})'


@DATA_SAMPLERS.register_module()
class DrawSampler(Sampler):
    """Endless sampler whose draws can be computed from their numbers.

    Draw d is entry ``d mod n`` of the ``d // n``-th permutation of the n scenes; the permutation
    depends only on the seed and ``d // n``. A resumed training therefore continues at draw d
    without replaying earlier draws. The draws do not depend on the number of processes: process r
    of w takes draws r, r + w, r + 2w, …

    Args:
        dataset: Dataset of n scenes.
        shuffle: Whether to permute the scenes; otherwise they come in order.
        seed: Seed of the permutations and, through ``DrawIndex.draw``, of all augmentations; the
            same in every process. If None, the processes agree on a random seed.

    Raises:
        ValueError: The dataset is empty.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        if self.size == 0:
            raise ValueError('the dataset is empty: no scene to draw from. Check its ann_file')
        self.shuffle = shuffle
        self.seed = seed
        self.start = 0

    def start_at(self, draw: int) -> None:
        """Let the next iterator begin at a draw.

        Args:
            draw: Number of draws done so far, over all processes.
        """
        self.start = int(draw)

    def permutation(self, epoch: int) -> np.ndarray:
        """Compute the order of scenes ``(n,)`` in one pass through the data."""
        if not self.shuffle:
            return np.arange(self.size)
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, epoch]))
        return rng.permutation(self.size)

    def __iter__(self) -> Iterator[DrawIndex]:
        """Yield this process's draws, without end."""
        if self.seed is None:
            self.seed = sync_random_seed()
        draw, epoch = self.start + self.rank, None
        while True:
            if draw // self.size != epoch:
                epoch = draw // self.size
                order = self.permutation(epoch)
            yield DrawIndex(int(order[draw % self.size]), (self.seed, draw))
            draw += self.world_size

    def __len__(self) -> int:
        """Return the number of scenes (the sampler itself is endless)."""
        return self.size
