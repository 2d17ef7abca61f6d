# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Means over the points inside the masks that queries have at the moment."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from insseg3d.ops.precision import without_autocast

from .row_features import RowFeatures

LARGEST_STEP = 8
"""Rows from one that is used to the next, at most: objects of some 100 rows keep a dozen."""


class MaskReadings(NamedTuple):
    """Means under the masks of the queries of a batch; 0 for an empty mask.

    Attributes:
        features: ``(B, Q, C)`` mean of the row features.
        places: ``(B, Q, 3)`` mean of the centres of the rows, metres; None if they have none.
        shared: ``(B, Q, Q)`` share of the points of mask i (row) that are also inside mask j
            (column), without gradient; 0 for an empty mask i.
        inside: Per scene ``(R', Q)`` of 0 and 1, which of the rows that are used are inside which
            mask, without gradient.
    """

    features: Tensor
    places: Tensor | None
    shared: Tensor
    inside: list[Tensor]


class MaskReader:
    """Average features over the points inside the masks that queries have at the moment.

    A row is inside a mask if its probability is above 0.5. No gradient passes through the masks;
    the means have gradients with respect to the features.

    The mean of a large mask hardly changes if not all rows contribute to it. Of a scene with more
    than ``max_rows`` rows, every n-th is used, with the smallest n for which they are not more, but
    n is at most ``LARGEST_STEP``, because small masks would have no rows left.

    Args:
        embed: Function from queries ``(B, Q, D)`` to mask embeddings ``(B, Q, C)``.
        project: Function from row features ``(R, C')`` to mask features ``(R, C)``.
        rows: Features to average.
        counts: Per scene ``(R,)`` points that each row represents.
        max_rows: Rows of a scene that are all used; None for all of every scene.
    """

    def __init__(
        self,
        embed: Callable[[Tensor], Tensor],
        project: Callable[[Tensor], Tensor],
        rows: RowFeatures,
        counts: Sequence[Tensor],
        max_rows: int | None = None,
    ) -> None:
        self.embed, self.project = embed, project
        self.some = [_every_nth(len(scene), max_rows) for scene in counts]
        self.features = [part[some] for part, some in zip(rows.features, self.some)]
        self.counts = [part[some] for part, some in zip(counts, self.some)]
        self.centers = None
        if rows.centers is not None:
            self.centers = [part[some] for part, some in zip(rows.centers, self.some)]

    @functools.cached_property
    def mask_features(self) -> list[Tensor]:
        """Per scene ``(R', C)`` of the rows that are used, without gradient."""
        # Computed at the first use, which a plain decoder does not make.
        with torch.no_grad(), without_autocast(self.features[0]):
            return [self.project(features) for features in self.features]

    def __call__(self, queries: Tensor, regions: Sequence[Tensor] | None = None) -> MaskReadings:
        """Read under the masks of queries ``(B, Q, D)``.

        Args:
            queries: The queries.
            regions: Per scene ``(R, P)`` bool, regions that replace the masks of the last P
                queries; None for none.
        """
        features, places, shared, masks = [], [], [], []
        with without_autocast(queries):
            with torch.no_grad():
                embeddings = self.embed(queries)
            for b in range(len(self.counts)):
                inside = self._inside(b, embeddings)
                if regions is not None:
                    inside[:, -regions[b].shape[1] :] = regions[b][self.some[b]].to(inside.dtype)
                means = _Means(inside, self.counts[b])
                features.append(means.of(self.features[b]))
                shared.append(means.of(inside))
                masks.append(inside)
                if self.centers is not None:
                    places.append(means.of(self.centers[b]))
        columns = (features, places, shared)
        stacked = (torch.stack(some).to(embeddings.dtype) if some else None for some in columns)
        return MaskReadings(*stacked, masks)

    @torch.no_grad()
    def moments(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Compute mean and variance of the row features under the masks, each ``(B, Q, C)``."""
        averages, variances = [], []
        with without_autocast(queries):
            embeddings = self.embed(queries)
            for b, features in enumerate(self.features):
                means = _Means(self._inside(b, embeddings), self.counts[b])
                averages.append(means.of(features))
                squares = features.to(averages[-1].dtype).square()
                variances.append((means.of(squares) - averages[-1].square()).clamp(min=0))
        dtype = embeddings.dtype
        return torch.stack(averages).to(dtype), torch.stack(variances).to(dtype)

    @torch.no_grad()
    def _inside(self, b: int, embeddings: Tensor) -> Tensor:
        """Return which rows of a scene are inside the mask of each query, ``(R', Q)`` of 0 and 1.

        The dtype is float32 or wider: a model in half precision could not count the points.
        """
        dtype = torch.promote_types(embeddings.dtype, torch.float32)
        return (self.mask_features[b] @ embeddings[b].T > 0).to(dtype)


class _Means:
    """Means over the points inside masks; 0 for an empty mask.

    Args:
        inside: ``(R, Q)`` of 0 and 1.
        counts: ``(R,)`` points that each row represents.
    """

    def __init__(self, inside: Tensor, counts: Tensor) -> None:
        self.points = (inside * counts.to(inside.dtype)[:, None]).T
        self.sizes = self.points.sum(1, keepdim=True).clamp(min=1)

    def of(self, values: Tensor) -> Tensor:
        """Average values ``(R, C)``, as ``(Q, C)``."""
        return self.points @ values.to(self.points.dtype) / self.sizes


def _every_nth(number: int, most: int | None) -> slice:
    """Choose some of a number of rows evenly, all if they are not more than ``most``."""
    step = 1 if most is None else max(-(-number // most), 1)
    return slice(None, None, min(step, LARGEST_STEP))
