# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Arrays in, objects out, with a model that is loaded once: nothing is written.

python examples/robot_loop.py                                  # made rooms stand for the sensor
python examples/robot_loop.py --weights published.pth --frames 10
"""

import argparse
import time

import numpy as np

from insseg3d.apis import InstanceSeg3DInferencer
from insseg3d.scans import Assumptions
from made_rooms import make_points


def sensor(frames):
    """Your own here: ``(P, 6)`` arrays of x y z in metres, z up, and r g b in 0..255."""
    for frame in range(frames):
        yield make_points(seed=frame, num_points=20_000)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--model', help='default: demo, or the config inside the weights')
    parser.add_argument('--weights')
    parser.add_argument('--frames', type=int, default=3)
    args = parser.parse_args(argv)
    model = args.model or (None if args.weights else 'demo')
    # What is known is said, so that nothing is guessed from a frame's extent or colours.
    known = Assumptions(units='m', up='z', color_range='255')
    inferencer = InstanceSeg3DInferencer(model, args.weights, assumptions=known)
    for points in sensor(args.frames):
        start = time.perf_counter()
        result = inferencer(points)
        print(f'{len(result)} objects in {time.perf_counter() - start:.2f} s')
        distances = np.linalg.norm(result.centres()[:, :2], axis=1)  # from the robot, at 0 0
        for index in np.argsort(distances)[:3]:
            print(
                f'  {result.names[index]} at {distances[index]:.1f} m, '
                f'score {result.scores[index]:.2f}, {len(result.points(index))} points'
            )


if __name__ == '__main__':
    main()
