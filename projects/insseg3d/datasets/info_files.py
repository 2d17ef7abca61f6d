# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Safe reading of info files: an ordinary unpickler can call any function of any module."""

import io
import pickle
from typing import Any

_PLAIN = {
    'builtins': ('bytearray', 'complex', 'frozenset', 'range', 'set', 'slice'),
    '__builtin__': ('bytearray', 'complex', 'frozenset', 'range', 'set', 'slice'),
    'collections': ('OrderedDict',),
    'numpy': ('dtype', 'ndarray'),
    # numpy 1 and 2 write different names for the same functions.
    'numpy.core.multiarray': ('_reconstruct', 'scalar'),
    'numpy._core.multiarray': ('_reconstruct', 'scalar'),
    'numpy.core.numeric': ('_frombuffer',),
    'numpy._core.numeric': ('_frombuffer',),
}
_PICKLES = ('.pkl', '.pickle')


def read_info(content: bytes, where: str) -> dict[str, Any]:
    """Read a pickled info file without running code from it.

    Args:
        content: Content of the file.
        where: Name of the file, for messages.

    Returns:
        ``metainfo``, a dict, and ``data_list``, a list with one dict per scene.

    Raises:
        ValueError: The file holds more than numbers, text, arrays and their containers, is cut
            off or damaged, or has another layout.
    """
    try:
        info = _Unpickler(io.BytesIO(content)).load()
    except _MoreThanData as error:
        raise ValueError(
            f'{where}: holds {error}, which may run code; expected numbers, text and arrays. '
            'No part of it was run. Prepare the data again'
        ) from None
    except Exception as error:  # a damaged pickle raises errors of many classes
        reason = ' '.join(str(error).split())[:160] or type(error).__name__
        raise ValueError(
            f'{where}: cannot be read ({reason}); expected an info file as tools/prepare_*.py '
            'write them. Prepare the data again'
        ) from None
    check_layout(info, where)
    return info


def check_info(content: bytes, where: str) -> None:
    """Reject an info file that is not safe to load with mmengine, which calls pickled functions.

    Args:
        content: Content of the file.
        where: Name of the file; its ending distinguishes pickles from JSON.

    Raises:
        ValueError: The file is neither a pickle nor JSON, or see :func:`read_info`.
    """
    ending = where[where.rfind('.') :]
    if ending in _PICKLES:
        read_info(content, where)
    elif ending != '.json':  # mmengine reads YAML with the loader that builds any object
        raise ValueError(
            f'{where}: no info file by its ending; expected {", ".join(_PICKLES)} or .json'
        )


def check_layout(info: Any, where: str) -> None:
    """Reject content that does not have mmdetection3d's second layout of info files.

    Raises:
        ValueError: A part is missing. The message names it.
    """
    if isinstance(info, list):
        raise ValueError(
            f'{where}: a list, as mmdetection3d before 1.1 wrote them; expected a dict with '
            'metainfo and data_list. Prepare the data again'
        )
    fits = (
        isinstance(info, dict)
        and isinstance(info.get('metainfo'), dict)
        and isinstance(info.get('data_list'), list)
    )
    if not fits:
        raise ValueError(
            f'{where}: no info file; expected a dict with metainfo and data_list, a list. Prepare '
            'the data again'
        )
    for number, scene in enumerate(info['data_list']):
        points = scene.get('lidar_points') if isinstance(scene, dict) else None
        path = points.get('lidar_path') if isinstance(points, dict) else None
        if not isinstance(path, str) or not path:
            raise ValueError(
                f'{where}: scene {number} has no lidar_points.lidar_path; expected the name of a '
                'file. Prepare the data again'
            )


class _MoreThanData(pickle.UnpicklingError):
    """A pickle names something other than plain data."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ('_codecs', 'encode'):  # bytes in protocols 0 to 2
            return _latin1
        if name in _PLAIN.get(module, ()):
            return super().find_class(module, name)
        raise _MoreThanData(f'{module}.{name}'[:100])


def _latin1(text: str, encoding: str) -> bytes:
    if encoding not in ('latin1', 'latin-1'):
        raise _MoreThanData(f'bytes in {encoding[:20]}')
    return text.encode('latin-1')
