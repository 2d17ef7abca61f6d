# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The objects of one scan, in the order and the coordinates of its original points."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData

from insseg_scans import ReadyScan, Remark, optional_module

from ..ops.boxes import OrientedBox, upright_box
from ..structures import InstanceMap


@dataclass(frozen=True)
class InstanceResult:
    """The objects found in a scan; no two objects share a point.

    All lengths and coordinates are in the scan's own units, axes and offset.

    Attributes:
        name: Name of the scan.
        coords: ``(P, 3)`` float64, rows as in the scan.
        rgb: ``(P, 3)`` uint8; grey if the scan has no colours.
        instances: The objects over these points, best first, as arrays. Its fields ``instance``
            ``(P,)``, ``labels`` ``(Q,)`` and ``scores`` ``(Q,)`` are also properties of the result.
        classes: K names.
        remarks: Properties that were inferred or assumed, such as units and axes.
        scale: Metres per unit of the scan.
        turn: ``(3, 3)``; its rows are the model's x, y and z (up) as directions in the scan.
        num_small: Number of objects that were dropped because they have fewer than ``min_voxels``
            voxels.
        min_voxels: Least number of voxels of an object.
        seconds: Time in the model, including voxelisation.
    """

    name: str
    coords: np.ndarray
    rgb: np.ndarray
    instances: InstanceMap
    classes: tuple[str, ...]
    remarks: tuple[Remark, ...]
    scale: float
    turn: np.ndarray
    num_small: int
    min_voxels: int
    seconds: float

    def __len__(self) -> int:
        return len(self.instances)

    @property
    def instance(self) -> np.ndarray:
        """``(P,)`` int64 index of each point's object, -1 for none."""
        return self.instances.instance

    @property
    def labels(self) -> np.ndarray:
        """``(Q,)`` int64 class of each object."""
        return self.instances.labels

    @property
    def scores(self) -> np.ndarray:
        """``(Q,)`` float64 confidence of each object."""
        return self.instances.scores

    @property
    def up(self) -> np.ndarray:
        """``(3,)`` unit vector that points upwards in the scan."""
        return self.turn[2]

    @property
    def names(self) -> list[str]:
        """Class name of each object."""
        return [self.classes[label] for label in self.labels]

    @property
    def sizes(self) -> np.ndarray:
        """``(Q,)`` number of points of each object."""
        return self.instances.sizes

    @property
    def masks(self) -> np.ndarray:
        """``(Q, P)`` bool masks of the objects."""
        return self.instance == np.arange(len(self))[:, None]

    def points(self, index: int) -> np.ndarray:
        """Return the ``(P_q, 3)`` coordinates of an object's points."""
        rows, starts = self._rows
        return self.coords[rows[starts[index] : starts[index + 1]]]

    @cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of all objects, object by object, and the start of each object ``(Q + 1,)``."""
        inside = np.flatnonzero(self.instance >= 0)
        rows = inside[np.argsort(self.instance[inside], kind='stable')]
        return rows, np.append(0, np.cumsum(self.sizes))

    def aligned_boxes(self) -> np.ndarray:
        """Return ``(Q, 6)`` lowest x y z and highest x y z of each object."""
        boxes = np.empty((len(self), 6))
        for index in range(len(self)):
            points = self.points(index)
            boxes[index] = [*points.min(axis=0), *points.max(axis=0)]
        return boxes

    def oriented_boxes(self) -> list[OrientedBox]:
        """Return the smallest upright box of each object."""
        return [upright_box(self.points(index), self.up) for index in range(len(self))]

    def centres(self) -> np.ndarray:
        """Return the ``(Q, 3)`` mean coordinates of each object's points."""
        return np.array([self.points(i).mean(axis=0) for i in range(len(self))]).reshape(-1, 3)

    def objects(self) -> list[dict[str, Any]]:
        """Return one row per object: numbers, strings and lists, as in ``objects.json``."""
        rows = []
        corners, boxes = self.aligned_boxes(), self.oriented_boxes()
        for index, (centre, size) in enumerate(zip(self.centres(), self.sizes)):
            rows.append(
                {
                    'instance': index,
                    'class': self.names[index],
                    'label': int(self.labels[index]),
                    'score': round(float(self.scores[index]), 6),
                    'points': int(size),
                    'centre': centre.tolist(),
                    'box_min': corners[index, :3].tolist(),
                    'box_max': corners[index, 3:].tolist(),
                    'oriented_centre': boxes[index].centre.tolist(),
                    'oriented_size': boxes[index].size.tolist(),
                    'oriented_axes': boxes[index].axes.tolist(),
                    'size_metres': (boxes[index].size * self.scale).tolist(),
                }
            )
        return rows

    def to_numpy(self) -> dict[str, np.ndarray]:
        """Return arrays: instance, labels, scores, masks, centres, boxes."""
        return dict(
            instance=self.instance,
            labels=self.labels,
            scores=self.scores,
            masks=self.masks,
            centres=self.centres(),
            boxes=self.aligned_boxes(),
        )

    def to_instance_data(self) -> InstanceData:
        """Convert to the output format of mmdetection3d's models: masks, labels_3d, scores_3d."""
        return InstanceData(
            masks=torch.from_numpy(self.masks),
            labels_3d=torch.from_numpy(self.labels),
            scores_3d=torch.from_numpy(self.scores.astype(np.float32)),
        )

    def to_pandas(self) -> Any:
        """Return a ``DataFrame`` with one row per object and the columns of ``objects.csv``.

        Raises:
            RawDataError: Pandas is not installed.
        """
        return optional_module('pandas', 'to_pandas()').DataFrame(
            [flat(row) for row in self.objects()], columns=TABLE_COLUMNS
        )


