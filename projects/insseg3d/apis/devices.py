# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Check before anything is loaded whether a device can be used here."""

import torch

_REMEDY = 'use the device cpu (tools: --device cpu)'


def check_device(device: str | torch.device) -> torch.device:
    """Refuse a device that torch cannot use here.

    Args:
        device: such as ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        ValueError: no such device, a torch without it, or fewer of them.
    """
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(
            f'device {device!r}: no name of a device; expected cpu, cuda, or cuda:1 for the second '
            'GPU'
        ) from None
    if chosen.type == 'cuda':
        _check_cuda(chosen, device)
        return chosen
    try:
        torch.zeros(1, device=chosen).cpu()
    except Exception as error:  # of whatever class a backend chooses
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f'device {str(device)!r}: {reason[:160]}; {_REMEDY}') from None
    return chosen


def _check_cuda(chosen: torch.device, device: str | torch.device) -> None:
    if torch.version.cuda is None and torch.version.hip is None:
        raise ValueError(
            f'device {str(device)!r}: this torch has no CUDA, it was built for CPUs; {_REMEDY}, or '
            'install a torch with CUDA'
        )
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise ValueError(
            f'device {str(device)!r}: torch finds no GPU here; {_REMEDY}, or look at what '
            'tools/doctor.py prints'
        )
    if chosen.index is not None and chosen.index >= count:
        raise ValueError(
            f'device {str(device)!r}: {count} GPUs here; expected cuda:0'
            + (f' to cuda:{count - 1}' if count > 1 else '')
        )
