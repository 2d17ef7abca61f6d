# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Data samples whose tensors a data loader can pin."""

from typing import Any

from mmdet3d.structures import Det3DDataSample
from mmengine.structures import BaseDataElement
from torch import Tensor


class PinnableDataSample(Det3DDataSample):
    """A data sample whose tensors are pinned by ``DataLoader(pin_memory=True)``.

    torch pins tensors in lists, tuples and dicts only, and therefore none in mmdetection3d's own
    samples: each table would be copied to the GPU synchronously.
    """

    @classmethod
    def of(cls, sample: Det3DDataSample) -> 'PinnableDataSample':
        """Make a sample of this class with the same fields; tensors are shared."""
        made = cls(metainfo=dict(sample.metainfo_items()))
        made.set_data(dict(sample.items()))
        return made

    def pin_memory(self) -> 'PinnableDataSample':
        """Copy the sample to pinned memory; torch's data loader calls this."""
        return _pinned(self)


def _pinned(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.pin_memory()
    if isinstance(value, BaseDataElement):
        copy = value.new()
        copy.set_data({key: _pinned(part) for key, part in value.items()})
        return copy
    return value
