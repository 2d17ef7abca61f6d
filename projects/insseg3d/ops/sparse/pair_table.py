# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The pair table of a sparse convolution: the rows that each kernel offset reads and adds to."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor


@dataclass
class PairTable:
    """Input and output rows of every kernel offset.

    Attributes:
        rows: 1-D int32 buffer with the row lists of all offsets, each list ascending.
        in_start: ``(K,)`` int64 numpy, start of the input rows of each offset in ``rows``.
        out_start: ``(K,)`` int64 numpy, start of the output rows of each offset in ``rows``.
        count: ``(K,)`` int64 numpy, pairs of each offset. A row occurs at most once in a list.
        num_in: Number of input rows.
        num_out: Number of output rows.
        identity: Index of the offset that maps every row to itself, or -1.
        cache: Values that an implementation derives from the table.
    """

    rows: Tensor
    in_start: np.ndarray
    out_start: np.ndarray
    count: np.ndarray
    num_in: int
    num_out: int
    identity: int = -1
    cache: dict = field(default_factory=dict, repr=False)

    def in_rows(self, offset: int) -> Tensor:
        """Return the input rows of an offset: 1-D int32, ascending."""
        start = int(self.in_start[offset])
        return self.rows[start : start + int(self.count[offset])]

    def out_rows(self, offset: int) -> Tensor:
        """Return the output rows of an offset: 1-D int32, ascending."""
        start = int(self.out_start[offset])
        return self.rows[start : start + int(self.count[offset])]

    @property
    def num_pairs(self) -> int:
        """Number of pairs of all offsets."""
        return int(self.count.sum())

    def transposed(self) -> 'PairTable':
        """Return the same pairs with input and output exchanged."""
        if 'transposed' not in self.cache:
            self.cache['transposed'] = PairTable(
                rows=self.rows,
                in_start=self.out_start,
                out_start=self.in_start,
                count=self.count,
                num_in=self.num_out,
                num_out=self.num_in,
                identity=self.identity,
            )
        return self.cache['transposed']


class Coarsened(NamedTuple):
    """A grid at half the resolution.

    Attributes:
        coors: ``(V', 4)`` int32, ascending.
        keys: ``(V',)`` int64, ascending.
        table: Table of the convolution with kernel 2 and stride 2, from child rows to parent rows;
            offset index (x % 2) * 4 + (y % 2) * 2 + (z % 2).
    """

    coors: Tensor
    keys: Tensor
    table: Any
