# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Checkpoints from files and addresses, read as weights only wherever mmengine loads one.

mmengine leaves this choice to torch. For files, an environment variable changes torch's default;
for addresses, the default runs code from the file. Here, ``weights_only`` is always explicit.
"""

import io
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier, get_rank
from mmengine.fileio import get
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from .safetensors_files import load_from_safetensors, without_code

# In earlier versions, files can be crafted to circumvent weights_only.
_SAFE_TORCH = (2, 6)


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: Any = None) -> Any:
    """Read a file without running code from it.

    Args:
        filename: Path of the file; ``~`` is the home folder.
        map_location: Device of the tensors.

    Raises:
        FileNotFoundError: There is no such file.
        pickle.UnpicklingError: The file holds more than weights and plain data.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'{filename} can not be found.')
    return _load(path, map_location)


@CheckpointLoader.register_scheme(prefixes=('http://', 'https://'), force=True)
def load_from_http(
    filename: str, map_location: Any = None, model_dir: str | None = None, progress: bool = True
) -> Any:
    """Download a file, unless it is already there, and read it without running code from it.

    Args:
        filename: Address of the file.
        map_location: Device of the tensors.
        model_dir: Folder of downloaded files; None selects ``checkpoints`` in torch's folder.
        progress: Whether to show the progress of the download.

    Raises:
        ValueError: The address names no file, or torch is too old to read it safely.
        pickle.UnpicklingError: The file holds more than weights and plain data.
    """
    name = PurePosixPath(urlparse(filename).path).name
    if not name or name.startswith('.'):
        raise ValueError(f'{filename}: no file name at its end; expected that of a checkpoint')
    is_safetensors = name.endswith('.safetensors')
    if not is_safetensors:
        _refuse_old_torch(filename)
    folder = Path(model_dir or Path(torch.hub.get_dir()) / 'checkpoints')
    path = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    if get_rank() == 0 and not path.exists():
        torch.hub.download_url_to_file(filename, str(path), progress=progress)
    barrier()
    if not path.exists():  # a process on another machine
        torch.hub.download_url_to_file(filename, str(path), progress=progress)
    if is_safetensors:
        return load_from_safetensors(str(path), map_location)
    return _load(path, map_location)


@CheckpointLoader.register_scheme(prefixes=[r'(\S+\:)?s3://', r'(\S+\:)?petrel://'], force=True)
def load_from_ceph(filename: str, map_location: Any = None, backend: str = 'petrel') -> Any:
    """Read a file from a storage service; see :func:`load_from_http`."""
    _refuse_old_torch(filename)
    return _load(io.BytesIO(get(filename, backend_args={'backend': backend})), map_location)


@CheckpointLoader.register_scheme(prefixes='pavi://', force=True)
def load_from_pavi(filename: str, map_location: Any = None) -> Any:
    """Reject the address: mmengine's reader for it may run code from the file."""
    raise ValueError(f'{filename}: unsafe kind of address; download the file, and pass its path')


# mmengine calls this function for names of models, torchvision:// and open-mmlab://.
mmengine_checkpoint.load_from_http = load_from_http


def _load(file: Path | BinaryIO, map_location: Any) -> Any:
    content = torch.load(file, map_location=map_location, weights_only=True)
    return without_code(content) if isinstance(content, dict) else content


def _refuse_old_torch(address: str) -> None:
    version = tuple(int(part) for part in torch.__version__.split('.')[:2])
    if version < _SAFE_TORCH:
        raise ValueError(
            f'{address}: torch {torch.__version__} cannot read it without the risk of running '
            'code; expected torch 2.6 or later, or a .safetensors file'
        )
