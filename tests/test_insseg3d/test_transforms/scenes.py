# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Scenes in memory, in the format of the loading transforms."""

import numpy as np
import torch
from mmdet3d.datasets.transforms import Pack3DDetInputs
from mmdet3d.structures.points import DepthPoints


def scene(coords, colors=None, draw=(0, 0), **more):
    coords = np.asarray(coords, np.float32).reshape(-1, 3)
    colors = np.full((len(coords), 3), 100) if colors is None else np.asarray(colors)
    tensor = torch.tensor(np.concatenate([coords, colors], axis=1), dtype=torch.float32)
    points = DepthPoints(tensor, points_dim=6, attribute_dims={'color': [3, 4, 5]})
    return {'points': points, 'lidar_path': 'folder/scene0000_00.bin', 'draw': draw, **more}


def random_scene(num_points=200, extent=4.0, seed=0, **more):
    rng = np.random.default_rng(seed)
    return scene(rng.uniform(-extent, extent, (num_points, 3)), **more)


def coords_of(results):
    return results['points'].tensor[:, :3].numpy()


def packed(results, *, keys=('points', 'pts_semantic_mask', 'pts_instance_mask')):
    return Pack3DDetInputs(keys=keys)(results)
