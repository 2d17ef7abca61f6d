# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The content of a page; test_page_in_browser.py tests it in a browser."""

import base64
import gzip
import hashlib
import html.parser
import json
import re
from importlib import resources

import numpy as np
import pytest
from scipy.spatial import cKDTree

from insseg3d.visualization import InstanceMap, Scene, write_scene_page
from insseg3d.visualization.page.vendor import three
from insseg3d.visualization.page_data import quantise

CLASSES = ('bed', 'chair', '</script><b>')


def room(num_points=3000, *, num_objects=3, name='room & <co>', seed=0):
    """Make blocks in a row on a floor; the last one is not predicted."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(-1, num_objects, num_points)
    coords = rng.random((num_points, 3)) * (0.8, 0.8, 0.8)
    coords[:, 0] += truth
    floor = truth < 0
    coords[floor] = rng.random((floor.sum(), 3)) * (num_objects, 3.0, 0.0) - (0, 1, 0)
    pred = np.where(truth == num_objects - 1, -1, truth)
    labels = np.arange(num_objects) % len(CLASSES)
    scores = np.linspace(0.9, 0.3, num_objects - 1)
    return Scene.of(
        name,
        np.column_stack([coords + 100, rng.integers(0, 256, (num_points, 3))]),
        pred=InstanceMap.of(pred, labels[:-1], scores),
        truth=InstanceMap.of(truth, labels),
    )


class Parser(html.parser.HTMLParser):
    """Parser that collects scripts and checks that tags are closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.attributes, self.scripts = [], [], {}

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, *attribute) for attribute in attrs]
        if tag not in ('meta', 'link', 'input', 'br', 'img'):
            self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, text):
        if self.open and self.open[-1][0] == 'script':
            self.scripts[self.open[-1][1].get('id')] = text


def parse(path):
    parser = Parser()
    parser.feed(path.read_text(encoding='utf-8'))
    parser.close()
    assert not parser.open
    return parser, json.loads(parser.scripts['data'])


def unpack(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype=dtype)


@pytest.fixture
def page(tmp_path):
    return tmp_path / 'demo' / 'index.html'


def test_embedded_scene_decodes_to_the_scan(page):
    scene = room()
    write_scene_page(page, [scene], classes=CLASSES, title='Rooms')
    (packed,) = parse(page)[1]['scenes']
    coords = unpack(packed['xyz'], '<u2').reshape(-1, 3) * packed['step'] + packed['origin']
    assert packed['step'] < 1e-4
    distance, rows = cKDTree(scene.coords).query(coords)  # points are shuffled
    np.testing.assert_array_equal(np.sort(rows), np.arange(3000))
    assert distance.max() <= packed['step'] / 2 * np.sqrt(3) * (1 + 1e-9)
    np.testing.assert_array_equal(unpack(packed['rgb'], np.uint8).reshape(-1, 3), scene.rgb[rows])
    for kind, objects in (('pred', scene.pred), ('truth', scene.truth)):
        ids = unpack(packed[kind]['ids'], np.uint8).astype(int) - 1
        np.testing.assert_array_equal(ids, objects.instance[rows])
        assert [item['label'] for item in packed[kind]['items']] == objects.labels.tolist()
        assert [item['points'] for item in packed[kind]['items']] == objects.sizes.tolist()
    assert [item['status'] for item in packed['pred']['items']] == ['found', 'found']
    assert [item['status'] for item in packed['truth']['items']] == ['found', 'found', 'missed']
    assert packed['figure'] == '2 of 3 found'
    assert (packed['shown'], packed['total']) == (3000, 3000)


def test_page_needs_no_network_and_survives_any_name(page):
    write_scene_page(
        page, [room()], classes=CLASSES, title='{{js}} & </title>', notes=['{{css}} <i>']
    )
    parser, data = parse(page)
    text = page.read_text(encoding='utf-8')
    assert not re.search(r'https?:|//[a-z0-9-]+\.[a-z]', text.replace(parser.scripts['data'], ''))
    assert '<' not in parser.scripts['data']
    for _, name, value in parser.attributes:
        assert name not in ('src', 'href') or value == 'data:,'
    assert '@import' not in text and 'url(' not in text and 'fetch(' not in text
    assert data['title'] == '{{js}} & </title>' and data['notes'] == ['{{css}} <i>']
    assert data['classes'] == list(CLASSES) and data['scenes'][0]['name'] == 'room & <co>'


def test_same_input_same_bytes(page, tmp_path):
    for target in (page, tmp_path / 'again.html'):
        write_scene_page(target, [room(), room(seed=1)], classes=CLASSES, title='', max_points=999)
    assert page.read_bytes() == (tmp_path / 'again.html').read_bytes()


