# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Random generators of augmentations."""

import zlib

import numpy as np


def draw_generator(results: dict, transform: str) -> np.random.Generator:
    """Make the random generator of one transform for one draw of one scene.

    The generator depends only on the seed, the draw, the transform, and the number of times that
    this transform ran on the scene before. It depends neither on the worker or process nor on
    earlier samples. A resumed training therefore sees bit by bit the samples of an uninterrupted
    one.

    Args:
        results: The pipeline's dict. The dataset adds ``results['draw'] = (seed, draw)`` if the
            index comes from ``DrawSampler``. With any other sampler, the entropy comes from
            numpy's global generator, which mmengine seeds in every worker.
        transform: Name of the transform.

    Returns:
        A new generator.
    """
    if results.get('draw') is None:
        return np.random.default_rng(np.random.randint(2**31, size=4))  # noqa: NPY002
    seed, draw = results['draw']
    uses = results.setdefault('transform_uses', {})
    uses[transform] = uses.get(transform, 0) + 1
    name = zlib.crc32(transform.encode())
    return np.random.default_rng(np.random.SeedSequence([seed, draw, name, uses[transform]]))
