# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The inferencer: from a scan to its objects, without labels, info files or datasets."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet3d.apis.inferencers.base_3d_inferencer import Base3DInferencer
from mmdet3d.registry import INFERENCERS
from mmdet3d.structures import Det3DDataSample
from mmdet3d.structures.points import get_points_type
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose

from insseg_scans import (
    NOTHING_KNOWN,
    Assumptions,
    ReadyScan,
    Remark,
    Scan,
    find_scans,
    look_at,
    read_scan,
    scan_of,
)
from insseg_scans.errors import RawDataError

from ..structures import InstanceMap
from ..transforms.scene import set_grid_coords
from .checkpoints import Checkpoint
from .model import check_device, find_instances, load_model
from .model_index import choose_model, disagreements, voxel_size_of
from .painting import Limits, forget_classes, keep_small, paint
from .result import InstanceResult, result_of
from .tiles import Tile, check_tiling, tiles_of
from .tiling import TilePoints, Tiling, find_in_tiles, model_order, points_of_tiles

# All threads share the registries and scopes of mmengine, so models are built one at a time.
_BUILDING = threading.Lock()


@INFERENCERS.register_module(name='instance-seg3d')
@INFERENCERS.register_module()
class InstanceSeg3DInferencer(Base3DInferencer):
    """Inferencer that segments the instances of any scan.

    ``InstanceSeg3DInferencer(model='NAME', weights='x.pth')('scan.ply')`` returns an
    :class:`InstanceResult`. Either the model or the weights may be omitted. A call neither changes
    the inferencer nor writes anything; each thread may have an inferencer of its own.

    Deviation: a result holds arrays instead of lists, and ``tools/infer.py`` writes the pictures.

    Args:
        model: Name in this project's model index, path of a config, or a config. None selects the
            config inside the checkpoint.
        weights: Checkpoint or its path, .pth or .safetensors. None selects the last checkpoint
            that was trained under this name, see ``find_weights``. The checkpoint must fit the
            model; its class names are used.
        device: Device of the model; None selects a GPU if there is one.
        assumptions: Known properties of all scans; a call may override them.
        score_thr: Least score of an object.
        min_voxels: Least number of voxels of an object. Benchmarks drop objects of fewer than 100
            points instead, which is a large object in a sparse scan.
        min_points: Least number of points of an object.
        min_share: Least share of an object's points that better objects must leave to it.
        columns: Meaning of the columns of tables without a header.
        mesh_samples: Number of points to sample on the surface of a mesh; 0 uses its vertices.
        tiling: Tiles for larger scans; None never cuts a scan. A scan that fits into one tile has
            the same result with and without.
        class_agnostic: Whether to find objects of any class as one class, ``object``.

    Raises:
        FileNotFoundError: There is no checkpoint. The message explains how to train one in
            minutes.
        ValueError: The model is unknown, the tiles are impossible, the checkpoint does not fit
            the model, or torch cannot use the device here.
    """

    preprocess_kwargs: set = {'assumptions'}
    forward_kwargs: set = set()
    visualize_kwargs: set = set()
    postprocess_kwargs: set = set()

    def __init__(
        self,
        model: str | Path | Config | ConfigDict | None = None,
        weights: str | Path | Checkpoint | None = None,
        device: str | None = None,
        *,
        assumptions: Assumptions = NOTHING_KNOWN,
        score_thr: float = 0.3,
        min_voxels: int = 30,
        min_points: int = 1,
        min_share: float = 0.5,
        columns: tuple[str, ...] | None = None,
        mesh_samples: int = 0,
        tiling: Tiling | None = None,
        class_agnostic: bool = False,
    ) -> None:
        # The constructor of the base class is not called: it looks names up in mmdetection3d's
        # index only, builds the dataset for its class names, and opens a window for pictures.
        if tiling is not None:
            check_tiling(*tiling)
        if device is None:
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        device = check_device(device)
        with _BUILDING:
            if isinstance(model, ConfigDict):
                model = Config(model)
            config, checkpoint = choose_model(model, weights)
            config = keep_small(config)  # small objects are dropped and counted here
            self.model, self.cfg = load_model(config, checkpoint, device)
            if class_agnostic:
                forget_classes(self.model)
            self.pipeline = self._init_pipeline(config)
        load = config.test_dataloader.dataset.pipeline[0]
        self.weights = checkpoint.path
        self.classes = tuple(self.model.dataset_meta['classes'])
        self._remarks = disagreements(config, checkpoint)
        self.voxel_size = voxel_size_of(config)
        self.assumptions = assumptions
        self.score_thr, self.min_share = score_thr, min_share
        self.min_voxels, self.min_points = min_voxels, min_points
        self.columns, self.mesh_samples, self.tiling = columns, mesh_samples, tiling
        self._points_type = get_points_type(load['coord_type'])

    def __call__(
        self, inputs: Any, *, assumptions: Assumptions | None = None
    ) -> InstanceResult | list[InstanceResult]:
        """Segment one scan, or several.

        Args:
            inputs: Path; folder; pattern; array or tensor ``(P, 3)`` or ``(P, 6)``; object of
                Open3D or trimesh; or a list of these.
            assumptions: Known properties of these scans, instead of the inferencer's.

        Returns:
            One result for a single scan; a list for a list, a folder or a pattern.

        Raises:
            RawDataError: A scan cannot be used. The message names it and the remedy.
        """
        scans = find_scans(inputs)
        results = [self._segment(scan, assumptions) for scan in scans]
        is_single = (
            len(scans) == 1
            and not isinstance(inputs, (list, tuple))
            and (scans[0] is inputs or str(scans[0]) == str(Path(inputs)))
        )
        return results[0] if is_single else results

    def iterate(
        self, inputs: Any, *, assumptions: Assumptions | None = None
    ) -> Iterator[InstanceResult]:
        """Segment scans like a call, but yield one result at a time to save memory."""
        for scan in find_scans(inputs):
            yield self._segment(scan, assumptions)

    def preprocess(
        self, inputs: Any, batch_size: int = 1, *, assumptions: Assumptions | None = None
    ) -> Iterator[tuple[ReadyScan, np.ndarray, dict]]:
        """Read scans, infer their units and axes, and make batches of one.

        Yields:
            The scan; the order in which the model sees its points, which does not depend on
            their order in the scan; the batch.
        """
        if batch_size != 1:
            raise ValueError(f'batch_size is {batch_size}; scans differ in size, expected 1.')
        for source in inputs:
            ready = self._look(source, assumptions)
            order = model_order(ready.points)
            batch = self._batch(ready.scan.name, ready.points[order])
            yield ready, order, batch

    def forward(self, inputs: dict) -> list[Det3DDataSample]:
        """Find the instances of a batch; see :func:`find_instances`."""
        return find_instances(self.model, inputs)

    def postprocess(
        self,
        preds: Det3DDataSample,
        ready: ReadyScan,
        order: np.ndarray,
        seconds: float = float('nan'),
    ) -> InstanceResult:
        """Discard weak and small objects, then assign each point to at most one of the rest.

        Args:
            preds: The model's predictions.
            ready: Scan from :meth:`preprocess`.
            order: Order of the points from :meth:`preprocess`.
            seconds: Time spent in the model.
        """
        objects, num_small = paint(preds, self._limits())
        return self._result(ready, objects.numpy().take(np.argsort(order)), num_small, seconds)

    def _init_pipeline(self, cfg: Config) -> Compose:
        """Build the transforms of the test pipeline that follow the loading of points."""
        return Compose(cfg.test_dataloader.dataset.pipeline[1:])

    def visualize(self, inputs: list, preds: Any) -> None:
        """Do nothing: ``tools/infer.py`` writes the pictures."""

    def _look(self, source: Any, assumptions: Assumptions | None) -> ReadyScan:
        """Read a scan and convert it to the model's format."""
        if isinstance(source, (str, Path)):
            source = read_scan(Path(source), columns=self.columns, mesh_samples=self.mesh_samples)
        scan = source if isinstance(source, Scan) else scan_of(source)
        known = self.assumptions if assumptions is None else assumptions
        doubts = [remark.text for remark in self._remarks if remark.guessed]
        if known.strict and doubts:
            raise RawDataError(
                scan.name,
                '; '.join(doubts),
                'a config that agrees with the checkpoint, because strict is set',
                'Leave out the model to use the config inside',
            )
        ready = look_at(scan, known, voxel_size=self.voxel_size)
        return ready._replace(remarks=(*self._remarks, *ready.remarks))

    def _batch(self, name: str, points: np.ndarray, grid: np.ndarray | None = None) -> dict:
        """Make a batch of one; ``grid`` (P, 3) overrides the coordinates in the voxel grid."""
        points = self._points_type(
            torch.from_numpy(points), points_dim=6, attribute_dims=dict(color=[3, 4, 5])
        )
        if grid is not None:
            points = set_grid_coords(points, grid)
        results = self.pipeline(dict(lidar_path=name, points=points))
        return dict(
            inputs=dict(points=[results['inputs']['points']]),
            data_samples=[results['data_samples']],
        )

    def _limits(self) -> Limits:
        return Limits(self.score_thr, self.min_voxels, self.min_points, self.min_share)

    def _result(
        self, ready: ReadyScan, objects: InstanceMap, num_small: int, seconds: float
    ) -> InstanceResult:
        return result_of(
            ready,
            objects,
            classes=self.classes,
            num_small=num_small,
            min_voxels=self.min_voxels,
            seconds=seconds,
        )

    @torch.no_grad()
    def _segment(self, source: Any, assumptions: Assumptions | None) -> InstanceResult:
        """Run all steps for one scan."""
        ready = self._look(source, assumptions)
        if self.tiling is not None:
            tiles, home = tiles_of(ready.points, **self.tiling._asdict())
            if len(tiles) > 1:
                return self._segment_tiles(ready, tiles, home)
        order = model_order(ready.points)
        batch = self._batch(ready.scan.name, ready.points[order])
        start = time.perf_counter()
        (sample,) = self.forward(batch)
        return self.postprocess(sample, ready, order, time.perf_counter() - start)

    def _segment_tiles(
        self, ready: ReadyScan, tiles: list[Tile], home: np.ndarray
    ) -> InstanceResult:
        """Run the model and the steps after it for a scan of several tiles."""
        seconds = 0.0

        def find(tile: TilePoints) -> tuple[InstanceMap, int, torch.Tensor]:
            nonlocal seconds
            batch = self._batch(ready.scan.name, tile.points, tile.grid)
            start = time.perf_counter()
            (sample,) = self.forward(batch)
            seconds += time.perf_counter() - start
            device = sample.pred_instances_3d.masks.device
            objects, num_small = paint(
                sample,
                self._limits(),
                spared=torch.from_numpy(tile.near_edge).to(device),
                counted=torch.from_numpy(tile.at_home).to(device),
            )
            return objects, num_small, sample.voxels.point2voxel

        parts = points_of_tiles(
            ready.points, tiles, home, tiling=self.tiling, voxel_size=self.voxel_size
        )
        objects, num_small = find_in_tiles(parts, home, self._limits(), find)
        remark = Remark(
            f'done in {len(tiles)} tiles of {self.tiling.size:g} m that overlap by at least '
            f'{self.tiling.overlap:g} m',
            False,
        )
        ready = ready._replace(remarks=(*ready.remarks, remark))
        return self._result(ready, objects, num_small, seconds)
