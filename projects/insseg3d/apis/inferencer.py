# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Scan in, objects out: no labels, no info file, no data set, nothing written."""

import copy
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

from ..scans import (
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
from ..scans.errors import RawDataError
from ..structures import InstanceMap
from ..transforms.scene import set_grid_coords
from .checkpoints import Checkpoint
from .devices import check_device
from .model import load_model
from .model_index import choose_model, disagreements, voxel_size_of
from .painting import Limits, paint
from .result import InstanceResult, result_of
from .tiles import Tile, check_tiling, tiles_of
from .tiling import TilePoints, Tiling, find_in_tiles, model_order, points_of_tiles

# Registries and scopes of mmengine are shared by all threads; building goes one at a time.
_BUILDING = threading.Lock()


@INFERENCERS.register_module(name='instance-seg3d')
@INFERENCERS.register_module()
class InstanceSeg3DInferencer(Base3DInferencer):
    """Segment the instances of people's own scans.

    ``InstanceSeg3DInferencer(model='NAME', weights='x.pth')('scan.ply')`` gives an
    :class:`InstanceResult`. One of model and weights may be left out. A call changes nothing in
    the object and writes nothing, so that each thread may have an inferencer of its own.

    Deviation: from the base class, whose results are dicts of lists and whose pictures are written
    to files: here a result holds arrays, and pictures are a matter of ``tools/infer.py``.

    Args:
        model: Name in this project's model index, path of a config, or a config; None: the
            config inside the checkpoint.
        weights: Checkpoint, .pth or .safetensors; None: the last one trained of this name, see
            ``find_weights``. It must fit the model, and its class names are taken.
        device: Where to run it; None: a GPU if there is one.
        assumptions: What is known of all scans; a call may say otherwise.
        score_thr: Objects of a lower score are left out.
        min_voxels: Objects of fewer voxels are left out. (Benchmarks leave out those of fewer
            than 100 points, which in a sparse scan are large.)
        min_points: Objects of fewer points are left out as well.
        min_share: An object of which better ones have more than the rest is left out.
        columns: What the columns of tables without names are.
        mesh_samples: Of meshes, take so many points of their surfaces; 0: their vertices.
        tiling: How to cut scans that are larger than a tile; None: not at all. A scan of the size
            of a tile gives what it gives without.

    Raises:
        FileNotFoundError: No checkpoint; says how to train one in minutes.
        ValueError: An unknown model, impossible tiles, a checkpoint that does not fit it, or a
            device that torch has not here.
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
    ) -> None:
        # Not the base class's: it looks for names in mmdetection3d's index only, builds the data
        # set for its class names, and a window for its pictures.
        if tiling is not None:
            check_tiling(*tiling)
        if device is None:
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        device = check_device(device)
        with _BUILDING:
            if isinstance(model, ConfigDict):
                model = Config(model)
            config, checkpoint = choose_model(model, weights)
            config = copy.deepcopy(config)
            ranking = config.model.get('decode_head', {}).get('ranking')
            if ranking is not None and 'min_points' in ranking:
                ranking.min_points = 1  # what is small is counted here
            self.model, self.cfg = load_model(config, checkpoint, device)
            self.pipeline = self._init_pipeline(config)
        load = config.test_dataloader.dataset.pipeline[0]
        self.weights = checkpoint.path
        self.classes = tuple(self.model.dataset_meta['classes'])
        self._remarks = disagreements(config, checkpoint)
        self.voxel_size = voxel_size_of(config)
        self.assumptions = assumptions
        self.score_thr, self.min_share = score_thr, min_share
        self.min_voxels, self.min_points = min_voxels, min_points
        self.columns, self.mesh_samples = columns, mesh_samples
        self.tiling = tiling
        self._points_type = get_points_type(load['coord_type'])

    def __call__(
        self, inputs: Any, *, assumptions: Assumptions | None = None
    ) -> InstanceResult | list[InstanceResult]:
        """Segment one scan, or several.

        Args:
            inputs: Path; folder; pattern; array or tensor ``(P, 3)`` or ``(P, 6)``; object of
                Open3D or trimesh; or a list of such.
            assumptions: Instead of the inferencer's.

        Returns:
            A result for a single scan; a list for a list, a folder or a pattern.

        Raises:
            RawDataError: A scan cannot be used; names it and says what to do.
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
        """As a call, one result at a time, so that only one is kept in memory."""
        for scan in find_scans(inputs):
            yield self._segment(scan, assumptions)

    def preprocess(
        self, inputs: Any, batch_size: int = 1, *, assumptions: Assumptions | None = None
    ) -> Iterator[tuple[ReadyScan, np.ndarray, dict]]:
        """Read and look at scans; make batches of one.

        Yields:
            The scan; the order in which the model sees its points, the same for any order in
            which they come; the batch.
        """
        if batch_size != 1:
            raise ValueError(f'batch_size is {batch_size}; scans differ in size, expected 1.')
        for source in inputs:
            ready = self._look(source, assumptions)
            order = model_order(ready.points)
            batch = self._batch(ready.scan.name, ready.points[order])
            yield ready, order, batch

    def postprocess(
        self,
        preds: Det3DDataSample,
        ready: ReadyScan,
        order: np.ndarray,
        seconds: float = float('nan'),
    ) -> InstanceResult:
        """Discard weak and small objects, then assign each point to at most one of the rest.

        Args:
            preds: Of the model.
            ready: As of :meth:`preprocess`, as is ``order``.
            seconds: Time that it took.
        """
        objects, num_small = paint(preds, self._limits())
        return self._result(ready, objects.numpy().take(np.argsort(order)), num_small, seconds)

    def _init_pipeline(self, cfg: Config) -> Compose:
        """The transforms of the test pipeline that follow the loading of points."""
        return Compose(cfg.test_dataloader.dataset.pipeline[1:])

    def visualize(self, inputs: list, preds: Any) -> None:
        """Nothing: pictures are written by ``tools/infer.py``."""

    def _look(self, source: Any, assumptions: Assumptions | None) -> ReadyScan:
        """Read a scan and make of it what a model takes."""
        if isinstance(source, (str, Path)):
            source = read_scan(Path(source), columns=self.columns, mesh_samples=self.mesh_samples)
        scan = source if isinstance(source, Scan) else scan_of(source)
        known = self.assumptions if assumptions is None else assumptions
        doubts = [remark.text for remark in self._remarks if remark.guessed]
        if known.strict and doubts:
            raise RawDataError(
                scan.name,
                '; '.join(doubts),
                'a config that agrees with the checkpoint, as strict was asked for',
                'Leave out the model, so that the config inside is used',
            )
        ready = look_at(scan, known, voxel_size=self.voxel_size)
        return ready._replace(remarks=(*self._remarks, *ready.remarks))

    def _batch(self, name: str, points: np.ndarray, grid: np.ndarray | None = None) -> dict:
        """A batch of one; ``grid`` (P, 3) are the places in the voxel grid if not the points'."""
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
        """All steps for one scan."""
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
        """All steps for a scan of several tiles, after looking at it."""
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
