# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import numpy as np

from made_rooms.scanning.depth import look_at, observe, render_depth, triangles_of
from made_rooms.shapes.materials import Material
from made_rooms.shapes.surfaces import box, rectangle

GREY = Material((0.5, 0.5, 0.5), (0.4, 0.4, 0.4))
HEIGHT, WIDTH, FOCAL = 24, 32, 20.0


def ray_depths(triangles, camera):
    """Render a depth image by intersecting the ray of every pixel with every triangle."""
    rotation = camera[3:].reshape(3, 3)
    out = np.full((HEIGHT, WIDTH), np.inf)
    for row in range(HEIGHT):
        for column in range(WIDTH):
            local = np.array(
                [(column + 0.5 - WIDTH / 2) / FOCAL, (row + 0.5 - HEIGHT / 2) / FOCAL, 1.0]
            )
            ray = local @ rotation
            for a, b, c in triangles:
                matrix = np.column_stack([b - a, c - a, -ray])
                if abs(np.linalg.det(matrix)) < 1e-12:
                    continue
                u, v, t = np.linalg.solve(matrix, camera[:3] - a)
                if u >= 0 and v >= 0 and u + v <= 1 and t > 0.05:
                    out[row, column] = min(out[row, column], t)
    return out


def test_depth_image_equals_rays_also_for_triangles_behind_the_camera():
    rng = np.random.default_rng(0)
    # The camera is among the triangles, so its image plane cuts many of them.
    triangles = rng.uniform(-2, 2, (12, 1, 3)) + rng.uniform(-2, 2, (12, 3, 3))
    camera = look_at(np.zeros((1, 3)), np.array([[1.0, 0.5, -0.2]]))[0]
    image = render_depth(triangles, camera, FOCAL, HEIGHT, WIDTH)
    expected = ray_depths(triangles, camera)
    assert np.isfinite(expected).mean() > 0.3
    agree = np.isclose(image, expected, rtol=1e-6) | (np.isinf(image) & np.isinf(expected))
    assert agree.mean() > 0.99  # pixels whose centre is on an edge may differ


def seen_from(points, normals, surfaces, eye, target):
    camera = look_at(np.array([eye], float), np.array([target], float))[0]
    image = render_depth(triangles_of(surfaces), camera, 168.0, 144, 192)
    views = np.zeros(len(points), np.uint8)
    nearest = np.full(len(points), np.inf, np.float32)
    observe(
        np.array(points, np.float32),
        np.array(normals, np.float32),
        camera,
        image,
        168.0,
        4.0,
        views,
        nearest,
    )
    return views, nearest


def test_camera_sees_fronts_not_backs_nor_what_is_hidden_nor_far_away():
    wall = rectangle((-1, 2, 0), (2, 0, 0), (0, 0, 2), GREY)
    block = box((-0.3, 1, 0.5), (0.3, 1.4, 1.5), GREY, bottom=True)
    far = rectangle((-3, 6, 0), (6, 0, 0), (0, 0, 2), GREY)
    points = [(0.9, 2, 1), (0.0, 2, 1), (0, 1, 1), (0, 1.4, 1), (2.5, 6, 1), (0.9, 2, 1)]
    normals = [(0, -1, 0)] * 3 + [(0, 1, 0)] + [(0, -1, 0), (0, 1, 0)]
    views, nearest = seen_from(points, normals, [wall, far, *block], (0, -1, 1), (0, 1, 1))
    #       next to the block, behind it, its front, its back, out of range, the wall's back
    assert views.tolist() == [1, 0, 1, 0, 0, 0]
    np.testing.assert_allclose(nearest[[0, 2]], [np.hypot(0.9, 3), 2.0], rtol=1e-5)


def test_grazing_views_do_not_count():
    floor = rectangle((-5, -5, 0), (10, 0, 0), (0, 10, 0), GREY)
    views, _ = seen_from(
        [(0, 2.5, 0), (0, 1.5, 0)], [(0, 0, 1)] * 2, [floor], (0, 0, 0.3), (0, 2, 0)
    )
    assert views.tolist() == [0, 1]
