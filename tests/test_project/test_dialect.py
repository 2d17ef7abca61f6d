# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""One dialect: the form of docstrings and of imports, as CONTRIBUTING.md describes it."""

import ast
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob('projects/**/*.py'), *ROOT.glob('tools/*.py')])
VERBLESS = re.compile(r'(What|How|Where|Whether|Who|Which)\b(?!.*\?)')
# First words that end in s and are no verb in the third person.
NO_VERBS = {'Address', 'Process', 'Pass', 'Compress', 'Express', 'Access', 'Guess', 'Miss', 'Press'}
SECTIONS = re.compile(r'(Args|Attributes|Raises|Returns|Yields|Source|Deviation):')
ENTRY = re.compile(r'(\*{0,2}\w[\w.]*(?:, \w+)*|``[^`]+``): (.+)')
# Words of a translation, and what to write instead.
TRANSLATED = {r'\bas of\b': 'see', r'\bAs of\b': 'See', r'\bin place of\b': 'instead of'}


def docstrings(tree: ast.Module) -> list[tuple[ast.AST, str]]:
    """All docstrings of a module with their owners."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = [(node, ast.get_docstring(node)) for node in ast.walk(tree) if isinstance(node, owners)]
    return [(node, text) for node, text in found if text]


def is_property(node: ast.AST) -> bool:
    return any('property' in ast.unparse(decorator) for decorator in node.decorator_list)


def entries(text: str) -> list[str]:
    """The texts of the entries of Args, Attributes and Raises, each on one line."""
    found, section, lines = [], None, inspect.cleandoc(text).split('\n')
    for line in lines:
        if line and not line.startswith(' '):
            match = SECTIONS.match(line)
            section = match[1] if match else None
        elif section in ('Args', 'Attributes', 'Raises') and line.startswith('    '):
            if line[4] != ' ' and (entry := ENTRY.match(line[4:])):
                found.append(entry[2])
            elif found and line[4] == ' ':
                found[-1] += ' ' + line.strip()
    return found


def faults(source: str) -> list[str]:
    """Departures from the dialect in one file."""
    found = []
    for node, text in docstrings(ast.parse(source)):
        name, first = getattr(node, 'name', 'module'), text.split()[0]
        if VERBLESS.match(text.split('\n')[0]):
            found.append(f'{name}: begins with {first}')
        if (
            isinstance(node, ast.FunctionDef)
            and not is_property(node)
            and re.fullmatch(r'[A-Z][a-z]+s', first)
            and first not in NO_VERBS
        ):
            found.append(f'{name}: {first}, expected the imperative')
        for entry in entries(text):
            if entry[0].islower() and entry.split()[0].isalpha() and len(entry.split()[0]) > 1:
                found.append(f'{name}: the entry "{entry[:40]}" begins with a small letter')
            if not entry.endswith(('.', '::', '`')):
                found.append(f'{name}: the entry "{entry[:40]}" ends without a full stop')
        found += [
            f'{name}: {pattern[2:-2]}, write "{better}"'
            for pattern, better in TRANSLATED.items()
            if re.search(pattern, text)
        ]
    return found


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_are_in_the_dialect(path):
    assert not faults(path.read_text())


@pytest.mark.parametrize(
    'docstring, reason',
    [
        ('What is said of a scene.', 'begins with What'),
        ('Makes a map.', 'expected the imperative'),
        ('Make a map; arguments as of that.', 'as of'),
        ('Make a map.\n\n    Args:\n        one: of these.\n    ', 'small letter'),
        (
            'Make a map.\n\n    Args:\n        a: Of these\n            two.\n        b: No\n    ',
            '"No"',
        ),
    ],
)
def test_finds_a_fault(docstring, reason):
    (fault,) = faults(f'def f():\n    """{docstring}"""')
    assert reason in fault


def test_lets_the_dialect_pass():
    assert not faults(
        '"""Reports."""\ndef f():\n    """Make a map.\n\n    Args:\n        one: Of these.\n'
        '            And this.\n        two: ``(P,)`` of them.\n\n    Raises:\n'
        '        ValueError: It is empty.\n    """'
    )


def own_absolute_imports(package: str, source: str) -> list[str]:
    """Imports by which a package names itself."""
    return [
        node.module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        and not node.level
        and node.module.split('.')[0] == package
    ]


def test_a_package_imports_its_own_modules_relatively():
    found = {}
    for path in ROOT.glob('projects/**/*.py'):
        package = path.relative_to(ROOT / 'projects').parts[0]
        names = own_absolute_imports(package, path.read_text())
        if names:
            found[str(path.relative_to(ROOT))] = names
    assert not found


def test_finds_an_absolute_import_of_the_own_package():
    assert own_absolute_imports('a', 'from a.b import c\nfrom .b import c\nfrom d import a') == [
        'a.b'
    ]
