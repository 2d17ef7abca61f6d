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
    """Leave the layers that tell classes apart out of the checkpoint that a training begins from.

    They start from their initialisation, everything else from ``load_from``, whether the number of
    classes differs or their names alone. A warning tells how many other weights do not fit. A
    resumed training and a test load all weights.

    A head names these layers in ``class_layers``, as paths to modules inside it.
    """

    priority = 'ABOVE_NORMAL'  # before EMAHook copies the checkpoint's weights

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Remove these layers' weights from what was read.

        Raises:
            ValueError: no part of the model names such layers.
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
                # Those of several processes and of an average bear "module." in front.
                if name.removeprefix('module.').startswith(layers):
                    del weights[name]
        print_log(
            'New classes: not loaded from the checkpoint but trained from the start: '
            f'{", ".join(layer[:-1] for layer in layers)}',
            logger='current',
        )
        # What is no tensor, such as a module's extra state, has no shape to compare.
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
                f'Of {len(own)} other weights {len(strange)} are not in the checkpoint, or of '
                f'another shape, and are trained from the start too ({strange[0]}, …). If these '
                'are more than a few, the checkpoint is of another model: load_from one of the '
                "config's sizes",
                logger='current',
                level=logging.WARNING,
            )
