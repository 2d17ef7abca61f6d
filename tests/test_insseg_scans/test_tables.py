# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insseg_scans.columns import NAMES, ColumnNames
from insseg_scans.errors import RawDataError
from insseg_scans.points.tables import ENDINGS, read_scan

from ..test_insseg_preparation.custom_scans import POINTS, WRITERS, npz_writer, ply_writer


def assert_read(scan, table):
    np.testing.assert_array_equal(np.float32(scan.coords), np.float32(table[:, :3]))
    np.testing.assert_array_equal(scan.colors, table[:, 3:6])
    np.testing.assert_array_equal(scan.semantic, table[:, 6])
    np.testing.assert_array_equal(scan.instance, table[:, 7])


@pytest.mark.parametrize('name', WRITERS)
def test_every_format_is_read_point_for_point(tmp_path, name):
    path = WRITERS[name](tmp_path / 'scan', POINTS)
    assert_read(read_scan(path, ColumnNames()), POINTS)


def test_all_endings_are_tried():
    endings = {path.split()[0] for path in WRITERS}
    assert endings == {ending[1:] for ending in ENDINGS}


coordinate = st.floats(-100, 100, width=32).map(lambda value: 0.0 if value == 0 else value)
point = st.tuples(*3 * [coordinate], *3 * [st.integers(0, 255)], *2 * [st.integers(-1, 300)])


@settings(max_examples=40, deadline=None)
@given(table=st.lists(point, min_size=2, max_size=20), name=st.sampled_from(sorted(WRITERS)))
def test_random_scans_in_random_formats(tmp_path_factory, table, name):
    table = np.array(table, dtype=np.float64)
    path = WRITERS[name](tmp_path_factory.mktemp('scan') / 'scan', table)
    assert_read(read_scan(path, ColumnNames()), table)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(WRITERS)), cut=st.floats(0, 0.95), junk=st.binary(max_size=8))
def test_cut_or_spoilt_files_raise_nothing_but_the_error_of_raw_data(
    tmp_path_factory, name, cut, junk
):
    path = WRITERS[name](tmp_path_factory.mktemp('scan') / 'scan', POINTS)
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content))] + junk)
    try:
        read_scan(path, ColumnNames())
    except RawDataError as error:
        assert str(path) in str(error) and '; expected ' in str(error)


@pytest.mark.parametrize(
    'column, name', [(column, name) for column in NAMES for name in NAMES[column]]
)
def test_every_accepted_name_is_found(tmp_path, column, name):
    names = list(NAMES)
    names[names.index(column)] = name.upper().replace('_', ' ')
    header = ','.join(names)
    rows = '\n'.join(','.join(map(str, row)) for row in POINTS.tolist())
    (tmp_path / 'scan.csv').write_text(f'{header}\n{rows}\n')
    assert_read(read_scan(tmp_path / 'scan.csv', ColumnNames()), POINTS)


@pytest.mark.parametrize(
    'columns, has_color, has_labels',
    [('x y z', 0, 0), ('x y z red green blue', 1, 0), ('x y z semantic instance', 0, 1)],
)
@pytest.mark.parametrize('ending', ['.txt', '.npy'])
def test_three_five_and_six_columns(tmp_path, columns, has_color, has_labels, ending):
    order = [list(NAMES).index(name) for name in columns.split()]
    path = WRITERS['txt' if ending == '.txt' else 'npy'](tmp_path / 'scan', POINTS[:, order])
    scan = read_scan(path, ColumnNames())
    np.testing.assert_array_equal(scan.coords, POINTS[:, :3])
    assert (scan.colors is not None) == has_color
    assert (scan.semantic is not None) == (scan.instance is not None) == has_labels
    if has_labels:
        np.testing.assert_array_equal(scan.instance, POINTS[:, 7])


@pytest.mark.parametrize('name', ['txt', 'npy', 'csv named'])
def test_columns_that_the_user_names(tmp_path, name):
    path = WRITERS[name](tmp_path / 'scan', POINTS)
    columns = ('instance', 'x', 'y', '-', '-', '-', 'z', 'semantic')
    scan = read_scan(path, ColumnNames(columns=columns))
    np.testing.assert_array_equal(scan.coords, POINTS[:, [1, 2, 6]])
    assert scan.instance.tolist() == POINTS[:, 0].tolist() and scan.colors is None


