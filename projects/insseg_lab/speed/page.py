# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Count the frames of a scene page in a browser that draws in software: ``benchmark.py view``."""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from insseg3d.visualization import InstanceMap, Scene, write_scene_page
from made_rooms.large import make_large_points

from ..browser import load_page, open_browser, orbit
from .scenes import add_json_argument

HELP = 'a scene page in a browser'

_CLASSES = tuple(f'class {number}' for number in range(18))
_CELL, _FLOOR = 0.8, 0.1  # metres


def made_scene(num_points: int, seed: int = 0) -> Scene:
    """Return a made room with a number of points, cut into objects by a grid on the ground."""
    points = make_large_points(seed=seed, num_points=num_points)
    cells = np.floor(points[:, :2] / _CELL).astype(np.int64)
    _, instance = np.unique(cells, axis=0, return_inverse=True)
    instance = np.where(points[:, 2] > points[:, 2].min() + _FLOOR, instance.ravel(), -1)
    count = int(instance.max()) + 1
    pred = InstanceMap.of(
        instance, np.arange(count) % len(_CLASSES), np.linspace(0.95, 0.35, count)
    )
    return Scene.of(f'{num_points:,} made points', points, pred=pred)


def time_view(
    num_points: int, *, seconds: float = 10.0, width: int = 1280, height: int = 720, seed: int = 0
) -> dict[str, Any]:
    """Write a page of a made scene, open it, and turn it with the mouse.

    Args:
        num_points: Points of the scene.
        seconds: Duration of each of the two turns.
        width: Of the page, which the scene fills, pixels.
        height: Of the page, pixels.
        seed: Which made room.

    Returns:
        ``page_mb``, ``write_seconds``, ``load_seconds`` (to the first picture), ``orbit`` and
        ``orbit_all_points`` (each ``fps`` and ``points`` drawn; the second without drawing fewer
        points in motion), ``renderer``, ``browser``.
    """
    scene = made_scene(num_points, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'view.html'
        start = time.perf_counter()
        write_scene_page(path, [scene], classes=_CLASSES, title=scene.name)
        written = time.perf_counter() - start
        with open_browser(width=width, height=height) as driver:
            loaded = load_page(driver, path.as_uri())
            driver.execute_script(  # the scene alone, over the whole page
                "const s = document.getElementById('stage'); document.body.append(s);"
                "s.style.cssText = 'position:fixed;inset:0;height:100vh;z-index:9'; viewer.home()"
            )
            time.sleep(1)
            centre = (width / 2, height / 2)
            sparing = orbit(driver, seconds, centre)
            driver.execute_script("document.getElementById('sparing').click()")
            time.sleep(1)
            whole = orbit(driver, seconds, centre)
            shown = driver.execute_script('return [innerWidth, innerHeight]')
            renderer = driver.execute_script(
                'const gl = viewer.renderer.getContext();'
                "const about = gl.getExtension('WEBGL_debug_renderer_info');"
                'return gl.getParameter(about ? about.UNMASKED_RENDERER_WEBGL : gl.RENDERER)'
            )
            browser = driver.capabilities['browserVersion']
        return dict(
            points=num_points,
            size=shown,
            page_mb=path.stat().st_size / 1e6,
            write_seconds=written,
            load_seconds=loaded,
            orbit=sparing,
            orbit_all_points=whole,
            renderer=renderer,
            browser=browser,
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument('--points', type=int, default=300_000)
    parser.add_argument('--seconds', type=float, default=10.0, help='of each turn')
    parser.add_argument('--seed', type=int, default=0, help='which made room')
    add_json_argument(parser)
    parser.set_defaults(threads=None)


def run(args: argparse.Namespace) -> dict:
    """Time a page of a made scene in a browser, print and return the figures."""
    report = time_view(args.points, seconds=args.seconds, seed=args.seed)
    print(
        f'{args.points} points, {" × ".join(map(str, report["size"]))} pixels, {report["renderer"]}'
    )
    for key, name in (('orbit', 'turning'), ('orbit_all_points', 'turning, all points')):
        print(
            f'{name:34s}{report[key]["fps"]:.1f} frames a second, '
            f'{report[key]["points"]} points each'
        )
    print(f'{"page":34s}{report["page_mb"]:.1f} MB')
    print(f'{"written in":34s}{report["write_seconds"]:.1f} s')
    print(f'{"loaded in":34s}{report["load_seconds"]:.1f} s')
    return report
