# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""One-to-one assignment of queries to objects with the least total cost."""

from collections.abc import Sequence

import torch
from mmdet3d.registry import TASK_UTILS
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from .match_costs import total_cost
from .matching import SceneMatching


@TASK_UTILS.register_module()
class HungarianAssigner:
    """Match queries with objects one to one, per scene, on the host.

    Source: 3D-QueryIS, Sec. 3.4 and Eq. 5.

    Args:
        match_costs: Configs of the costs, which are added up.

    Raises:
        ValueError: There is no cost.
    """

    def __init__(self, *, match_costs: Sequence[dict]) -> None:
        if not match_costs:
            raise ValueError(
                'HungarianAssigner: match_costs is empty; give at least one cost, '
                "for example [dict(type='QueryClassCost', weight=2.0)]."
            )
        self.match_costs = [TASK_UTILS.build(cost) for cost in match_costs]

    def assign(self, scene: SceneMatching) -> tuple[Tensor, Tensor]:
        """Find the assignment of least total cost.

        Args:
            scene: Predictions and ground truth of one scene, on the host.

        Returns:
            Two int64 tensors ``(min(Q, G),)``: queries, and the objects that they are matched
            with. If there are more objects than queries, the most expensive objects remain
            unmatched.
        """
        cost = total_cost(self.match_costs, scene)
        objects, queries = linear_sum_assignment(cost.double().numpy())
        return torch.from_numpy(queries), torch.from_numpy(objects)
