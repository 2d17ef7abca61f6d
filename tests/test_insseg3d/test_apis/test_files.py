# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The index page of all scans."""

import html
import re
from urllib.parse import unquote, urlsplit

from insseg3d.apis.files import Outcome, write_index


def test_links_lead_to_the_files_whatever_a_scan_is_called(tmp_path):
    names = ['room #2', '50%25 done', 'a?b', 'c&d "e"', 'plain']
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / 'thumbnail.png').write_bytes(b'picture')
        (tmp_path / name / 'view.html').touch()
    path = tmp_path / 'index.html'
    write_index(path, [Outcome(f'{name}.ply', name, 'done', 'found') for name in names], 'scans')
    links = re.findall(r'href="([^"]*view\.html)"', path.read_text(encoding='utf-8'))
    assert len(links) == len(names)
    for link in links:
        parts = urlsplit(html.unescape(link))
        assert not parts.query and not parts.fragment
        assert (tmp_path / unquote(parts.path)).is_file()
