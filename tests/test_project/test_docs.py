# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The worked examples in the docs print what the docs say."""
import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / 'docs'
PAGES = [path for path in sorted(DOCS.glob('*.md')) if '```python\n>>>' in path.read_text()]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_examples_print_what_they_say(page):
    results = doctest.testfile(str(page), module_relative=False)
    assert results.attempted > 3 and results.failed == 0


def test_there_are_examples():
    assert {page.name for page in PAGES} >= {'evaluation.md'}
