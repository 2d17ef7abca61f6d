# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Examples in the docs print what the docs show, links work, and the README stays short."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / 'docs'
PAGES = [path for path in sorted(DOCS.glob('*.md')) if '```python\n>>>' in path.read_text()]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_examples_print_what_they_say(page):
    results = doctest.testfile(str(page), module_relative=False)
    assert results.attempted > 3 and results.failed == 0


def test_there_are_examples():
    assert {page.name for page in PAGES} >= {'evaluation.md'}


def test_readme_is_short_and_soon_shows_python():
    lines = (ROOT / 'README.md').read_text().splitlines()
    assert len(lines) <= 110
    assert '```python' in lines[:45]
    assert any('make test' in line for line in lines) and any('make demo' in line for line in lines)


def test_list_of_commands_has_every_command():
    page = (ROOT / 'tools' / 'README.md').read_text()
    commands = {
        path.name
        for path in (ROOT / 'tools').glob('*.py')
        if "__name__ == '__main__'" in path.read_text()
    }
    commands |= {path.name for path in (ROOT / 'tools').glob('*.sh')}
    assert len(commands) > 20
    assert set(re.findall(r'`(\w+\.(?:py|sh))`(?=[ ,])', page)) >= commands


def links(page: Path) -> list[str]:
    """Addresses of links and pictures in a page, without those in blocks of code."""
    text = re.sub(r'^```.*?^```', '', page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r'\]\(([^)\s]+)\)', text)


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r'^```.*?^```', '', page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r'^#+ (.*)$', text, re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


def broken(page: Path) -> list[str]:
    """Links of a page to files or headings that do not exist."""
    found = []
    for link in links(page):
        name, _, anchor = link.partition('#')
        if '://' in link:
            continue
        target = page.parent / name if name else page
        if not target.exists() or anchor and anchor not in anchors(target):
            found.append(link)
    return found


@pytest.mark.parametrize(
    'page',
    sorted(
        path
        for folder in ('.', 'docs', 'configs', 'projects', 'tools', 'docker', 'results')
        for path in (ROOT / folder).glob('*.md' if folder == '.' else '**/*.md')
    ),
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_links_lead_somewhere(page):
    assert not broken(page)


def test_finds_links_that_lead_nowhere(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text(
        '# One, two?\n[a](page.md#one-two) [b](#three) [c](gone.md)\n[d](https://x.org/y)\n'
    )
    assert broken(page) == ['#three', 'gone.md']
