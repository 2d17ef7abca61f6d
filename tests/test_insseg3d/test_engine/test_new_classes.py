# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Checkpoints of other classes, with entries that are not weights."""

from types import SimpleNamespace

import torch
from mmengine.runner import IterBasedTrainLoop
from torch import nn

from insseg3d.engine import NewClassesHook


class Head(nn.Module):
    """A classifier with an extra state, which torch stores with the weights."""

    class_layers = ('classifier',)

    def __init__(self, num_classes):
        super().__init__()
        self.mix, self.classifier = nn.Linear(3, 3), nn.Linear(3, num_classes)

    def get_extra_state(self):
        return dict(version=2)

    def set_extra_state(self, state):
        pass


def test_entries_that_are_no_tensors_are_left_alone():
    checkpoint = dict(state_dict=dict(Head(5).state_dict()))
    loop = IterBasedTrainLoop.__new__(IterBasedTrainLoop)
    runner = SimpleNamespace(model=Head(2), _resume=False, _train_loop=loop)
    NewClassesHook().after_load_checkpoint(runner, checkpoint)
    left = checkpoint['state_dict']
    assert {*left} == {'mix.weight', 'mix.bias', '_extra_state'}
    assert isinstance(left['mix.weight'], torch.Tensor)
