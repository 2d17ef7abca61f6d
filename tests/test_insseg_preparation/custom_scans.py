# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Writers of users' scans: one table of points in every supported format."""

import numpy as np

NAMES = ('x', 'y', 'z', 'red', 'green', 'blue', 'semantic', 'instance')
# x y z in metres, r g b, semantic, instance: two chairs (0), a table (1), a wall (−1), and a point
# with no class.
POINTS = np.array(
    [
        (0.5, 0.25, 0.125, 255, 0, 0, 0, 0),
        (0.625, 0.25, 0.5, 250, 1, 2, 0, 0),
        (2.0, 1.5, 0.5, 0, 255, 0, 1, 1),
        (2.5, 1.5, 0.5, 1, 254, 3, 1, 1),
        (2.25, 1.75, 0.625, 2, 253, 4, 1, 1),
        (-1.0, -0.5, 2.0, 9, 9, 9, -1, -1),
        (3.5, 2.75, 0.25, 10, 20, 30, 0, 2),
        (3.0, 2.5, 1.0, 40, 50, 60, 255, -1),
    ]
)
# The stored labels of these points.
SEMANTIC = [1, 1, 2, 2, 2, 0, 1, 0]
INSTANCE = [1, 1, 2, 2, 2, 0, 3, 0]


def _text(table, separator=' ', header='', newline='\n'):
    lines = [separator.join(repr(float(v)).removesuffix('.0') for v in row) for row in table]
    return (header + ''.join(f'{line}{newline}' for line in lines)).encode()


def _write_text(ending, **options):
    def write(path, table):
        path = path.with_suffix(ending)
        path.write_bytes(_text(table, **options))
        return path

    return write


def write_savetxt(path, table):
    np.savetxt(path.with_suffix('.txt'), table)
    return path.with_suffix('.txt')


def write_decimal_commas(path, table):
    path = path.with_suffix('.csv')
    text = _text(table, ';').replace(b'.', b',')
    path.write_bytes(';'.join(NAMES).encode() + b'\r\n' + text.replace(b'\n', b'\r\n'))
    return path


def write_counted_pts(path, table):
    path = path.with_suffix('.pts')
    path.write_bytes(f'{len(table)}\n'.encode() + _text(table))
    return path


def ply_writer(
    form='binary_little_endian',
    names=NAMES,
    kinds=('float',) * 3 + ('uchar',) * 3 + ('short', 'int'),
):
    codes = {'float': 'f4', 'double': 'f8', 'uchar': 'u1', 'short': 'i2', 'int': 'i4'}
    order = {'ascii': None, 'binary_little_endian': '<', 'binary_big_endian': '>'}[form]

    def write(path, table):
        path = path.with_suffix('.ply')
        header = ['ply', f'format {form} 1.0', f'element vertex {len(table)}']
        header += [f'property {kind} {name}' for kind, name in zip(kinds, names)]
        content = '\n'.join([*header, 'end_header', '']).encode()
        if order is None:
            path.write_bytes(content + _text(table))
        else:
            row = np.dtype([(name, order + codes[kind]) for name, kind in zip(names, kinds)])
            rows = np.array([tuple(line) for line in table], dtype=row)
            path.write_bytes(content + rows.tobytes())
        return path

    return write


def write_npy(path, table):
    np.save(path.with_suffix('.npy'), table)
    return path.with_suffix('.npy')


def write_structured_npy(path, table):
    row = np.dtype(
        [
            ('X', 'f4'),
            ('Y', 'f4'),
            ('Z', 'f4'),
            ('R', 'u1'),
            ('G', 'u1'),
            ('B', 'u1'),
            ('label', 'i8'),
            ('object_id', 'i8'),
        ]
    )
    np.save(path.with_suffix('.npy'), np.array([tuple(line) for line in table], dtype=row))
    return path.with_suffix('.npy')


def npz_writer(**names):
    names = {
        'points': 'points',
        'colors': 'colors',
        'semantic': 'semantic',
        'instance': 'instance',
        **names,
    }

    def write(path, table):
        arrays = {
            names['points']: table[:, :3].astype(np.float32),
            names['colors']: table[:, 3:6].astype(np.uint8),
            names['semantic']: table[:, 6].astype(np.int32),
            names['instance']: table[:, 7:].astype(np.int64),  # (P, 1)
        }
        np.savez_compressed(path.with_suffix('.npz'), names_of_classes=['chair'], **arrays)
        return path.with_suffix('.npz')

    return write


def write_npz_of_six_columns(path, table):
    np.savez(path.with_suffix('.npz'), xyz=table[:, :6], sem_label=table[:, 6], ins=table[:, 7])
    return path.with_suffix('.npz')


def npz_writer_of_columns(*names):
    def write(path, table):
        np.savez(path.with_suffix('.npz'), **dict(zip(names, table.T)), names_of_classes=['chair'])
        return path.with_suffix('.npz')

    return write


def write_npz_of_one_table(path, table):
    np.savez(path.with_suffix('.npz'), table)
    return path.with_suffix('.npz')


WRITERS = {
    'ply': ply_writer(),
    'ply big endian': ply_writer('binary_big_endian'),
    'ply ascii': ply_writer('ascii'),
    'ply of CloudCompare': ply_writer(
        names=(*NAMES[:6], 'scalar_Label', 'scalar_Object_ID'),
        kinds=('double',) * 3 + ('uchar',) * 3 + ('float',) * 2,
    ),
    'npy': write_npy,
    'npy structured': write_structured_npy,
    'npz': npz_writer(),
    'npz other names': npz_writer(
        points='coord', colors='rgb', semantic='labels', instance='instance_id'
    ),
    'npz six columns': write_npz_of_six_columns,
    'npz columns': npz_writer_of_columns('X', 'Y', 'Z', 'R', 'G', 'B', 'Label', 'Instance'),
    'npz columns of other names': npz_writer_of_columns(
        'pos_x', 'pos_y', 'pos_z', 'red', 'green', 'blue', 'Class ID', 'scalar_Object'
    ),
    'npz one table': write_npz_of_one_table,
    'txt': _write_text('.txt'),
    'txt tabs': _write_text('.txt', separator='\t'),
    'txt savetxt': write_savetxt,
    'txt CRLF': _write_text('.txt', newline='\r\n'),
    'txt remarks': _write_text('.txt', header='# my scan\n\n# from a phone\n'),
    'xyz of CloudCompare': _write_text('.xyz', header='//X Y Z R G B Class Instance\n'),
    'csv': _write_text('.csv', separator=','),
    'csv named': _write_text('.csv', separator=',', header=','.join(NAMES) + '\n'),
    'csv quoted': _write_text(
        '.csv',
        separator=', ',
        newline='\r\n',
        header='\ufeff' + ', '.join(f'"{name.title()}"' for name in NAMES) + '\r\n',
    ),
    'csv of pandas': _write_text('.csv', separator=',', header='0,1,2,3,4,5,6,7\n'),
    'csv decimal commas': write_decimal_commas,
    'pts': write_counted_pts,
    'pts named': _write_text('.pts', header=' '.join(NAMES) + '\n'),
}
