# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A page in a browser, for tests that use it like a reader."""

import io

import numpy as np
from PIL import Image

from insseg_lab.browser import console, load_page, mouse


class Page:
    """A scene page in a browser, with the actions of a reader and their visible effects."""

    def __init__(self, driver, path):
        self.driver = driver
        mouse(driver, 'mouseMoved', 2, 2, held=False)  # not at its position in an earlier test
        driver.set_script_timeout(60)
        load_page(driver, path.as_uri())

    def run(self, script, *args):
        return self.driver.execute_script(script, *args)

    def complaints(self):
        return console(self.driver)

    def find(self, selector):
        return self.driver.find_element('css selector', selector)

    def texts(self, selector):
        return self.run(
            'return [...document.querySelectorAll(arguments[0])]'
            '.filter((e) => e.offsetParent).map((e) => e.innerText)',
            selector,
        )

    def press(self, selector):
        self.run('document.querySelector(arguments[0]).click()', selector)

    def settle(self):
        """Wait until the requested view is drawn."""
        self.driver.execute_async_script(
            'const done = arguments[0], wait = () => requestAnimationFrame(() => '
            'viewer.pending || viewer.holds.size ? wait() : requestAnimationFrame(done)); wait();'
        )

    def picture(self):
        """Return the stage as ``(height, width, 3)`` numbers."""
        self.settle()
        whole = np.asarray(Image.open(io.BytesIO(self.driver.get_screenshot_as_png())))[..., :3]
        x, y, width, height = self.place('#stage')
        return whole[y : y + height, x : x + width].astype(float)

    def place(self, selector):
        return [
            round(value)
            for value in self.run(
                'const b = document.querySelector(arguments[0]).getBoundingClientRect();'
                'return [b.left, b.top, b.width, b.height]',
                selector,
            )
        ]

    def click(self, row, column):
        """Click a pixel of the stage."""
        x, y, *_ = self.place('#stage')
        for kind, held in (('mouseMoved', False), ('mousePressed', True), ('mouseReleased', False)):
            mouse(self.driver, kind, x + column, y + row, held=held)

    def chosen(self):
        """Return (list, class) of the marked rows."""
        return [
            tuple(pair)
            for pair in self.run(
                "return [...document.querySelectorAll('.objects [aria-pressed=true]')]"
                '.map((row) => '
                "[row.closest('ul').id, row.querySelector('.name').innerText])"
            )
        ]


def inside(tone):
    """Find pixels whose neighbours all have the same colour, away from any edge."""
    result = tone.copy()
    for axis in (0, 1):
        for shift in range(-4, 5):
            result &= np.roll(tone, shift, axis)
    return result


def tone_of(picture, color):
    """Find the pixels of a colour, darker or lighter."""
    size = np.linalg.norm(picture, axis=2) * np.linalg.norm(color) + 1e-9
    return (picture @ np.asarray(color, dtype=float) / size > 0.995) & (size > 3000)
