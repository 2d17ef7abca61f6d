# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The few structures that the parts hand to each other."""

from typing import NamedTuple

from torch import Tensor


class VoxelLevel(NamedTuple):
    """The voxels of one resolution of a batch of scenes.

    Attributes:
        features: ``(V_s, C_s)`` floating point.
        coors: ``(V_s, 4)`` integers (batch, x, y, z), grid indices at that resolution.
    """

    features: Tensor
    coors: Tensor


class SceneTargets(NamedTuple):
    """What one scene's ground truth says, per voxel, without a dense (G, V) matrix.

    The voxel--instance table has one row per pair of a voxel and an instance that share points; a
    voxel on a border has two rows, a voxel of no instance none.

    Attributes:
        counts: ``(V,)`` points in each voxel.
        inst_voxel: ``(E,)`` voxel of each row.
        inst_index: ``(E,)`` instance of each row, in ``[0, G)``.
        inst_points: ``(E,)`` points that they share.
        labels: ``(G,)`` class of each instance, in ``[0, K)``.
    """

    counts: Tensor
    inst_voxel: Tensor
    inst_index: Tensor
    inst_points: Tensor
    labels: Tensor


class SceneRows(NamedTuple):
    """What the masks of one scene are made over: rows of features that stand for its points.

    A row is a voxel; where the test strategy splits a scene, a voxel of one of its parts.

    Attributes:
        features: ``(R, C)`` of the finest backbone level.
        counts: ``(R,)`` points that each row stands for.
        point2row: ``(P,)`` the row of each point, in ``[0, R)``.
    """

    features: Tensor
    counts: Tensor
    point2row: Tensor


class PointTargets(NamedTuple):
    """What one scene's ground truth says, point by point.

    Attributes:
        semantic: ``(P,)`` class in ``[0, K)``, K for none of them; K + 1 + s for surface s of the
            room, where the data set tells surfaces apart.
        instance: ``(P,)`` in ``[0, G)``, -1 for none.
        labels: ``(G,)`` class of each instance, in ``[0, K)``.
    """

    semantic: Tensor
    instance: Tensor
    labels: Tensor
