# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Segment arrays in a loop, with a model that is loaded once; no files are written.

Usage::

    python examples/robot_loop.py                                  # made rooms replace the sensor
    python examples/robot_loop.py --weights published.pth --frames 10
"""

import argparse
import time

import numpy as np

from insseg3d.apis import Assumptions, InstanceSeg3DInferencer
from made_rooms import make_points


def sensor(frames):
    """Yield ``(P, 6)`` arrays: x y z in metres, z up, r g b in 0..255. Put your sensor here."""
    for frame in range(frames):
        yield make_points(seed=frame, num_points=20_000)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--model', help='default: demo, or the config inside the weights')
    parser.add_argument('--weights')
    parser.add_argument('--frames', type=int, default=3)
    args = parser.parse_args(argv)
    model = args.model or (None if args.weights else 'demo')
    # Known properties are passed; otherwise they are inferred from each frame.
    known = Assumptions(units='m', up='z', color_range='255')
    inferencer = InstanceSeg3DInferencer(model, args.weights, assumptions=known)
    for points in sensor(args.frames):
        start = time.perf_counter()
        result = inferencer(points)
        print(f'{len(result)} objects in {time.perf_counter() - start:.2f} s')
        distances = np.linalg.norm(result.centres()[:, :2], axis=1)  # from the robot at the origin
        for index in np.argsort(distances)[:3]:
            print(
                f'  {result.names[index]} at {distances[index]:.1f} m, '
                f'score {result.scores[index]:.2f}, {len(result.points(index))} points'
            )


if __name__ == '__main__':
    main()
