# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A raw ScanNet v2 release with tiny scenes, typed by hand like genuine files."""

import struct

MESH_HEADER = """ply
format binary_little_endian 1.0
comment VCGLIB generated
element vertex {vertices}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
property uchar alpha
element face 2
property list uchar int vertex_indices
end_header
"""
LABELS_HEADER = """ply
format binary_little_endian 1.0
comment MLIB generated
element vertex {vertices}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
property uchar alpha
property ushort label
element face 0
property list uchar int vertex_indices
end_header
"""
FACES = struct.pack('<BiiiBiii', 3, 0, 1, 2, 3, 2, 1, 3)

# x, y, z, red, green, blue, alpha: two points of a chair, three of a couch, one of a wall, one
# without annotation, one of another chair.
VERTICES = [
    (0.5, 0.25, 0.0, 255, 0, 0, 255),
    (1.5, 0.75, 1.0, 250, 1, 2, 255),
    (2.0, 0.0, 0.5, 0, 255, 0, 255),
    (3.0, 1.0, 0.5, 1, 254, 3, 255),
    (2.5, 4.0, 0.75, 2, 253, 4, 255),
    (-1.0, -2.0, -3.0, 9, 9, 9, 255),
    (7.0, 7.0, 7.0, 0, 0, 0, 255),
    (4.0, 5.0, 6.0, 10, 20, 30, 255),
]
SEGS = (
    '{"params": {"kThresh": "0.0001", "segMinVerts": "20", "minPoints": "750", "maxPoints": '
    '"30000", "thinThresh": "0.05", "flatThresh": "0.001", "minLength": "0.02", "maxLength": "1"}, '
    '"sceneId": "scannet.scene0000_00", "segIndices": [5753, 5753, 12, 7, 7, 100, 3, 44]}'
)
AGGREGATION = (
    '{"sceneId": "scannet.scene0000_00", "appId": "Aggregator.v2", "segGroups": ['
    '{"id": 0, "objectId": 0, "segments": [5753], "label": "armchair"}, '
    '{"id": 1, "objectId": 1, "segments": [100], "label": "wall"}, '
    '{"label": "couch", "segments": [7, 12], "objectId": 2, "id": 2}, '
    '{"id": 3, "objectId": 3, "segments": [44], "label": "armchair"}], '
    '"segmentsFile": "scannet.scene0000_00_vh_clean_2.0.010000.segs.json"}'
)
# A quarter turn about z, then a shift by (10, 20, 30).
METADATA = """axisAlignment = 0.000000 -1.000000 0.000000 10.000000 1.000000 0.000000 0.000000 \
20.000000 0.000000 0.000000 1.000000 30.000000 0.000000 0.000000 0.000000 1.000000 \x20
colorHeight = 968
colorToDepthExtrinsics = 0.999977 0.004401 0.005230 -0.037931
numColorFrames = 5578
sceneType = Apartment
"""
LABEL_MAP_NAME = 'scannetv2-labels.combined.tsv'
LABEL_MAP = (
    'id\traw_category\tcategory\tcount\tnyu40id\teigen13id\tnyuClass\tnyu40class\teigen13class\n'
    '1\twall\twall\t8277\t1\t12\twall\twall\tWall\n'
    '2\tarmchair\tchair\t4646\t5\t4\tchair\tchair\tChair\n'
    '1213\tcouch\tsofa\t\t6\t9\tsofa\tsofa\tSofa\n'
    '9999\tthing without id\t\t1\t\t\t\t\t\n'
)
# The expected result, by hand.
SEMANTIC = [5, 5, 6, 6, 6, 1, 0, 5]
INSTANCE = [1, 1, 3, 3, 3, 2, 0, 4]


def mesh(vertices=tuple(VERTICES), faces=FACES):
    rows = b''.join(struct.pack('<fff4B', *vertex) for vertex in vertices)
    return MESH_HEADER.format(vertices=len(vertices)).encode() + rows + faces


def labels_mesh(labels=tuple(SEMANTIC)):
    rows = b''.join(struct.pack('<fff4BH', *v, n) for v, n in zip(VERTICES, labels))
    return LABELS_HEADER.format(vertices=len(labels)).encode() + rows


def write_scene(raw, scene='scene0000_00', **changes):
    """Write a labelled scene; ``changes`` has other contents by ending; None leaves one out."""
    folder = raw / 'scans' / scene
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        '_vh_clean_2.ply': mesh(),
        '_vh_clean_2.labels.ply': labels_mesh(),
        '_vh_clean_2.0.010000.segs.json': SEGS,
        '.aggregation.json': AGGREGATION,
        '.txt': METADATA,
    }
    assert set(changes) <= set(files)
    for ending, content in {**files, **changes}.items():
        path = folder / f'{scene}{ending}'
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def write_release(raw, train=('scene0000_00',), val=(), test=()):
    """Write scenes, split lists and the label map."""
    for split, scenes in (('train', train), ('val', val), ('test', test)):
        if scenes:
            (raw / f'scannetv2_{split}.txt').write_text(''.join(f'{name}\n' for name in scenes))
    (raw / LABEL_MAP_NAME).write_text(LABEL_MAP)
    for scene in (*train, *val):
        write_scene(raw, scene)
    for scene in test:
        folder = raw / 'scans_test' / scene
        folder.mkdir(parents=True)
        (folder / f'{scene}_vh_clean_2.ply').write_bytes(mesh())
    return raw
