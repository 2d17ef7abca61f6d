# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Fine-tuning on other classes than those of a checkpoint."""

import logging

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from torch import Tensor


@HOOKS.register_module()
class NewClassesHook(Hook):
    """Hook for fine-tuning on new classes: it skips the class layers of the checkpoint.

    These layers start from their initialisation, all others from ``load_from``. This applies if
    the number of classes differs, and also if only their names differ. A warning reports how many
    other weights do not match. Resumed trainings and tests load all weights.

    A head lists these layers in ``class_layers``, as paths to modules inside it.
    """

    priority = 'ABOVE_NORMAL'  # before EMAHook copies the checkpoint's weights

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Remove the weights of the class layers from the checkpoint.

        Raises:
            ValueError: No part of the model has ``class_layers``.
        """
        if runner._resume or not isinstance(runner._train_loop, BaseLoop):  # a test builds no loop
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        layers = tuple(
            f'{name}.{layer}'.lstrip('.') + '.'
            for name, module in model.named_modules()
            for layer in getattr(module, 'class_layers', ())
        )
        if not layers:
            raise ValueError(
                f'NewClassesHook: no part of {type(model).__name__} has class_layers; expected a '
                'head that names the layers whose size depends on the classes. Remove '
                'default_hooks.new_classes'
            )
        state = checkpoint.get('state_dict', checkpoint)
        for weights in (state, checkpoint.get('ema_state_dict')):
            for name in list(weights or ()):
                # Names from several processes, and of averaged weights, begin with "module.".
                if name.removeprefix('module.').startswith(layers):
                    del weights[name]
        print_log(
            'New classes: not loaded from the checkpoint but trained from the start: '
            f'{", ".join(layer[:-1] for layer in layers)}',
            logger='current',
        )
        # Values other than tensors, such as a module's extra state, have no shape to compare.
        shapes = {
            name.removeprefix('module.'): getattr(weight, 'shape', None)
            for name, weight in state.items()
        }
        own = {
            name: weight.shape
            for name, weight in model.state_dict().items()
            if not name.startswith(layers) and isinstance(weight, Tensor)
        }
        strange = [name for name, shape in own.items() if shapes.get(name) != shape]
        if strange:
            print_log(
                f'Of {len(own)} other weights, {len(strange)} are not in the checkpoint or have '
                f'another shape, and are trained from the start too ({strange[0]}, …). If these '
                'are more than a few, the checkpoint belongs to another model: set load_from to '
                "one with the config's sizes",
                logger='current',
                level=logging.WARNING,
            )
