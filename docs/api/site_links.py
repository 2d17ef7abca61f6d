# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Hook of mkdocs: pages from outside ``docs``, and links that work on the site and on GitHub.

The Markdown files link to each other and to code by paths relative to themselves, as on GitHub.
The site has only some of these files, in another layout. Each link is therefore resolved in the
repository first, and then points to the page of the site if there is one, else to the repository.
"""

import posixpath
import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Page of the site -> its file in the repository.
OUTSIDE = {
    'index.md': 'README.md',
    'tools.md': 'tools/README.md',
    'queryis.md': 'projects/queryis/README.md',
    'baselines.md': 'projects/insseg_baselines/README.md',
    'contributing.md': 'CONTRIBUTING.md',
    'changelog.md': 'CHANGELOG.md',
    'security.md': 'SECURITY.md',
}
FENCE = re.compile(r'^(```.*?^```[^\n]*$)', re.DOTALL | re.MULTILINE)
LINK = re.compile(r'(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)')
# References such as [1] of tables, which mkdocs would take for links to headings.
NUMBER = re.compile(r'(?<![^\s|])\[(\d+)\](?![(:])')
# Docstrings name other parts by roles, which Markdown does not have.
ROLE = re.compile(r':(?:class|func|meth|mod|attr|data|exc):(?=<code)')
# Badges are fetched from the network. The site does without them.
BADGE = re.compile(r'^\[!\[[^\n]*\n', re.MULTILINE)


def on_files(files, config):
    """Add the pages from outside ``docs``."""
    # Imported here, so the functions below can be tested without mkdocs.
    from mkdocs.structure.files import File

    for page, source in OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Rewrite the links of a page."""
    here = page.file.src_uri
    pages = {f'docs/{file.src_uri}': file.src_uri for file in files}
    pages |= {source: name for name, source in OUTSIDE.items()}
    source = OUTSIDE.get(here, f'docs/{here}')

    def resolve(target: str) -> str | None:
        return resolved(target, here=here, source=source, pages=pages, repository=config.repo_url)

    def title(link: str) -> str | None:
        file = files.get_file_from_path(
            posixpath.normpath(posixpath.join(posixpath.dirname(here), link))
        )
        return file.page.title if file is not None and file.page is not None else None

    return rewritten(BADGE.sub('', markdown), resolve, title)


def on_page_content(html, page, config, files):
    """Drop the roles of docstrings."""
    return ROLE.sub('', html)


def rewritten(
    markdown: str,
    resolve: Callable[[str], str | None],
    title: Callable[[str], str | None] = lambda link: None,
) -> str:
    """Resolve every link outside of code blocks.

    Args:
        markdown: text of a page.
        resolve: gives the address of a link on the site; None leaves only the link's text.
        title: gives the title of a page of the site. It replaces a path that is a link's text.
    """

    def replace(match: re.Match) -> str:
        mark, text, target = match.groups()
        link = resolve(target)
        if link is None:
            return text
        if text.strip('`') == target:
            text = title(link) or text
        return f'{mark}[{text}]({link})'

    parts = FENCE.split(markdown)
    parts[::2] = [NUMBER.sub(r'\\[\1\\]', LINK.sub(replace, part)) for part in parts[::2]]
    return ''.join(parts)


def resolved(
    target: str, *, here: str, source: str, pages: dict[str, str], repository: str | None
) -> str | None:
    """The address that a link has on the site.

    Args:
        target: the link as written, relative to ``source``.
        here: the page of the site that has the link.
        source: the file of the repository that the page was read from.
        pages: {file of the repository: page of the site}.
        repository: address of the repository, for files that are no pages.

    Returns:
        The new link; None if the site has no such page and the repository no address.
    """
    name, _, anchor = target.partition('#')
    if not name or '://' in target or target.startswith('mailto:'):
        return target
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), name))
    page = pages.get(path) or pages.get(f'{path}/README.md')
    if page is not None:
        link = posixpath.relpath(page, posixpath.dirname(here) or '.')
    elif repository:
        kind = 'tree' if (ROOT / path).is_dir() else 'blob'
        link = f'{repository.rstrip("/")}/{kind}/main/{path}'
    else:
        return None
    return f'{link}#{anchor}' if anchor else link
