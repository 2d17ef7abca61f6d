# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Writers of the same scan in every supported format, as other programs write it.

``table`` is ``(P, 6)``: coordinates that are exact in float32 and as decimals, colours in 0..255.
"""

import numpy as np
import pytest
from plyfile import PlyData, PlyElement


def write_ply(path, table, *, text=False, byte_order='<', faces=False):
    vertex = np.empty(
        len(table),
        dtype=[
            ('confidence', 'f4'),
            *((name, 'f8') for name in 'xyz'),
            *((name, 'u1') for name in ('red', 'green', 'blue')),
            ('label', 'i4'),
            ('class', 'i4'),
        ],
    )
    for k, name in enumerate(('x', 'y', 'z', 'red', 'green', 'blue')):
        vertex[name] = table[:, k]
    elements = [PlyElement.describe(vertex, 'vertex')]
    if faces:
        face = np.array([([0, 1, 2],)], dtype=[('vertex_indices', 'i4', (3,))])
        elements.append(PlyElement.describe(face, 'face'))
    PlyData(elements, text=text, byte_order=byte_order).write(str(path))


def write_obj(path, table):
    rows = np.c_[table[:, :3], table[:, 3:] / 255].tolist()
    vertices = [f'v {" ".join(map(str, row))}' for row in rows]
    path.write_text('\n'.join(['# a mesh', 'mtllib none.mtl', *vertices, 'f 1 2 3']))


def write_las(path, table, scale=1 / 1024, offset=0):
    laspy = pytest.importorskip('laspy')
    if path.suffix == '.laz':
        pytest.importorskip('lazrs')
    header = laspy.LasHeader(point_format=2, version='1.2')
    header.scales, header.offsets = [scale] * 3, [offset] * 3
    las = laspy.LasData(header)
    las.x, las.y, las.z = (table[:, :3] + offset).T
    las.red, las.green, las.blue = table[:, 3:].astype(np.uint16).T * 257
    las.write(str(path))


def write_pcd(path, table, encoding='binary'):
    pypcd4 = pytest.importorskip('pypcd4')
    packed = pypcd4.PointCloud.encode_rgb(table[:, 3:].astype(np.uint8))
    cloud = pypcd4.PointCloud.from_xyzrgb_points(np.c_[table[:, :3].astype(np.float32), packed])
    cloud.save(path, encoding=getattr(pypcd4.Encoding, encoding.upper()))


def write_ascii_pcd(path, table, kind):
    """Write a PCD file as PCL does, with colours packed into an integer or a float."""
    pytest.importorskip('pypcd4')
    packed = (table[:, 3:].astype(np.uint32) << (16, 8, 0)).sum(axis=1).astype(np.uint32)
    colors = packed if kind == 'U' else [f'{value:.9g}' for value in packed.view(np.float32)]
    path.write_text(
        '\n'.join(
            [
                '# .PCD v0.7 - Point Cloud Data file format',
                'VERSION 0.7',
                'FIELDS x y z rgb',
                'SIZE 4 4 4 4',
                f'TYPE F F F {kind}',
                'COUNT 1 1 1 1',
                f'WIDTH {len(table)}',
                'HEIGHT 1',
                'VIEWPOINT 0 0 0 1 0 0 0',
                f'POINTS {len(table)}',
                'DATA ascii',
                *(
                    f'{x} {y} {z} {color}'
                    for (x, y, z), color in zip(table[:, :3].tolist(), colors)
                ),
                '',
            ]
        )
    )


WRITERS = {
    'little.ply': write_ply,
    'big.ply': lambda path, table: write_ply(path, table, byte_order='>'),
    'text.ply': lambda path, table: write_ply(path, table, text=True),
    'mesh.ply': lambda path, table: write_ply(path, table, faces=True),
    'CAPITAL.PLY': write_ply,
    'table.npy': lambda path, table: np.save(path, table),
    'arrays.npz': lambda path, table: np.savez(
        path, points=table[:, :3], colors=table[:, 3:].astype(np.uint8)
    ),
    'blanks.txt': lambda path, table: np.savetxt(path, table, fmt='%.10f'),
    'commas.csv': lambda path, table: np.savetxt(path, table, fmt='%.10f', delimiter=','),
    'scientific.xyz': lambda path, table: np.savetxt(path, table),
    'counted.pts': lambda path, table: np.savetxt(
        path, table, fmt='%.10f', header=str(len(table)), comments=''
    ),
    'mmdet3d.bin': lambda path, table: table.astype(np.float32).tofile(path),
    'mesh.obj': write_obj,
    'cloud.las': write_las,
    'cloud.laz': write_las,
    'integers.pcd': lambda path, table: write_ascii_pcd(path, table, 'U'),
    'floats.pcd': lambda path, table: write_ascii_pcd(path, table, 'F'),
    'binary.pcd': write_pcd,
    'compressed.pcd': lambda path, table: write_pcd(path, table, 'binary_compressed'),
}
