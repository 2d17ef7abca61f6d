# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A headless browser, in which pages are tested and timed."""

import contextlib
import importlib.util
import shutil
import time
from collections.abc import Iterator
from typing import Any

from insseg_scans import optional_module

_FLAGS = (
    '--headless=new',
    '--no-sandbox',
    '--disable-dev-shm-usage',
    '--hide-scrollbars',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--no-first-run',
    '--force-device-scale-factor=1',
    '--use-gl=angle',
    '--use-angle=swiftshader',
    '--enable-unsafe-swiftshader',
)
_ORBIT_RADIUS = 150  # pixels


def find_browser() -> tuple[str, str] | None:
    """Return the paths of Chromium and its driver; None if one of them is missing."""
    names = ('chromium', 'chromium-browser', 'google-chrome')
    program = next(filter(None, map(shutil.which, names)), None)
    driver = shutil.which('chromedriver')
    return (program, driver) if program and driver else None


def can_browse() -> bool:
    """Return whether the requirements of :func:`open_browser` are installed."""
    return find_browser() is not None and importlib.util.find_spec('selenium') is not None


@contextlib.contextmanager
def open_browser(*, width: int = 1280, height: int = 720, dark: bool = False) -> Iterator[Any]:
    """Start a headless Chromium that draws in software, and end it afterwards.

    Args:
        width: Width of the page in pixels; below 600 it is that of a phone.
        height: Height of the page in pixels.
        dark: Whether the system of the reader prefers dark colours.

    Yields:
        Selenium's driver.

    Raises:
        RawDataError: If selenium is not installed.
        FileNotFoundError: If Chromium or its driver is not installed.
    """
    optional_module('selenium', 'the browser')
    webdriver = importlib.import_module('selenium.webdriver')
    found = find_browser()
    if found is None:
        raise FileNotFoundError(
            'Chromium or its driver is not installed: found no `chromium` with a `chromedriver` on '
            'the path. Install both, say with `apt-get install chromium chromium-driver`.'
        )
    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    for flag in (*_FLAGS, f'--window-size={width},{height}'):
        options.add_argument(flag)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    service = importlib.import_module('selenium.webdriver.chrome.service').Service(found[1])
    driver = webdriver.Chrome(options=options, service=service)
    try:
        driver.execute_cdp_cmd(
            'Emulation.setDeviceMetricsOverride',
            dict(width=width, height=height, deviceScaleFactor=1, mobile=width < 600),
        )
        driver.execute_cdp_cmd(
            'Emulation.setEmulatedMedia',
            dict(features=[dict(name='prefers-color-scheme', value='dark' if dark else 'light')]),
        )
        yield driver
    finally:
        driver.quit()


def load_page(driver: Any, address: str, *, timeout: float = 60.0) -> float:
    """Open a scene page and wait for its first picture.

    Returns:
        Seconds until the picture.

    Raises:
        TimeoutError: If nothing was drawn in time; the message has the page's console.
    """
    start = time.perf_counter()
    driver.get(address)
    while time.perf_counter() - start < timeout:
        if driver.execute_script(
            'return document.documentElement.dataset.ready '
            '&& (!viewer.renderer || viewer.frames > 0)'
        ):
            return time.perf_counter() - start
        time.sleep(0.02)
    raise TimeoutError(f'{address} drew nothing in {timeout:.0f} s; its console: {console(driver)}')


def console(driver: Any) -> list[str]:
    """Return the warnings and errors of the page since the last call."""
    return [
        entry['message']
        for entry in driver.get_log('browser')
        if entry['level'] in ('SEVERE', 'WARNING')
    ]


def mouse(driver: Any, kind: str, x: float, y: float, *, held: bool) -> None:
    """Send a mouse event as the system would; ``kind`` is, for example, 'mouseMoved'."""
    driver.execute_cdp_cmd(
        'Input.dispatchMouseEvent',
        dict(type=kind, x=x, y=y, button='left', buttons=int(held), clickCount=1),
    )


def orbit(driver: Any, seconds: float, centre: tuple[float, float]) -> dict[str, float]:
    """Drag the mouse to and fro over the scene, as a reader would turn it.

    Args:
        driver: Driver with a scene page.
        seconds: Duration.
        centre: Centre (x, y) of the drag in pixels.

    Returns:
        ``fps``: frames per second; ``points``: points of the last frame.
    """
    x, y = centre
    mouse(driver, 'mouseMoved', x, y, held=False)
    mouse(driver, 'mousePressed', x, y, held=True)
    frames = driver.execute_script('return viewer.frames')
    start = time.perf_counter()
    step = 0
    while (passed := time.perf_counter() - start) < seconds:
        step += 1
        shift = (step * 8) % (4 * _ORBIT_RADIUS)
        away = abs(shift - 2 * _ORBIT_RADIUS) - _ORBIT_RADIUS  # from side to side
        mouse(driver, 'mouseMoved', x + away, y, held=True)
    drawn, points = driver.execute_script('return [viewer.frames, viewer.drawn]')
    mouse(driver, 'mouseReleased', x, y, held=False)
    return dict(fps=(drawn - frames) / passed, points=points)
