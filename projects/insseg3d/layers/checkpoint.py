# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Loading the weights of a sparse network without losing any in silence."""

from collections.abc import Mapping

from torch import Tensor, nn

# What the weight of a 1x1x1 convolution means depends on the program that wrote it, and cannot be
# told from its shape.
ORIGINS = ('spconv1', 'spconv2', 'spconv2_permuted', 'linear1x1')


def shortcut_weight(weight: Tensor, origin: str) -> Tensor:
    """The ``(out, in)`` matrix of a 1x1x1 sparse convolution.

    Args:
        weight: 5-d weight of the file, or a 2-d one, returned as it is.
        origin: who wrote it.
            'spconv1': (1, 1, 1, in, out), as spconv 1 (PointGroup, HAIS, SSTNet).
            'spconv2': (out, 1, 1, 1, in) as spconv 2 declares it; it computes with the same
            memory read as (in, out).
            'spconv2_permuted': the former, moved to (1, 1, 1, in, out) before release.
            'linear1x1': (out, 1, 1, 1, in) and meant so (SoftGroup, ISBNet).
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
    """Load weights and say what was loaded.

    mmengine's loader only logs what does not fit, so that a network may start untrained unseen.

    Args:
        module: the network.
        state_dict: its weights, convolutions as (out, k, k, k, in) or (k, k, k, in, out).
        prefix: keys begin with this; others are left alone.
        origin: program that wrote the 1x1x1 weights, see :func:`shortcut_weight`; needed only if
            there are 5-d weights for the linear shortcuts.
        strict: raise if a parameter or buffer of the module was not loaded.

    Returns:
        Numbers of 'loaded', 'missing' and 'unexpected' keys.

    Raises:
        RuntimeError: keys are missing (if strict) or shapes do not fit.
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
