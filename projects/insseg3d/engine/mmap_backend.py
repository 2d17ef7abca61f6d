# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Where mmengine reads files from: one more way, beside its own."""

import mmap
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend


@register_backend('mmap')
class MmapBackend(LocalBackend):
    """Map local files into memory rather than read them.

    ``backend_args=dict(backend='mmap')`` in a loading transform of mmdetection3d: what it takes
    by ``np.frombuffer`` then lies in the operating system's cache of the file, which all workers
    share, and is not copied before the transform does so. As with bytes the array is read-only.

    A file must not be cut short while a transform works on it; replacing it is safe, and that is
    what the converters do.
    """

    def get(self, filepath: str | Path) -> mmap.mmap | bytes:
        """Return a file's content as a read-only buffer; ``b''`` for an empty file.

        Raises:
            OSError: the file cannot be opened.
        """
        with open(filepath, 'rb') as file:
            if file.seek(0, 2) == 0:  # nothing to map
                return b''
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
