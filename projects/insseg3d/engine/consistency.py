# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Checks, before a loop begins, that the settings of a run fit each other."""

from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner, TestLoop, ValLoop
from torch import nn
from torch.utils.data import DataLoader

from .sampler import DrawSampler

_ENDLESS = (DrawSampler, InfiniteSampler)
_WAIT_FOR_THE_END = (EpochBasedTrainLoop, ValLoop, TestLoop)  # other loops count iterations


@HOOKS.register_module()
class ConsistencyHook(Hook):
    """Hook that rejects settings with which a run would fail late or silently go wrong.

    Before a training, a validation or a test, it compares the classes of the model's heads with
    those of the datasets, and the sampler with the loop. On resume, it compares the optimiser
    with that in the checkpoint.

    Raises:
        ValueError: Settings do not fit each other. The message has the values and the remedy.
    """

    def before_train(self, runner: Runner) -> None:
        """Check the data of the training, and those of its validation, which would fail late."""
        check_loader('train', runner.train_dataloader, runner.model)
        check_sampler('train', runner.train_dataloader, runner.train_loop)
        if runner.val_loop is not None:
            self.before_val(runner)

    def before_val(self, runner: Runner) -> None:
        """Check the data of the validation."""
        check_loader('val', runner.val_dataloader, runner.model)
        check_sampler('val', runner.val_dataloader, runner.val_loop)

    def before_test(self, runner: Runner) -> None:
        """Check the data of the test."""
        check_loader('test', runner.test_dataloader, runner.model)
        check_sampler('test', runner.test_dataloader, runner.test_loop)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """On resume, compare the optimiser's parameter groups; torch's message has no remedy."""
        saved = checkpoint.get('optimizer', {}) if runner._resume else {}
        optimizer = getattr(runner.optim_wrapper, 'optimizer', None)
        if optimizer is None or 'param_groups' not in saved:
            return
        found, expected = len(saved['param_groups']), len(optimizer.param_groups)
        if found != expected:
            raise ValueError(
                f'--resume: the optimiser in the checkpoint has {found} groups of parameters, '
                f'that of the config {expected}. Resume with the original config of the run; '
                'to resume a run from before groups were merged, add --cfg-options '
                'optim_wrapper.constructor=DefaultOptimWrapperConstructor. Or start again from '
                'the weights alone: load_from instead of --resume'
            )


def check_loader(split: str, loader: DataLoader, model: nn.Module) -> None:
    """Compare the classes of a loader's datasets with those of a model's heads.

    Args:
        split: ``'train'``, ``'val'`` or ``'test'``, for the message.
        loader: Data loader. If its dataset is a wrapper, every dataset inside is compared;
            datasets without classes in their ``metainfo`` are skipped.
        model: Model; every module with ``class_layers`` and ``num_classes`` is compared. Heads of
            other projects are skipped, because they have no ``class_layers``; their number of
            classes may include more than classes of objects, for example in a semantic head.

    Raises:
        ValueError: The classes differ.
    """
    model = model.module if is_model_wrapper(model) else model
    heads = {
        name: module.num_classes
        for name, module in model.named_modules()
        if hasattr(module, 'class_layers')
    }
    for place, dataset in inner_datasets(f'{split}_dataloader.dataset', loader.dataset):
        classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
        if classes is None:
            continue
        for name, num_classes in heads.items():
            if num_classes != len(classes):
                raise ValueError(
                    f'{place} ({type(dataset).__name__}) has {_listed(classes)}, but '
                    f'model.{name}.num_classes={num_classes}; expected the same number. '
                    f'Set num_classes to {len(classes)} and adapt all settings per class, or '
                    'choose classes of the dataset with its metainfo=dict(classes=[…])'
                )


def inner_datasets(place: str, dataset: Any) -> Iterator[tuple[str, Any]]:
    """Yield every dataset inside wrappers such as ``RepeatDataset``, with its key."""
    if hasattr(dataset, 'datasets'):
        for number, inner in enumerate(dataset.datasets):
            yield from inner_datasets(f'{place}.datasets[{number}]', inner)
    elif hasattr(dataset, 'dataset'):
        yield from inner_datasets(f'{place}.dataset', dataset.dataset)
    else:
        yield place, dataset


def check_sampler(split: str, loader: DataLoader, loop: Any) -> None:
    """Reject an endless sampler in a loop that runs to the end of the sampler.

    Raises:
        ValueError: The two are combined. The message names both.
    """
    if isinstance(loader.sampler, _ENDLESS) and isinstance(loop, _WAIT_FOR_THE_END):
        name = type(loop).__name__
        other = ', or train by iterations: train_cfg=dict(type="DrawBasedTrainLoop", max_iters=…)'
        raise ValueError(
            f'{split}_dataloader.sampler is {type(loader.sampler).__name__}, which never ends, but '
            f'{name} waits for its end. Set {split}_dataloader.sampler=dict(type="DefaultSampler", '
            f'shuffle={split == "train"}){other if split == "train" else ""}'
        )


def _listed(classes: Sequence[str]) -> str:
    names = ', '.join(map(str, classes[:4])) + (', …' if len(classes) > 4 else '')
    return f'{len(classes)} class{"es" if len(classes) != 1 else ""} ({names})'
