# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Budgets: the sizes of experiments on made rooms."""

from dataclasses import asdict, dataclass

from made_rooms import COMMON_KINDS

DEMO_ROOMS = (
    *('--kinds', ','.join(COMMON_KINDS)),
    *('--spacing', '0.03'),
    *('--area', '8', '12'),
    *('--objects', '9', '12'),
    *('--clutter', '2', '5'),
)
"""Options of ``synthesize.py`` for rooms that two cores learn from in minutes: small ones, with
vertices 3 cm apart."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Sizes of an experiment on made rooms. Factors multiply the settings of a leaf.

    Attributes:
        train_rooms: Rooms to train on.
        held_out_rooms: Rooms to test on.
        iterations: Iterations of the training; the rate decays to 0 at the last.
        batch_size: Scenes per iteration.
        workers: Processes that load training scenes.
        voxel_factor: Factor of the voxels' edge and of other lengths.
        num_levels: Levels of the backbone, at most.
        stride_divisor: Divisor of the stride of the level that keys and values are made from.
        points_factor: Factor of J.
        queries_factor: Factor of K.
        width_factor: Factor of the width of queries and keys. If a leaf gives them the width of
            the backbone's finest level, they keep it.
        lr_factor: Factor of the learning rate.
        warm_up: First iterations, in which the rate grows.
        elastic: Whether training scenes are distorted, if the leaf does so.
        max_points: Points of a training scene, at most, if the leaf crops; None: as in the leaf.
        room_options: Options of ``synthesize.py``; None: those of the demo.
    """

    train_rooms: int
    held_out_rooms: int
    iterations: int
    batch_size: int
    workers: int
    voxel_factor: float = 4.0
    num_levels: int = 5
    stride_divisor: int = 2
    points_factor: float = 0.128
    queries_factor: float = 0.4
    width_factor: float = 0.5
    lr_factor: float = 3.0
    warm_up: int = 50
    elastic: bool = False
    max_points: int | None = None
    room_options: tuple[str, ...] | None = None

    def facts(self) -> dict:
        """Return all settings that are not None, in the form that JSON reads back."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if value is not None
        }


BUDGETS = {
    # Two to three minutes a run on two cores: differences are those of the first steps.
    'cpu-small': Budget(
        train_rooms=100, held_out_rooms=16, iterations=800, batch_size=2, workers=1
    ),
    # The sizes of the demo, some ten minutes.
    'cpu': Budget(train_rooms=400, held_out_rooms=24, iterations=5000, batch_size=2, workers=1),
    # The leaf's own model and voxels, for weights to time: what grouping takes depends on what the
    # points say. Rooms are dense, and of few kinds of objects, so that these are learned in time.
    'timing': Budget(
        train_rooms=120,
        held_out_rooms=3,
        iterations=1500,
        batch_size=1,
        workers=1,
        voxel_factor=1.0,
        num_levels=7,
        stride_divisor=1,
        points_factor=1.0,
        queries_factor=1.0,
        width_factor=1.0,
        max_points=30_000,
        room_options=('--kinds', ','.join(COMMON_KINDS)),
    ),
    # Nearly the paper's model; rooms are smaller than scans, so are J and K.
    'gpu': Budget(
        train_rooms=1000,
        held_out_rooms=48,
        iterations=15_000,
        batch_size=8,
        workers=6,
        voxel_factor=2.0,
        num_levels=6,
        stride_divisor=1,
        points_factor=0.5,
        queries_factor=0.5,
        width_factor=1.0,
        lr_factor=1.0,
        warm_up=500,
        elastic=True,
    ),
}
