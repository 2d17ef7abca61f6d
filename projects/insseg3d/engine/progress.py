# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""How far a training is, for models that do not train all their parts from the start."""

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.logging import MessageHub


def current_iteration() -> int:
    """Iterations that the training of this process has behind it, 0 outside of one.

    mmengine's ``RuntimeInfoHook`` says so before each iteration, also after a resume.
    """
    return int(MessageHub.get_current_instance().get_info('iter', 0))


def iteration_generator() -> torch.Generator | None:
    """Numbers that depend on the seed, the process and the iteration of a training alone.

    A resumed training draws the same again; its seed is that of the first run. None, which means
    torch's own generator, where no runner counts iterations.
    """
    hub = MessageHub.get_current_instance()
    if hub.get_info('iter') is None:
        return None
    words = [int(hub.get_info('seed', 0) or 0), current_iteration(), get_rank()]
    (seed,) = np.random.SeedSequence(words).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(seed))
