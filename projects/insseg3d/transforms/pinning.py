# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Data samples that a data loader pins as a whole."""

from typing import Any

from mmdet3d.structures import Det3DDataSample
from mmengine.structures import BaseDataElement
from torch import Tensor


class PinnableDataSample(Det3DDataSample):
    """A data sample all of whose tensors ``DataLoader(pin_memory=True)`` pins.

    Of mmdetection3d's own samples it pins none, as it looks into lists, tuples and dicts only: each
    table would go to a GPU in a copy that waits.
    """

    @classmethod
    def of(cls, sample: Det3DDataSample) -> 'PinnableDataSample':
        """The same fields in a sample of this class; tensors are shared."""
        made = cls(metainfo=dict(sample.metainfo_items()))
        made.set_data(dict(sample.items()))
        return made

    def pin_memory(self) -> 'PinnableDataSample':
        """A copy in pinned memory, as torch's data loader asks for it."""
        return _pinned(self)


def _pinned(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.pin_memory()
    if isinstance(value, BaseDataElement):
        copy = value.new()
        copy.set_data({key: _pinned(part) for key, part in value.items()})
        return copy
    return value
