# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Pages in a headless Chromium; skipped if it, its driver or selenium is missing."""

import importlib

import numpy as np
import pytest

from insseg3d.visualization import InstanceMap, Scene, write_scene_page
from insseg_lab.browser import can_browse, open_browser, orbit

from .pages import Page, inside, tone_of

pytestmark = pytest.mark.skipif(
    not can_browse(), reason='no Chromium, driver or selenium is installed'
)
CLASSES = ('bed', 'chair', 'lamp')


def blocks(name='blocks', num_points=24_000, seed=0):
    """Make a bed, a chair and a lamp on a floor; the lamp is missed, the chair taken for a bed."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(-1, 3, num_points)
    coords = rng.random((num_points, 3)) * 0.8
    coords[:, 0] += 1.2 * truth
    floor = truth < 0
    coords[floor] = rng.random((floor.sum(), 3)) * (3.4, 2.6, 0.0) - (0, 0.9, 0)
    grey = np.full((num_points, 3), 128)
    return Scene.of(
        name,
        np.c_[coords + (30, 40, 0), grey],
        pred=InstanceMap.of(np.where(truth == 2, -1, truth), [0, 0], [0.9, 0.4]),
        truth=InstanceMap.of(truth, [0, 1, 2]),
    )


@pytest.fixture(scope='module')
def driver():
    with open_browser(width=1280, height=900) as driver:
        yield driver


@pytest.fixture(scope='module')
def paths(tmp_path_factory):
    """Write pages of two scenes with truth, and of a scan with predicted objects only."""
    folder = tmp_path_factory.mktemp('pages')
    scene = blocks()
    return dict(
        two=write_scene_page(
            folder / 'two.html',
            [scene, blocks('second', 5000, 1)],
            classes=CLASSES,
            title='Two rooms',
            metrics=dict(AP=0.5, AP50=0.75),
        ),
        found=write_scene_page(
            folder / 'found.html',
            [Scene(scene.name, scene.coords, scene.rgb, scene.pred)],
            classes=CLASSES,
            title='A scan',
            score_thr=0.3,
            max_points=20_000,
        ),
    )


@pytest.fixture
def two(driver, paths):
    page = Page(driver, paths['two'])
    yield page
    assert page.complaints() == []


@pytest.fixture
def found(driver, paths):
    page = Page(driver, paths['found'])
    yield page
    assert page.complaints() == []


def color_of(page, key, index):
    return page.run('return viewer.scene[arguments[0]].items[arguments[1]].color', key, index)


def middle(mask):
    """Find a pixel near the middle of a patch."""
    rows, columns = np.nonzero(inside(mask))
    assert len(rows) > 50
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    return int(rows[nearest]), int(columns[nearest])


def shown_in(pictures, color):
    return [bool(tone_of(picture, color).mean() > 0.005) for picture in pictures]


def test_three_views_are_drawn_side_by_side(two):
    assert two.run('return document.documentElement.dataset.renderer') == 'webgl'
    assert two.texts('.pane h3') == [
        'Input 24,000 points',
        'Prediction 2 objects',
        'Ground truth 3 objects',
    ]
    picture = two.picture()
    thirds = np.split(picture[:, : picture.shape[1] // 3 * 3], 3, axis=1)
    drawn = [(np.abs(third - picture[-5, 5]) > 24).any(axis=2).mean() for third in thirds]
    assert min(drawn) > 0.05 and np.ptp(drawn) < 0.05
    bed, lamp = color_of(two, 'pred', 0), color_of(two, 'truth', 2)
    assert shown_in(thirds, bed) == [False, True, True]
    assert shown_in(thirds, lamp) == [False, False, True]
    two.press('#modes [data-mode=errors]')
    thirds = np.array_split(two.picture(), 3, axis=1)
    statuses = two.run(
        'return Object.fromEntries([...document.querySelectorAll(".statuses li")]'
        '.map((e) => [e.innerText, e.firstChild.style.background.match(/\\d+/g)]))'
    )
    found, missed = (np.array(statuses[name], dtype=float) for name in ('found', 'missed'))
    assert shown_in(thirds, found) == [False, True, True]
    assert shown_in(thirds, missed)[2]


def test_every_mode_has_its_own_picture(two):
    two.press('#beside')
    modes = two.texts('#modes button')
    assert modes == ['Colour', 'Class', 'Instance', 'Score', 'Ground truth', 'Errors']
    pictures = []
    for number in range(len(modes)):
        two.press(f'#modes button:nth-child({number + 1})')
        pictures.append(two.picture())
        assert len(two.texts('.pane')) == 1
    for number, picture in enumerate(pictures):
        assert all(np.abs(picture - other).mean() > 0.5 for other in pictures[:number])
    status = two.run(
        'return [...document.querySelectorAll(".statuses li")].map((e) => '
        '[e.innerText, e.firstChild.style.background.match(/\\d+/g).map(Number)])'
    )
    seen = {name for name, color in status if inside(tone_of(pictures[-1], color)).sum() > 50}
    assert seen == {'found', 'wrong class', 'missed'}


def test_click_selects_the_object_under_it(found):
    assert found.texts('.pane h3 small') == ['2 objects']
    picture = found.picture()
    for index, score in ((0, '0.90'), (1, '0.40')):
        found.click(*middle(tone_of(picture, color_of(found, 'pred', index))))
        assert found.chosen() == [('pred-list', 'bed')]
        (card,) = found.texts('#selected')
        assert f'object {index + 1}' in card and score in card
        assert '0.80 × 0.80 × 0.80 m' in card.replace('0.79', '0.80')
    chosen = found.picture()  # the other object is faded
    assert tone_of(chosen, color_of(found, 'pred', 1)).sum() > 500
    assert tone_of(chosen, color_of(found, 'pred', 0)).sum() < 50
    found.click(8, 400)  # nothing there
    assert found.chosen() == []
    assert np.abs(found.picture() - picture).mean() < 0.5


def test_what_belongs_together_lights_up_in_all_views(two):
    two.press('#truth-list button[data-index="0"]')
    picture = two.picture()
    assert two.chosen() == [('truth-list', 'bed')]
    thirds = np.array_split(picture, 3, axis=1)
    assert min(tone_of(third, color_of(two, 'pred', 0)).sum() for third in thirds[1:]) > 300


def test_slider_changes_what_counts(found):
    before = found.picture()
    assert found.texts('#pred-count') == ['2'] and len(found.texts('#pred-list .name')) == 2
    assert found.texts('#score-out') == ['0.30']  # the page's initial value
    found.run(
        "const s = document.getElementById('score'); s.value = 0.6;"
        "s.dispatchEvent(new Event('input'))"
    )
    assert found.texts('#pred-count') == ['1 of 2'] and len(found.texts('#pred-list .name')) == 1
    after, chair = found.picture(), color_of(found, 'pred', 1)
    assert tone_of(before, chair).sum() > 1000 and tone_of(after, chair).sum() < 50
    found.click(*middle(tone_of(before, chair)))
    assert found.chosen() == []  # entries without objects cannot be chosen


def test_classes_and_the_rest_can_be_hidden(two):
    two.press('#beside')
    picture = two.picture()
    assert [text.split('\n')[1] for text in two.texts('#legend button')] == [
        'bed',
        'chair',
        'lamp',
        'the rest',
    ]
    two.press('#legend li:nth-child(1) button')
    hidden = two.picture()
    assert two.texts('#pred-list .name') == []
    assert two.texts('#truth-list .name') == ['chair', 'lamp']
    for index in (0, 1):  # both predicted ones are beds
        color = color_of(two, 'pred', index)
        assert tone_of(picture, color).sum() > 1000 > 50 > tone_of(hidden, color).sum()
    two.press('#legend li:nth-child(4) button')
    assert np.ptp(two.picture()[60:-60], axis=(0, 1)).max() < 24  # nothing is left
    two.press('#legend li:nth-child(1) button')
    two.press('#legend li:nth-child(4) button')
    assert np.abs(two.picture() - picture).max() < 2


def test_keyboard_reaches_everything(two):
    keys = importlib.import_module('selenium.webdriver.common.keys').Keys
    stage = two.find('#stage')

    def picture():
        return two.picture()[8:-8, 8:-8]  # within the frame that marks the focus

    start = picture()
    stage.send_keys(keys.ARROW_LEFT)
    turned = picture()
    stage.send_keys('+')
    zoomed = picture()
    stage.send_keys(keys.SHIFT + keys.ARROW_UP)
    moved = picture()
    pictures = [start, turned, zoomed, moved]
    assert all(np.abs(a - b).mean() > 0.3 for a, b in zip(pictures, pictures[1:]))
    stage.send_keys('0')
    assert np.abs(picture() - start).max() < 2
    two.press('#pred-list button')
    stage.send_keys(keys.ESCAPE)
    assert two.chosen() == []
    stage.send_keys(']')
    assert two.texts('.tab[aria-selected=true] .name') == ['second']
    two.find('#modes button').send_keys(keys.ENTER)
    assert two.texts('#modes [aria-pressed=true]') == ['Colour']
    two.find('#legend button').send_keys(keys.SPACE)
    assert two.run('return document.activeElement.getAttribute("aria-pressed")') == 'false'
    focusable = two.run(
        "return [...document.querySelectorAll('button, input, summary, #stage')]"
        ".every((e) => e.tabIndex >= 0 || e.getAttribute('role') === 'tab')"
    )
    assert focusable


def test_mouse_turns_and_all_points_are_drawn_at_rest(found):
    start = found.picture()
    x, y, width, height = found.place('#stage')
    frames = orbit(found.driver, 0.5, (x + width / 2, y + height / 2))
    assert frames['fps'] > 0
    turned = found.picture()
    assert np.abs(turned - start).mean() > 0.5
    visible = found.run('return viewer.panes[0].visible')
    assert found.run('return viewer.drawn') == visible > 10_000
    found.run(
        "document.getElementById('stage').dispatchEvent(new WheelEvent('wheel', "
        '{deltaY: -240, cancelable: true, clientX: 300, clientY: 300}))'
    )
    assert np.abs(found.picture() - turned).mean() > 0.5


def test_slow_browsers_draw_fewer_points_in_motion(found):
    slow = """
        Object.assign(viewer, {budget: Infinity, lastTime: 1000});
        viewer.look.sparing = arguments[0];
        viewer.spare(1000 + arguments[1]);
        return viewer.budget === Infinity ? null : viewer.budget;"""
    found.run('viewer.panes[0].visible = 200000')
    assert found.run(slow, True, 400) == 100_000  # half as many the next time
    assert found.run(slow, True, 10) is None and found.run(slow, False, 400) is None


def test_thinned_scans_say_so(found):
    assert found.texts('#hint')[0].startswith('Displays 20,000 of 24,000 points.')


def test_phone_in_the_dark(paths):
    with open_browser(width=390, height=844, dark=True) as driver:
        page = Page(driver, paths['two'])
        assert page.run('return document.documentElement.dataset.theme') == 'dark'
        assert page.run('return document.documentElement.scrollWidth') == 390
        assert len(page.texts('.pane')) == 1
        picture = page.picture()
        assert picture[-5, 5].max() < 40
        assert inside(tone_of(picture, color_of(page, 'pred', 0))).sum() > 50
        page.press('#theme')
        assert page.picture()[-5, 5].min() > 240
        assert page.complaints() == []
        # Without WebGL, the page shows lists and a picture.
        driver.execute_cdp_cmd(
            'Page.addScriptToEvaluateOnNewDocument',
            dict(source='HTMLCanvasElement.prototype.getContext = () => null'),
        )
        page = Page(driver, paths['two'])
        assert 'cannot rotate the scene' in page.texts('.still')[0]
        page.press('#pred-list button')
        assert page.chosen() == [('pred-list', 'bed')]
        assert page.run("return document.querySelector('.still img').naturalWidth") > 100
