# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Presets of ``Ranking``: the ranking of the paper, and two alternatives."""

from mmdet3d.registry import TASK_UTILS

from insseg3d.heads import Ranking


@TASK_UTILS.register_module()
class ArgmaxRanking(Ranking):
    """Rank each query once, with its most probable class other than "no object"; suppress none.

    The score is the class probability times the mean mask probability inside the mask.

    Source: 3D-QueryIS, Sec. 3.5, Eq. 8.

    Args:
        min_points: Masks with fewer points are dropped. The benchmark ignores masks under 100
            points anyway.
        score_thr: Masks with a lower score are dropped.
    """

    def __init__(self, *, min_points: int = 100, score_thr: float = 0.0) -> None:
        super().__init__(
            candidates=dict(type='ArgmaxCandidates'), min_points=min_points, score_thr=score_thr
        )


@TASK_UTILS.register_module()
class FlatTopKRanking(Ranking):
    """Rank the most probable pairs of a query and a class; a query may occur several times.

    Deviation: in 3D-QueryIS, Sec. 3.5, a query has the label of its most probable class.
    Source: Mask2Former's instance inference.

    Args:
        num_results: Number of pairs, before small and weak masks are dropped; None for as many as
            there are queries.
        min_points: See :class:`ArgmaxRanking`.
        score_thr: See :class:`ArgmaxRanking`.
    """

    def __init__(
        self, *, num_results: int | None = None, min_points: int = 100, score_thr: float = 0.0
    ) -> None:
        super().__init__(
            candidates=dict(type='FlatTopKCandidates', num_results=num_results),
            min_points=min_points,
            score_thr=score_thr,
        )


@TASK_UTILS.register_module()
class MatrixNMSRanking(Ranking):
    """Rank like :class:`ArgmaxRanking`, but lower the score of duplicates.

    The more a mask overlaps with better masks of its class, the lower its score.

    Deviation: 3D-QueryIS, Sec. 3.5, has no suppression.
    Source: SOLOv2, matrix NMS.

    Args:
        sigma: See ``MatrixNMS``.
        min_points: See :class:`ArgmaxRanking`. Smaller masks lower no scores.
        score_thr: Masks with a lower score after the suppression are dropped.
    """

    def __init__(
        self, *, sigma: float | None = None, min_points: int = 100, score_thr: float = 0.0
    ) -> None:
        super().__init__(
            candidates=dict(type='ArgmaxCandidates'),
            suppression=dict(type='MatrixNMS', sigma=sigma),
            min_points=min_points,
            score_thr=score_thr,
        )
