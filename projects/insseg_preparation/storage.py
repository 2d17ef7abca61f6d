# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Writing prepared scenes so that neither a kill nor a full disk leaves half a file."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

_VERSION = 1  # of what is written for a scene; another one makes scenes be converted anew


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file that appears under its name only when it is complete.

    Args:
        path: the file; its folder is made.
        content: all of it.

    Raises:
        OSError: it cannot be written; nothing is left behind then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'.{path.name}.part')
    try:
        with part.open('wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


class SceneRecord:
    """What was written for a scene and from what, in ``<out>/.prepared/<scene>.json``.

    The record is written last, so that a scene with a record is complete. It holds the scene's
    entry of the info file, and sizes and times of the raw files: if these change, the scene is
    converted again.

    Args:
        out: folder of the prepared data.
        scene: id.
    """

    def __init__(self, out: Path, scene: str) -> None:
        self.out = out
        self.path = out / '.prepared' / f'{scene}.json'

    def read(self, sources: Iterable[Path] | None = None, settings: Any = None) -> dict | None:
        """Return the record, or None if the scene has to be converted (again).

        Args:
            sources: the raw files as they are now; None: compare neither them nor the settings.
            settings: what else the outcome depends on, as JSON.
        """
        try:
            record = json.loads(self.path.read_bytes())
            is_whole = record['version'] == _VERSION and all(
                (self.out / name).stat().st_size == size for name, size in record['outputs'].items()
            )
        except (OSError, ValueError, KeyError):
            return None
        if not is_whole:
            return None
        if sources is None:
            return record
        now = _state(sources), settings
        return record if (record['sources'], record.get('settings')) == now else None

    def write(
        self,
        outputs: dict[str, bytes | np.ndarray],
        sources: Iterable[Path],
        settings: Any = None,
        **content,
    ) -> None:
        """Write a scene's files, then its record.

        Args:
            outputs: path under ``out`` → content; of an array its values, row by row.
            sources: the raw files.
            settings: what else the outcome depends on, as JSON.
            content: whatever else the record should hold, as JSON.

        Raises:
            OSError: a file cannot be written.
        """
        self.path.unlink(missing_ok=True)
        sizes = {}
        for name, data in outputs.items():
            # Through a view: nine million points need no second copy.
            view = memoryview(np.ascontiguousarray(data) if isinstance(data, np.ndarray) else data)
            write_whole(self.out / name, view)
            sizes[name] = view.nbytes
        record = {
            'version': _VERSION,
            'sources': _state(sources),
            'settings': settings,
            'outputs': sizes,
            **content,
        }
        write_whole(self.path, json.dumps(record).encode())


def _state(files: Iterable[Path]) -> dict[str, list[int]]:
    """Size and time of change of each file."""
    return {file.name: [file.stat().st_size, file.stat().st_mtime_ns] for file in files}