TABLE_COLUMNS = [
    'instance',
    'class',
    'label',
    'score',
    'points',
    *(
        f'{name}_{axis}'
        for name in ('centre', 'box_min', 'box_max', 'oriented_centre')
        for axis in 'xyz'
    ),
    'length',
    'width',
    'height',
    'direction_x',
    'direction_y',
    'direction_z',
]


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """Flatten a row of :meth:`InstanceResult.objects` to one value per column."""
    single = {name: row[name] for name in ('instance', 'class', 'label', 'score', 'points')}
    for name in ('centre', 'box_min', 'box_max', 'oriented_centre'):
        single.update(zip((f'{name}_{axis}' for axis in 'xyz'), row[name]))
    single.update(zip(('length', 'width', 'height'), row['oriented_size']))
    single.update(zip(('direction_x', 'direction_y', 'direction_z'), row['oriented_axes'][0]))
    return single


def result_of(
    ready: ReadyScan,
    objects: InstanceMap,
    *,
    classes: tuple[str, ...],
    num_small: int,
    min_voxels: int,
    seconds: float,
) -> InstanceResult:
    """Transfer a model's objects to all points of the scan.

    See :class:`InstanceResult` for the arguments not listed here.

    Args:
        ready: The scan.
        objects: Objects over the ``P'`` points that the model saw.
    """
    whole = np.full(len(ready.scan.coords), -1, dtype=np.int64)
    whole[ready.rows] = objects.instance
    rgb = np.full((len(whole), 3), 128, dtype=np.uint8)
    rgb[ready.rows] = np.round(ready.points[:, 3:])
    return InstanceResult(
        name=ready.scan.name,
        coords=np.asarray(ready.scan.coords, dtype=np.float64),
        rgb=rgb,
        instances=InstanceMap(whole, objects.labels, objects.scores),
        classes=classes,
        remarks=ready.remarks,
        scale=ready.scale,
        turn=ready.turn,
        num_small=num_small,
        min_voxels=min_voxels,
        seconds=seconds,
    )
