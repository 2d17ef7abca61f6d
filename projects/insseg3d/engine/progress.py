# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""How far a training is, for models that do not train all their parts from the start."""
from mmengine.logging import MessageHub


def current_iteration() -> int:
    """Iterations that the training of this process has behind it, 0 outside of one.

    mmengine's ``RuntimeInfoHook`` says so before each iteration, also after a resume.
    """
    return int(MessageHub.get_current_instance().get_info('iter', 0))
