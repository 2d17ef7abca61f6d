# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A raw S3DIS room, typed by hand in the layout of the release."""

# Sorted by name, not by number.
ANNOTATIONS = {
    'board_1.txt': '-20.500 39.000 1.250 255 254 253\n-20.500 39.500 1.750 0 1 2\n',
    'ceiling_1.txt': '-22.000 38.000 3.000 10 20 30\n',
    'chair_1.txt': '-21.000 38.500 0.500 1 2 3\n-21.500 39.000 1.000 4 5 6\n',
    'chair_10.txt': '-20.000 40.000 0.000 7 8 9\n',
    'chair_2.txt': '-19.000 41.000 0.250 11 12 13\n',
    'stairs_1.txt': '-18.000 42.000 0.750 14 15 16\n',
}
# The expected points, by hand: minus the least x, y and z, which are -22, 38 and 0.
POINTS = [
    [1.5, 1.0, 1.25, 255, 254, 253],
    [1.5, 1.5, 1.75, 0, 1, 2],
    [0.0, 0.0, 3.0, 10, 20, 30],
    [1.0, 0.5, 0.5, 1, 2, 3],
    [0.5, 1.0, 1.0, 4, 5, 6],
    [2.0, 2.0, 0.0, 7, 8, 9],
    [3.0, 3.0, 0.25, 11, 12, 13],
    [4.0, 4.0, 0.75, 14, 15, 16],
]
SEMANTIC = [11, 11, 0, 8, 8, 8, 8, 12]
INSTANCE = [1, 1, 2, 3, 3, 4, 5, 6]
BOXES = [
    ([1.5, 1.25, 1.5, 0.0, 0.5, 0.5], 4),  # the board
    ([0.75, 0.75, 0.75, 0.5, 0.5, 0.5], 1),  # chairs
    ([2.0, 2.0, 0.0, 0.0, 0.0, 0.0], 1),
    ([3.0, 3.0, 0.25, 0.0, 0.0, 0.0], 1),
]


def write_room(raw, room='Area_1/office_1', annotations=None, **changes):
    """Write a room; ``changes`` has other contents of annotations; None leaves one out."""
    folder = raw / room
    (folder / 'Annotations').mkdir(parents=True, exist_ok=True)
    files = {**(ANNOTATIONS if annotations is None else annotations)}
    for name, content in changes.items():
        files[f'{name}.txt'] = content
    for name, content in files.items():
        path = folder / 'Annotations' / name
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / f'{folder.name}.txt').write_text('not read\n')
    return folder


def write_release(raw, rooms=('Area_1/office_1', 'Area_1/office_2', 'Area_5/WC_1')):
    for room in rooms:
        write_room(raw, room)
    return raw
