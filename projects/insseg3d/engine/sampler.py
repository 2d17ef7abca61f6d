# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A sampler that can start anywhere, and tells each sample which draw it is."""

from collections.abc import Iterator, Sized

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import Sampler


class DrawIndex(int):
    """A data set index that knows from which draw of which seed it came.

    Behaves as an int, and survives the way to a data loader's worker. So does the draw through
    ``%`` and ``-``, by which mmengine's ``RepeatDataset`` and ``ConcatDataset`` find the index
    within the data set that they wrap.

    Attributes:
        draw: (seed, number of the draw), counted over all processes from the start of training.
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
    """Endless sampler in which every draw can be computed by its number alone.

    Draw d takes entry ``d mod n`` of the ``d // n``-th permutation of the n scenes, and that
    permutation depends on the seed and ``d // n`` only. So a resumed training continues at
    draw d without replaying what went before, and the draws do not depend on how many processes
    share them: process r of w takes draws r, r + w, r + 2w, …

    Args:
        dataset: whose length is n.
        shuffle: whether to permute; otherwise scenes come in order.
        seed: of the permutations and, through ``DrawIndex.draw``, of all augmentations; the same
            in every process. None: agreed upon among the processes, at random.

    Raises:
        ValueError: the data set is empty.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        if self.size == 0:
            raise ValueError('the data set is empty: no scene to draw from. Check its ann_file')
        self.shuffle = shuffle
        self.seed = seed
        self.start = 0

    def start_at(self, draw: int) -> None:
        """Let the next iterator begin at a draw.

        Args:
            draw: draws done so far, over all processes together.
        """
        self.start = int(draw)

    def permutation(self, epoch: int) -> np.ndarray:
        """The order of scenes in one pass through the data, ``(n,)``."""
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
        """Number of scenes (the sampler itself has no end)."""
        return self.size
