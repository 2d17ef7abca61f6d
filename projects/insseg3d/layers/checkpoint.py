# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Strict loading of the weights of a sparse network."""

from collections.abc import Mapping

from torch import Tensor, nn

# The layout of the weight of a 1x1x1 convolution depends on the program that wrote it, and cannot
# be inferred from its shape.
ORIGINS = ('spconv1', 'spconv2', 'spconv2_permuted', 'linear1x1')


def shortcut_weight(weight: Tensor, origin: str) -> Tensor:
    """Convert the weight of a 1x1x1 sparse convolution to an ``(out, in)`` matrix.

    Args:
        weight: 5-d weight from the file; a 2-d weight is returned unchanged.
        origin: Program that wrote the weight.
            'spconv1': (1, 1, 1, in, out), the layout of spconv 1 (PointGroup, HAIS, SSTNet).
            'spconv2': declared as (out, 1, 1, 1, in) by spconv 2, which computes with the same
            memory read as (in, out).
            'spconv2_permuted': as 'spconv2', permuted to (1, 1, 1, in, out) before release.
            'linear1x1': declared and used as (out, 1, 1, 1, in) (SoftGroup, ISBNet).
    """
    if origin not in ORIGINS:
        raise ValueError(f'origin is {origin!r}, expected one of {ORIGINS}')
    if weight.ndim == 2:
        return weight
    if weight.ndim != 5 or 1 not in (weight.shape[0], weight.shape[3]):
        raise ValueError(
            f'weight of a 1x1x1 convolution has shape {tuple(weight.shape)}, '
            'expected (out, 1, 1, 1, in) or (1, 1, 1, in, out)'
        )
    if origin == 'spconv1':
        return weight.reshape(weight.shape[3:]).t().contiguous()
    if origin == 'spconv2_permuted':
        weight = weight.permute(4, 0, 1, 2, 3)
    out_channels, in_channels = weight.shape[0], weight.shape[4]
    if origin == 'linear1x1':
        return weight.reshape(out_channels, in_channels)
    return weight.contiguous().reshape(in_channels, out_channels).t().contiguous()


def load_backbone(
    module: nn.Module,
    state_dict: Mapping[str, Tensor],
    *,
    prefix: str = '',
    origin: str | None = None,
    strict: bool = True,
) -> dict[str, int]:
    """Load weights, and report the number of loaded keys.

    mmengine's loader only logs mismatches; a network could start untrained without notice.

    Args:
        module: The network.
        state_dict: Weights, with convolutions as (out, k, k, k, in) or (k, k, k, in, out).
        prefix: Only keys with this prefix are loaded.
        origin: Program that wrote the 1x1x1 weights, see :func:`shortcut_weight`; required only if
            the linear shortcuts have 5-d weights.
        strict: Raise if a parameter or buffer of the module was not loaded.

    Returns:
        Numbers of 'loaded', 'missing' and 'unexpected' keys.

    Raises:
        ValueError: There are 5-d weights for linear shortcuts, but no origin.
        RuntimeError: Keys are missing (if strict) or shapes do not match.
    """
    state = {
        key[len(prefix) :]: value for key, value in state_dict.items() if key.startswith(prefix)
    }
    for name, child in module.named_modules():
        key = f'{name}.weight' if name else 'weight'
        if isinstance(child, nn.Linear) and key in state and state[key].ndim == 5:
            if origin is None:
                raise ValueError(
                    f'{prefix}{key} is a 1x1x1 convolution of shape '
                    f'{tuple(state[key].shape)}: give origin, one of {ORIGINS}'
                )
            state[key] = shortcut_weight(state[key], origin)
    missing, unexpected = module.load_state_dict(state, strict=False)
    missing = [key for key in missing if not key.endswith('num_batches_tracked')]
    if strict and missing:
        raise RuntimeError(
            f'{len(missing)} keys were not in the state dict (prefix {prefix!r}), '
            f'these parts would stay untrained: {missing[:5]} …; the state dict has '
            f'{list(state_dict)[:3]} …'
        )
    return dict(
        loaded=len(state) - len(unexpected), missing=len(missing), unexpected=len(unexpected)
    )
