# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Count the operations that a device is asked for, and the waits for it.

On a GPU, each operation takes Python some microseconds to request, whatever its size, and each
result that the host waits for takes some more.
"""

from collections import Counter

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_VIEWS = {
    *('_reshape_alias', '_unsafe_view', 'alias', 'as_strided', 'detach', 'expand', 'narrow'),
    *('permute', 'select', 'slice', 'split', 'split_with_sizes', 'squeeze', 't', 'transpose'),
    *('unbind', 'unsqueeze', 'view', 'empty', 'empty_like', 'new_empty'),
}
_WAITS = {
    *('_local_scalar_dense', '_unique2', 'bincount', 'masked_select', 'nonzero'),
    *('repeat_interleave', 'unique_consecutive', 'unique_dim'),
}


class Launches(TorchDispatchMode):
    """Counter of what runs inside it, in PyTorch's operators.

    An operator may be several kernels of the device. Lists of numbers that are copied to the host
    at once (``Tensor.tolist``) are not seen.

    Attributes:
        operations: Number of each operator, without views of existing memory.
        waits: Number of each operator that the host waits for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations, self.waits = Counter(), Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._schema.name.split('::')[1]
        if name not in _VIEWS:
            self.operations[name] += 1
        if name in _WAITS or name.startswith('index') and _by_mask(args):
            self.waits[name] += 1
        return function(*args, **(kwargs or {}))

    def totals(self) -> dict[str, int]:
        """Return the sums: ``operations`` and ``waits``."""
        return dict(operations=self.operations.total(), waits=self.waits.total())


def _by_mask(args: tuple) -> bool:
    """Tell whether an indexing operator selects by a mask, whose size only the device knows."""
    indices = args[1] if len(args) > 1 and isinstance(args[1], (list, tuple)) else ()
    return any(isinstance(index, torch.Tensor) and index.dtype == torch.bool for index in indices)
