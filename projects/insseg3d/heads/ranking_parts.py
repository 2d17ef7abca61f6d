# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Parts of a ranking: sources of candidates, and suppression of overlaps.

A source is called as ``candidates(masks, …)`` with the arguments of the ranking and returns
:class:`Candidates`. A suppression is called as ``suppression(iou, labels, scores)``; see
:class:`MaskNMS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from mmdet3d.registry import TASK_UTILS
from torch import Tensor

from ..ops.grouping.proposals import mask_nms, matrix_nms


class Candidates(NamedTuple):
    """R pairs of a mask and a class, with their scores. A mask may occur with several classes.

    Attributes:
        mask: ``(R,)`` number of the mask.
        labels: ``(R,)`` class.
        scores: ``(R,)``.
    """

    mask: Tensor
    labels: Tensor
    scores: Tensor

    def take(self, which: Tensor) -> Candidates:
        """Choose some by number or by a bool mask."""
        return Candidates(*(column[which] for column in self))


@TASK_UTILS.register_module()
class JudgedCandidates:
    """Take each mask once, with the class and the score that the head assigned to it."""

    def __call__(self, masks, labels: Tensor, scores: Tensor) -> Candidates:
        """Take labels and scores ``(N,)`` of N masks."""
        return Candidates(torch.arange(len(labels), device=labels.device), labels, scores)


@TASK_UTILS.register_module()
class ArgmaxCandidates:
    """Take each mask once, with its most probable class other than "no object".

    The score is the class probability times the score of the mask.
    """

    def __call__(self, masks, class_logits: Tensor) -> Candidates:
        """Take class logits ``(Q, K + 1)`` of Q masks that have ``scores (Q,)``."""
        probs, labels = class_logits.softmax(-1)[:, :-1].max(-1)
        return Candidates(
            torch.arange(len(probs), device=probs.device), labels, probs * masks.scores
        )


class ObjectCandidates:
    """Take each mask once, as an object of class 0, whatever its class.

    For masks with class logits, the score is the probability of any class but "no object", times
    the score of the mask. Of others, the score is that of the source.

    Args:
        source: Source of the candidates with classes.
    """

    def __init__(self, source: Callable[..., Candidates]) -> None:
        self.source = source

    def __call__(self, masks, *judgement: Tensor) -> Candidates:
        """Take what the source takes."""
        if len(judgement) == 1:
            (class_logits,) = judgement
            scores = (1 - class_logits.softmax(-1)[:, -1]) * masks.scores
            number = torch.arange(len(scores), device=scores.device)
            return Candidates(number, torch.zeros_like(number), scores)
        found = self.source(masks, *judgement)
        return found._replace(labels=torch.zeros_like(found.labels))


@TASK_UTILS.register_module()
class FlatTopKCandidates:
    """Take the most probable pairs of a mask and a class; a mask may occur several times.

    The score is the class probability times the score of the mask.

    Source: Mask2Former's instance inference.

    Args:
        num_results: Number of pairs; None for as many as there are masks.

    Raises:
        ValueError: ``num_results`` is below 1.
    """

    def __init__(self, *, num_results: int | None = None) -> None:
        if num_results is not None and num_results < 1:
            raise ValueError(
                f'{type(self).__name__}: num_results is {num_results}, expected 1 or more.'
            )
        self.num_results = num_results

    def __call__(self, masks, class_logits: Tensor) -> Candidates:
        """Take class logits ``(Q, K + 1)`` of Q masks that have ``scores (Q,)``."""
        probs = class_logits.softmax(-1)[:, :-1]
        # A stable order treats equal pairs alike on every device.
        best, pairs = torch.sort(probs.flatten(), descending=True, stable=True)
        number = len(probs) if self.num_results is None else self.num_results
        best, pairs = best[:number], pairs[:number]
        mask = pairs // probs.shape[1]
        return Candidates(mask, pairs % probs.shape[1], best * masks.scores[mask])


@TASK_UTILS.register_module()
class MaskNMS:
    """Drop the worse of two candidates that overlap too much, whatever their classes.

    Args:
        threshold: IoU in points up to which both are kept.
        most: Maximum number of candidates that are compared, the best ones; the others are dropped.
            The table of their overlaps has ``most`` rows and columns.
    """

    def __init__(self, *, threshold: float, most: int = 2000) -> None:
        self.threshold, self.most = threshold, most

    def __call__(
        self, iou: Callable[[Tensor], Tensor], labels: Tensor, scores: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compare R candidates.

        Args:
            iou: Returns the IoU ``(M, M)`` of M candidates, given their numbers.
            labels: ``(R,)``.
            scores: ``(R,)``.

        Returns:
            Numbers of the remaining candidates, and their scores, perhaps lowered.
        """
        best = torch.sort(scores, descending=True, stable=True).indices[: self.most]
        kept = best[mask_nms(iou(best), scores[best], threshold=self.threshold)]
        return kept, scores[kept]


@TASK_UTILS.register_module()
class MatrixNMS:
    """Lower the score of candidates that better ones of their class overlap; drop none.

    If several masks cover one object, the best keeps its score and the others rank far behind.

    Source: SOLOv2, matrix NMS.

    Args:
        sigma: Width of the Gaussian by which scores decrease with the overlap (IoU in points). With
            None, they decrease linearly.

    Raises:
        ValueError: ``sigma`` is not positive.
    """

    def __init__(self, *, sigma: float | None = None) -> None:
        if sigma is not None and not sigma > 0:
            raise ValueError(
                f'{type(self).__name__}: sigma is {sigma}, expected a number above 0, or None.'
            )
        self.sigma = sigma

    def __call__(
        self, iou: Callable[[Tensor], Tensor], labels: Tensor, scores: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compare R candidates; see :class:`MaskNMS` for arguments and result."""
        every = torch.arange(len(scores), device=scores.device)
        return every, matrix_nms(iou(every), scores, labels, sigma=self.sigma)