def test_names_that_the_user_gives(tmp_path):
    path = ply_writer(names=('x', 'y', 'z', 'red', 'green', 'blue', 'sort', 'label'))(
        tmp_path / 'scan', POINTS
    )
    scan = read_scan(path, ColumnNames(semantic='sort', instance='label'))
    assert scan.semantic.tolist() == POINTS[:, 6].tolist()
    assert scan.instance.tolist() == POINTS[:, 7].tolist()
    (tmp_path / 'scan.csv').write_text('x,y,z,label,scalar_Label,object\n1,2,3,4,5,6\n')
    for name, value in (('label', 4), ('scalar_Label', 5)):
        scan = read_scan(tmp_path / 'scan.csv', ColumnNames(semantic=name))
        assert scan.semantic.tolist() == [value]
    with pytest.raises(RawDataError, match=r"'kind' among them\. Correct --semantic-name"):
        read_scan(path, ColumnNames(semantic='kind'))


HEADER = 'x,y,z,red,green,blue,semantic,instance\n'
BAD_TEXTS = [
    ('', 'no line of numbers'),
    (HEADER, 'no line of numbers'),
    ('1 2 3 4\n', '4 columns without names; expected 3: x y z; 5: .*--columns x,y,z,-'),
    ('1 2 3 4 5 6 7\n', '7 columns without names'),
    (HEADER + '1,2,3,4,5,6,7\n', '8 names above 7 columns.*Name the columns'),
    ('x y z label instance\n1 2 3 4 5 6\n', '5 names above 6 columns'),  # colours by position
    ('# X Y Z nx ny nz (unit)\n1 2 3 4 5 6\n', '7 names above 6 columns'),
    ('X Y Z Object ID Class ID\n1 2 3 4 5\n', '7 names above 5 columns'),
    ('x\n5\n1\n2\n', 'y, z among them'),
    (HEADER + '1,2,3,4,5,6,7,8\n1,2,3,4,5,6,7\n', 'line 3 has 7 columns'),
    (HEADER + '1,2,3,4,5,6,7,8\n1,2,3,4,5,6,7,chair\n', "line 3 holds 'chair'"),
    ('1 2 3\n1 2 nano\n', "line 2 holds 'nano'"),
    ('1;2;3;\n4;5;6;\n', "lines that end with ';': '1;2;3;'; expected nothing behind.*--columns"),
    ('x,y,z\n1,2,3,\n4,5,6,\n', "lines that end with ','.*sed"),
    ('1;2;3;4;5;\n1;2;3;4;5;\n', "lines that end with ';'"),  # not six columns
    ('x,y,z\n"1","2","3"\n', 'line 2 has numbers in quotes'),
    ("'1';'2,5';'3'\n", 'line 1 has numbers in quotes'),
    ('x,y,z\n1,2,3\n"1","2","3"\n', 'line 3 holds .*in quotes, which must go'),
    ('1,5\t2,5\t3\n', 'line 1 has decimal commas between blanks or tabs.*semicolons between'),
    ('x y z\n1,5 2,5 -3,25\n', 'line 2 has decimal commas'),
    ('x,y,z\n1,2,3\n4,,\n5,', 'line 4 has 1 columns'),
    ('x,y,z\n1,2,3\n4,5,', 'line 3 has 2 columns'),  # possibly cut off
    ('x,y,z\n1,2,3\n4,,5,6\n', 'line 3 has 4 columns'),
    ('x y z\n1 2 3\n4  5\n', 'line 3 has 2 columns'),
    ('x,y,z\n1,2,3\n,5,6,7\n', 'line 3 has 4 columns'),
    ('1 2 three\n1 2 3\n', "line 1 reads '1 2 three'"),
    ('1e0 2 3\n1e0 2\n', 'columns changed'),
    ('x y z label class\n1 2 3 4 5\n', r"\['label', 'class'\], each of which may be semantic"),
    ('x y z label scalar_Label\n1 2 3 4 5\n', r"\['label', 'scalar_Label'\], each.*semantic-name"),
    ('x y z X label\n1 2 3 4 5\n', r"\['x', 'X'\], each of which may be x; .*Rename or remove"),
    ('x y z x label\n1 2 3 4 5\n', r"columns \['x'\] twice"),
    ('a b c\n1 2 3\n', 'x, y, z among them'),
    ('x y z red green\n1 2 3 4 5\n', '2 of the three colours'),
]


