# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Rules of the house that a machine can check; CONTRIBUTING.md gives the reasons."""

import ast
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEADER = '# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.'
TEXT = {'.py', '.sh', '.md', '.cfg', '.toml', '.txt', '.yml', '.yaml', '.html', '.js', '.css', ''}
MOST_LINES_OF_FILE, MOST_LINES_OF_FUNCTION, MOST_LINES_OF_LEAF = 300, 60, 25
MOST_LINES_OF_KERNEL = 18_000
MOST_FILES_OF_FOLDER, MOST_FILES_OF_APIS = 15, 14
HOME_PATH = re.compile(r'(?<![\w.$}{>~/:-])/(?:home|root|Users|work|mnt|opt)/[\w.]')


def tracked(*patterns: str) -> list[Path]:
    """Files under version control; all files where there is no repository."""
    listed = subprocess.run(
        ['git', 'ls-files', '--', *patterns], cwd=ROOT, text=True, capture_output=True
    )
    if listed.returncode:
        paths = [path for pattern in patterns for path in ROOT.rglob(pattern)]
        return [path for path in paths if '.venv' not in path.parts]
    paths = [ROOT / line for line in listed.stdout.splitlines()]
    return [path for path in paths if path.is_file()]


def test_every_source_file_bears_the_licence():
    paths = tracked('projects/*.py', 'tools/*.py', 'tools/*.sh', 'tests/*.py')
    assert len(paths) > 20
    without = [
        str(path.relative_to(ROOT))
        for path in paths
        if path.stat().st_size and HEADER not in path.read_text().split('\n')[:3]
    ]
    assert not without


def test_licence_is_the_whole_apache_licence():
    text = (ROOT / 'LICENSE').read_text()
    assert 'Version 2.0, January 2004' in text and 'END OF TERMS AND CONDITIONS' in text
    assert len(text.splitlines()) > 190


def test_no_file_names_a_folder_of_one_machine():
    found = [
        f'{path.relative_to(ROOT)}: {line.strip()}'
        for path in tracked()
        if path.suffix in TEXT and path.name != 'LICENSE' and path != Path(__file__)
        for line in path.read_text(errors='ignore').splitlines()
        if HOME_PATH.search(line)
    ]
    assert not found


@pytest.mark.parametrize(
    'line, bad',
    [
        ('see /home/me/data', True),
        ("open('/root/x')", True),
        ('cd /work/here', True),
        ('https://host.org/home/x', False),
        ('$HOME/work/x', False),
        ('docs/work/page', False),
    ],
)
def test_finds_a_folder_of_one_machine(line, bad):
    assert bool(HOME_PATH.search(line)) == bad


def long_functions(tree: ast.AST, most: int) -> list[str]:
    return [
        f'{node.name}: {node.end_lineno - node.lineno + 1} lines'
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.end_lineno - node.lineno + 1 > most
    ]


def bad_habits(tree: ast.AST) -> list[str]:
    """Mutable defaults, ``.cuda()``, and a bare ``except``."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            defaults = [*node.args.defaults, *node.args.kw_defaults]
            if any(isinstance(default, (ast.List, ast.Dict, ast.Set)) for default in defaults):
                found.append(f'line {node.lineno}: a default that calls share')
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == 'cuda'
            and not node.args
        ):
            found.append(f'line {node.lineno}: .cuda()')
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            found.append(f'line {node.lineno}: except without a class')
    return found


@pytest.mark.parametrize(
    'path', tracked('projects/*.py', 'tools/*.py'), ids=lambda path: str(path.relative_to(ROOT))
)
def test_files_and_functions_are_short_and_keep_good_habits(path):
    source = path.read_text()
    tree = ast.parse(source)
    assert len(source.splitlines()) <= MOST_LINES_OF_FILE
    assert not long_functions(tree, MOST_LINES_OF_FUNCTION)
    assert not bad_habits(tree)


@pytest.mark.parametrize(
    'source, count',
    [
        ('def f(x=[]): pass', 1),
        ('def f(*, x={}): pass', 1),
        ('model.cuda()', 1),
        ('try:\n    f()\nexcept:\n    pass', 1),
        ('def f(x=(), y=None): x.to(y)', 0),
    ],
)
def test_finds_bad_habits(source, count):
    assert len(bad_habits(ast.parse(source))) == count


def test_finds_long_functions():
    tree = ast.parse('def f():\n' + '    pass\n' * 9)
    assert long_functions(tree, 9) == ['f: 10 lines'] and not long_functions(tree, 10)


def test_the_kernel_and_its_folders_are_small():
    kernel = tracked('projects/insseg3d/*.py')
    assert sum(len(path.read_text().splitlines()) for path in kernel) <= MOST_LINES_OF_KERNEL
    folders = Counter(path.parent.relative_to(ROOT).as_posix() for path in tracked('projects/*.py'))
    assert folders['projects/insseg3d/apis'] <= MOST_FILES_OF_APIS
    assert not {name: n for name, n in folders.items() if n > MOST_FILES_OF_FOLDER}


def test_lint_checks_the_format_and_blame_skips_the_commit_that_changed_it():
    makefile = (ROOT / 'Makefile').read_text()
    assert 'ruff format --check .' in makefile.split('\nlint:')[1].split('\n\n')[0]
    for line in (ROOT / '.git-blame-ignore-revs').read_text().splitlines():
        assert line.startswith('#') or re.fullmatch(r'[0-9a-f]{40}(  #.*)?', line)


def test_leaves_are_short():
    leaves = [path for path in tracked('configs/*.py') if '_base_' not in path.parts]
    assert len(leaves) >= 2
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in leaves}
    assert not {name: n for name, n in lengths.items() if n > MOST_LINES_OF_LEAF}


# Each folder of configs with a metafile is a method's, but for that of mixed models.
METHODS = {path.parent.name for path in ROOT.glob('configs/*/metafile.yml')} - {'mixing'}
_NAMES = '|'.join('_?'.join(name) for name in sorted({*METHODS, 'rpgneck'}))
NAME_OF_METHOD = re.compile(f'(?i)(?<![a-z])({_NAMES})')


def methods_named(source: str) -> list[str]:
    """Methods that code names: in identifiers and strings, not in docstrings and comments.

    A docstring may cite a method as the source of a number; the code must not know one.
    """
    tree = ast.parse(source)
    texts = []
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body[0].value.value = ''
    for node in ast.walk(tree):
        texts += [value for _, value in ast.iter_fields(node) if isinstance(value, str)]
    return NAME_OF_METHOD.findall(' '.join(texts))


def test_kernel_names_no_method():
    assert not {
        path: names
        for path in tracked('projects/insseg3d/*.py')
        if (names := methods_named(path.read_text()))
    }


def test_finds_methods_that_are_named():
    assert {'queryis', 'hais'} <= METHODS
    assert methods_named('from queryis import x') == ['queryis']
    assert methods_named('class A:\n    """As PointGroup."""\n    name = "soft_group"') == [
        'soft_group'
    ]


def slow_tests() -> set[str]:
    """Names of the tests that are marked slow."""
    found = set()
    for path in tracked('tests/*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and any(
                'mark.slow' in ast.unparse(decorator) for decorator in node.decorator_list
            ):
                found.add(node.name)
    return found


def test_contributing_lists_the_slow_tests():
    text = (ROOT / 'CONTRIBUTING.md').read_text()
    table = text.split('<!-- slow tests -->')[1].split('<!-- end of slow tests -->')[0]
    assert set(re.findall(r'`(test_\w+)`', table)) == slow_tests()
