# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A storage backend for mmengine that maps files into memory."""

import mmap
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend


@register_backend('mmap')
class MmapBackend(LocalBackend):
    """Storage backend that maps local files into memory instead of reading them.

    To use it, set ``backend_args=dict(backend='mmap')`` in a loading transform of mmdetection3d.
    Arrays from ``np.frombuffer`` then lie in the operating system's file cache, which all workers
    share, and are not copied until a transform does so. As with bytes, the arrays are read-only.

    A file must not be truncated while a transform uses it. Replacing a file is safe; the
    converters do so.
    """

    def get(self, filepath: str | Path) -> mmap.mmap | bytes:
        """Return a file's content as a read-only buffer; ``b''`` for an empty file.

        Raises:
            OSError: The file cannot be opened.
        """
        with open(filepath, 'rb') as file:
            if file.seek(0, 2) == 0:  # empty files cannot be mapped
                return b''
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