@pytest.mark.parametrize('text, message', BAD_TEXTS)
def test_bad_text(tmp_path, text, message):
    (tmp_path / 'scan.txt').write_text(text)
    with pytest.raises(RawDataError, match=f'scan.txt: .*{message}'):
        read_scan(tmp_path / 'scan.txt', ColumnNames())


def test_names_with_blanks_between_tabs(tmp_path):
    (tmp_path / 'scan.txt').write_text('X\tY\tZ\tObject ID\tClass ID\n0\t0\t0\t11\t3\n')
    scan = read_scan(tmp_path / 'scan.txt', ColumnNames())
    assert scan.semantic.tolist() == [3] and scan.instance.tolist() == [11]


@pytest.mark.parametrize(
    'above',
    [
        'x y z instance label\n2\n',
        '2\nx y z instance label\n',
        '//x y z instance label\n\n2\n',
        'x\ty\tz\tinstance\tlabel\n',
        'x,y,z,instance,label\n',
    ],
)
def test_names_and_number_of_points_in_either_order(tmp_path, above):
    (tmp_path / 'scan.pts').write_text(above + '0 0 0 11 3\n1 0 0 12 4\n')
    scan = read_scan(tmp_path / 'scan.pts', ColumnNames())
    assert scan.semantic.tolist() == [3, 4] and scan.instance.tolist() == [11, 12]


@pytest.mark.parametrize('remark', ['# taken on Monday', '# label of this scan: a kitchen'])
def test_a_remark_names_no_columns(tmp_path, remark):
    (tmp_path / 'scan.txt').write_text(f'{remark}\n0 0 0 3 11\n')
    assert read_scan(tmp_path / 'scan.txt', ColumnNames()).instance.tolist() == [11]


BAD_ARRAYS = [
    ('scan.npy', np.zeros(5), r'shape \(5,\)'),
    ('scan.npy', np.zeros((5, 4)), '4 columns without names'),
    ('scan.npy', np.array([{}], dtype=object), 'cannot be read.*Python objects'),
    ('scan.npz', {'stuff': np.zeros((5, 3)), 'label': np.zeros(5)}, 'called points or xyz'),
    ('scan.npz', {'points': np.zeros((5, 3)), 'label': np.zeros(4)}, r"5 entries in each of \['la"),
    ('scan.npz', dict(zip('XYZ', 3 * [np.zeros(5)]), label=np.zeros(4)), r"5 entries .* \['la"),
    ('scan.npz', {'points': np.zeros((5, 3)), 'label': np.zeros(5), 'Class': np.zeros(5)}, 'each'),
]


@pytest.mark.parametrize('name, content, message', BAD_ARRAYS)
def test_bad_arrays(tmp_path, name, content, message):
    if name.endswith('z'):
        np.savez(tmp_path / name, **content)
    else:
        np.save(tmp_path / name, content)
    with pytest.raises(RawDataError, match=message):
        read_scan(tmp_path / name, ColumnNames())


@pytest.mark.parametrize('name', ['npy', 'npz', 'ply'])
def test_remedy_fits_files_of_ones_own(tmp_path, name):
    path = WRITERS[name](tmp_path / 'scan', POINTS)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RawDataError) as error:
        read_scan(path, ColumnNames())
    assert 'Download' not in str(error.value)
    assert str(error.value).endswith(('correct it', 'are not read'))


def test_other_format_says_what_is_read(tmp_path):
    (tmp_path / 'scan.las').write_text('LASF')
    with pytest.raises(RawDataError, match="ending '.las'; expected .ply, .npz.*Export it as .ply"):
        read_scan(tmp_path / 'scan.las', ColumnNames())


