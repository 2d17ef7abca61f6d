# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Progress of a training, for models that do not train all their parts from the start."""

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.logging import MessageHub


def current_iteration() -> int:
    """Return the number of completed training iterations, 0 outside of a training.

    mmengine's ``RuntimeInfoHook`` updates it before each iteration, also after a resume.
    """
    return int(MessageHub.get_current_instance().get_info('iter', 0))


def iteration_generator() -> torch.Generator | None:
    """Make a generator that depends only on the seed, the process and the iteration.

    A resumed training draws the same numbers again; its seed is that of the first run. Without a
    runner that counts iterations, the result is None, which means torch's own generator.
    """
    hub = MessageHub.get_current_instance()
    if hub.get_info('iter') is None:
        return None
    words = [int(hub.get_info('seed', 0) or 0), current_iteration(), get_rank()]
    (seed,) = np.random.SeedSequence(words).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(seed))
