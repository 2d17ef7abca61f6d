# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Writer of prepared scenes; neither a killed process nor a full disk leaves half a file."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

_VERSION = 1  # of the files of a scene; scenes of another version are converted again


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file that appears under its name only when it is complete.

    Args:
        path: Path of the file; its folder is created.
        content: Content of the file.

    Raises:
        OSError: If the file cannot be written; nothing is left behind.
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
    """Record of the files of a scene and of their sources, ``<out>/.prepared/<scene>.json``.

    The record is written last, so a scene with a record is complete. It contains the scene's
    entry of the info file, and the sizes and times of the raw files; if these change, the scene is
    converted again.

    Args:
        out: Folder of the prepared data.
        scene: Id of the scene.
    """

    def __init__(self, out: Path, scene: str) -> None:
        self.out = out
        self.path = out / '.prepared' / f'{scene}.json'

    def read(self, sources: Iterable[Path] | None = None, settings: Any = None) -> dict | None:
        """Return the record, or None if the scene has to be converted (again).

        Args:
            sources: The current raw files; None compares neither them nor the settings.
            settings: Other values on which the result depends, as JSON.
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
            outputs: Content of each file, by its path under ``out``; of an array, its values row
                by row.
            sources: The raw files.
            settings: Other values on which the result depends, as JSON.
            content: Further entries of the record, as JSON.

        Raises:
            OSError: If a file cannot be written.
        """
        self.path.unlink(missing_ok=True)
        sizes = {}
        for name, data in outputs.items():
            # A view avoids a second copy of millions of points.
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
    """Return size and modification time of each file."""
    return {file.name: [file.stat().st_size, file.stat().st_mtime_ns] for file in files}