def test_arrays_of_other_lengths_do_no_harm_if_nobody_needs_them(tmp_path):
    path = npz_writer()(tmp_path / 'scan', POINTS)
    arrays = dict(np.load(path))
    np.savez(path, **arrays, camera=np.zeros((4, 4)), palette=np.zeros(3))
    assert_read(read_scan(path, ColumnNames()), POINTS)


HOLES = [
    'nan',
    'NaN',
    '-nan',
    'NAN',
    '-nan(ind)',
    'nan(snan)',
    '1.#QNAN',
    '-1.#IND',
    '1.#QNAN0',
    '-1.#IND00',
]


@pytest.mark.parametrize('hole', HOLES)
@pytest.mark.parametrize('first', [True, False])
@pytest.mark.parametrize(
    'form', ['{} {} {}', 'x y z\n{} {} {}', '{},{},{}', '{};{};{}', '1e0 {} {}', '1e0,{},{}']
)
def test_holes_of_text_are_kept(tmp_path, hole, first, form):
    above, _, form = form.rpartition('\n')
    full, holed = form.format(1, 2, 3), form.format(hole, hole, 2.5)
    lines = [above] * bool(above) + ([holed, full] if first else [full, holed])
    (tmp_path / 'scan.txt').write_text('\n'.join(lines) + '\n')
    coords = read_scan(tmp_path / 'scan.txt', ColumnNames()).coords
    assert coords.shape == (2, 3) and np.isfinite(coords[1 if first else 0]).all()
    assert np.isnan(coords[0 if first else 1]).sum() == 2


@pytest.mark.parametrize(
    'word, value',
    [
        ('inf', np.inf),
        ('-inf', -np.inf),
        ('Infinity', np.inf),
        ('1.#INF', np.inf),
        ('-1.#INF00', -np.inf),
    ],
)
def test_infinite_places_of_text_are_kept(tmp_path, word, value):
    (tmp_path / 'scan.txt').write_text(f'1 2 3\n4 5 {word}\n')
    assert read_scan(tmp_path / 'scan.txt', ColumnNames()).coords[1, 2] == value


@pytest.mark.parametrize(
    'text',
    [
        'x,y,z,s\n1,2,3,4\n,,6,7\n8,9,1,\n',
        'x;y;z;s\n1;2;3;4\n ; ;6;7\n8;9;1;\n',
        'x\ty\tz\ts\n1\t2\t3\t4\n\t\t6\t7\n8\t9\t1\t\n',
        'x,y,z,s\r\n1,2,3,4\r\n,,6,7\r\n8,9,1,\r\n',
        'x,y,z,s\n1e0,2,3,4\n,,6,7\n8,9,1,\n',
    ],
)
def test_nothing_between_separators_is_a_hole(tmp_path, text):
    (tmp_path / 'scan.txt').write_bytes(text.encode())
    coords = read_scan(tmp_path / 'scan.txt', ColumnNames()).coords
    np.testing.assert_array_equal(coords, [(1, 2, 3), (np.nan, np.nan, 6), (8, 9, 1)])


@pytest.mark.parametrize(
    'text, columns',
    [
        ('x;y;z;\n1;2;3;\n4;5;6;\n', None),
        ('1,2,3,\n4,5,6,\n', ('x', 'y', 'z', '-')),
        ('x,y,z,,\n1,2,3,,\n4,5,6,,\n', None),
        ('x,y,z\n,,\n1,\t2,\t3\n,,\n4,5,6\n , ,\r\n,,\n', None),
        ('1e0;2;3;\n4;5;6;\n', ('x', 'y', 'z', '-')),
        ('1 2 3\r4 5 6\r', None),
        ('x y z\r1 2 3\r4 5 6', None),
    ],
)
def test_ends_of_lines(tmp_path, text, columns):
    (tmp_path / 'scan.txt').write_bytes(text.encode())
    scan = read_scan(tmp_path / 'scan.txt', ColumnNames(columns=columns))
    assert scan.coords.tolist() == [[1, 2, 3], [4, 5, 6]]
