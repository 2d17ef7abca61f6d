# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Use the inferencer in a program of mmdetection3d: one model per thread, its data samples.

Usage::

    python examples/threads_and_mmdet3d.py scan.ply more.ply
    python examples/threads_and_mmdet3d.py scan.ply more.ply --weights published.pth --threads 2
"""

import argparse
import threading
from concurrent.futures import ThreadPoolExecutor

# Imported first: mmdetection3d needs its work-arounds to import with mmcv-lite.
from insseg3d.apis import InstanceSeg3DInferencer

from mmdet3d.structures import Det3DDataSample, PointData  # isort: skip

_OF_THREAD = threading.local()


def segment(scan, model, weights):
    """Return the objects of a scan in the output format of mmdetection3d's models."""
    if not hasattr(_OF_THREAD, 'inferencer'):  # one model per thread, as a call has state
        _OF_THREAD.inferencer = InstanceSeg3DInferencer(model, weights)
    result = _OF_THREAD.inferencer(scan)
    sample = Det3DDataSample(metainfo=dict(lidar_path=result.name, classes=result.classes))
    sample.pred_instances_3d = result.to_instance_data()  # masks, labels_3d, scores_3d
    sample.pred_pts_seg = PointData(pts_instance_mask=result.instance)  # rows as in the scan
    return sample


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('scans', nargs='+')
    parser.add_argument('--model', help='default: demo, or the config inside the weights')
    parser.add_argument('--weights')
    parser.add_argument('--threads', type=int, default=2)
    args = parser.parse_args(argv)
    model = args.model or (None if args.weights else 'demo')
    with ThreadPoolExecutor(args.threads) as pool:
        samples = list(pool.map(lambda scan: segment(scan, model, args.weights), args.scans))
    for sample in samples:
        found = sample.pred_instances_3d
        print(
            f'{sample.lidar_path}: {len(found)} objects, '
            f'{sample.pred_pts_seg.pts_instance_mask.shape[0]} points'
        )
    return samples


if __name__ == '__main__':
    main()