def test_large_scans_are_thinned_and_pages_stay_small(page):
    scenes = [room(60_000, seed=seed) for seed in range(2)]
    write_scene_page(page, scenes, classes=CLASSES, title='', max_points=20_000)
    packed = parse(page)[1]['scenes'][0]
    assert (packed['shown'], packed['total']) == (20_000, 60_000)
    assert len(unpack(packed['pred']['ids'], np.uint8)) == 20_000
    assert sum(item['points'] for item in packed['pred']['items']) > 20_000  # of the whole scan
    assert page.stat().st_size < 2 * 20_000 * 15 + 900_000


def test_first_points_are_a_sample_of_all(page):
    scene = room(20_000)
    scene = scene.take(np.argsort(scene.truth.instance))  # object by object
    write_scene_page(page, [scene], classes=CLASSES, title='')
    (packed,) = parse(page)[1]['scenes']
    ids = unpack(packed['truth']['ids'], np.uint8)
    share = np.bincount(ids[:2000], minlength=4) / 2000
    np.testing.assert_allclose(share, np.bincount(ids) / 20_000, atol=0.04)


def test_objects_have_their_upright_boxes(page):
    rng = np.random.default_rng(0)
    box = (rng.integers(0, 2, (200, 3)) - 0.5) * (2.0, 0.5, 1.0)  # its corners
    angle = np.deg2rad(30)
    turned = box @ np.array(
        [[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    scene = Scene.of(
        'box', turned + (50, 60, 0.5), pred=InstanceMap.of(np.zeros(200, int), [0, 1], [0.5, 0.4])
    )
    write_scene_page(page, [scene], classes=CLASSES, title='')
    full, empty = (item['box'] for item in parse(page)[1]['scenes'][0]['pred']['items'])
    np.testing.assert_allclose(full['size'], (2, 0.5, 1), atol=1e-3)
    np.testing.assert_allclose(full['centre'], (50, 60, 0.5), atol=1e-3)
    assert full['yaw'] % np.pi == pytest.approx(angle, abs=1e-3) and empty is None


def test_the_library_is_carried_as_it_was_published(page):
    for name, digest in three.SHA256.items():
        file = resources.files(three) / name
        assert hashlib.sha256(file.read_bytes()).hexdigest() == digest, name
    write_scene_page(page, [room()], classes=CLASSES, title='')
    scripts = parse(page)[0].scripts
    for key, name in (
        ('three-core', 'three.core.min.js'),
        ('three-module', 'three.module.min.js'),
        ('three-controls', 'OrbitControls.js'),
    ):
        carried = gzip.decompress(base64.b64decode(scripts[key]))
        assert hashlib.sha256(carried).hexdigest() == three.SHA256[name]
    assert 'MIT License' in scripts['three-licence']


def test_metrics_become_cards_and_a_table(page):
    metrics = {'AP': 0.25, 'AP50': 0.5, 'AP25': 0.75, 'num_objects': 9, 'num_objects_scored': 7}
    for name in ('AP', 'AP50', 'AP25'):
        metrics |= {f'{name}/bed': 0.125, f'{name}/chair': float('nan')}
    write_scene_page(page, [room()], classes=CLASSES, title='', metrics=metrics)
    data = parse(page)[1]
    assert [card['value'] for card in data['cards']] == ['50.0', '25.0', '75.0', '7 / 9']
    assert data['table']['classes'] == ['bed']
    assert data['table']['rows'][0] == {'name': 'AP', 'overall': 0.25, 'values': [0.125]}


def test_scan_alone_and_odd_scenes(page):
    many = room(9000, num_objects=300)
    scenes = [
        Scene.of('alone', room().coords),
        Scene.of('empty', np.zeros((0, 6))),
        Scene.of('point', np.ones((1, 3)), pred=InstanceMap.of([-1], [])),
        many,
    ]
    write_scene_page(page, scenes, classes=CLASSES, title='')
    alone, empty, point, packed = parse(page)[1]['scenes']
    assert alone['pred'] is None and alone['truth'] is None and alone['share'] is None
    assert empty['total'] == 0 and point['pred']['items'] == []
    ids = unpack(packed['truth']['ids'], '<u2').astype(int) - 1
    np.testing.assert_array_equal(np.bincount(ids + 1), np.bincount(many.truth.instance + 1))


def test_refusals(page):
    with pytest.raises(ValueError, match='at least one scene'):
        write_scene_page(page, [], classes=CLASSES, title='')
    with pytest.raises(ValueError, match='class 2, but there are 2 class names'):
        write_scene_page(page, [room()], classes=CLASSES[:2], title='')


def test_quantised_coordinates_far_from_the_origin():
    coords = np.random.default_rng(0).random((500, 3)) * (8, 6, 3) + (4e5, 5e6, 300)
    origin, step, quantised = quantise(coords)
    assert quantised.dtype == np.uint16 and step == pytest.approx(8 / 65535, rel=0.01)
    assert np.abs(origin + step * quantised.astype(float) - coords).max() <= step / 2 + 1e-8
