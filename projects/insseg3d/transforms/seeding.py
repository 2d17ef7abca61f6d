# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Where augmentations get their randomness from."""

import zlib

import numpy as np


def draw_generator(results: dict, transform: str) -> np.random.Generator:
    """Make the random generator of one transform for one draw of one scene.

    It depends on (seed, draw, transform, how often that transform ran on the scene before) only,
    not on the worker or process that runs it, nor on what ran earlier. A resumed training
    therefore sees the samples that an uninterrupted one sees, bit by bit.

    Args:
        results: the pipeline's dict. The data set puts ``results['draw'] = (seed, draw)`` there
            when the index came from ``DrawSampler``. With any other sampler numpy's global
            generator, which mmengine seeds in every worker, supplies the entropy.
        transform: name of the transform that draws.

    Returns:
        A generator of its own.
    """
    if results.get('draw') is None:
        return np.random.default_rng(np.random.randint(2**31, size=4))  # noqa: NPY002
    seed, draw = results['draw']
    uses = results.setdefault('transform_uses', {})
    uses[transform] = uses.get(transform, 0) + 1
    name = zlib.crc32(transform.encode())
    return np.random.default_rng(np.random.SeedSequence([seed, draw, name, uses[transform]]))
