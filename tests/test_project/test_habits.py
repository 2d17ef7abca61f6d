# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Files that a public project keeps beside its code agree with each other and with the code."""

import configparser
import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / '.github' / 'workflows').glob('*.yml'))
FORMS = sorted((ROOT / '.github' / 'ISSUE_TEMPLATE').glob('*.yml'))
FORMS = [path for path in FORMS if path.name != 'config.yml']
SECTIONS = {'Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security'}


class SiteLoader(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags name variables and functions, without calling any."""


SiteLoader.add_multi_constructor('!ENV', lambda loader, suffix, node: None)
SiteLoader.add_multi_constructor('tag:yaml.org,2002:python/', lambda loader, suffix, node: None)


def load(path: Path) -> dict:
    return yaml.safe_load(path.read_text())


def metadata() -> configparser.SectionProxy:
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    return config['metadata']


def targets() -> set[str]:
    return set(re.findall(r'^([a-z][\w-]*):(?!=)', (ROOT / 'Makefile').read_text(), re.MULTILINE))


def steps(path: Path) -> list[dict]:
    return [step for job in load(path)['jobs'].values() for step in job['steps']]


def unknown_commands(text: str) -> list[str]:
    """Make targets and files that command lines name and that do not exist."""
    found = [name for name in re.findall(r'\bmake ([a-z][\w-]*)', text) if name not in targets()]
    names = re.findall(r'(?<![\w/])((?:tools|tests|requirements)/[\w/.-]+\w)', text)
    return found + [name for name in names if not (ROOT / name).exists()]


def code_of(text: str) -> str:
    """The pieces of code in prose."""
    return '\n'.join(re.findall('`([^`]+)`', text))


def test_tests_run_on_every_python_of_the_classifiers():
    wanted = re.findall(r'Python :: (3\.\d+)', metadata()['classifiers'])
    (job,) = [
        job
        for job in load(ROOT / '.github/workflows/ci.yml')['jobs'].values()
        if 'python' in job['strategy']['matrix']
    ]
    assert job['strategy']['matrix']['python'] == wanted and len(wanted) == 3
    assert 'ubuntu' in job['runs-on']
    runs = ' '.join(step.get('run', '') for step in job['steps'])
    assert 'make lint' in runs and 'make test' in runs and '$TORCH_INDEX' in runs


def test_what_was_not_run_says_so():
    for job in load(ROOT / '.github/workflows/ci.yml')['jobs'].values():
        systems = job['strategy']['matrix'].get('os', [])
        assert ('not run yet' in job['name']) == bool(systems)


@pytest.mark.parametrize('path', WORKFLOWS, ids=lambda path: path.name)
def test_workflows_name_only_what_exists(path):
    text = '\n'.join(step['run'] for step in steps(path) if 'run' in step)
    assert text and not unknown_commands(text)


def test_finds_commands_that_do_not_exist():
    assert unknown_commands('make test X=1\nmake tset && python tools/gone.py') == [
        'tset',
        'tools/gone.py',
    ]
    assert not unknown_commands('make lint; pip install -r requirements/cpu.txt')


@pytest.mark.parametrize('path', WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_only_read_and_pin_their_actions(path):
    assert load(path)['permissions'] == {'contents': 'read'}
    assert all('permissions' not in job for job in load(path)['jobs'].values())
    actions = [step['uses'] for step in steps(path) if 'uses' in step]
    assert actions and all(re.fullmatch(r'[\w-]+/[\w-]+@v\d+', name) for name in actions)


@pytest.mark.parametrize('path', FORMS, ids=lambda path: path.name)
def test_issue_forms_parse(path):
    form = load(path)
    assert form.keys() >= {'name', 'description', 'body'}
    fields = [part for part in form['body'] if part['type'] != 'markdown']
    assert len({part['id'] for part in fields}) == len(fields) > 0
    assert {part['type'] for part in fields} <= {'textarea', 'input', 'dropdown', 'checkboxes'}
    assert all(part['attributes']['label'] for part in fields)
    assert not unknown_commands(code_of(path.read_text()))


@pytest.mark.parametrize('name', ['bug_report.yml', 'own_scan.yml'])
def test_reports_come_with_the_output_of_the_doctor(name):
    form = load(ROOT / '.github' / 'ISSUE_TEMPLATE' / name)
    (field,) = [part for part in form['body'] if part.get('id') == 'doctor']
    assert 'tools/doctor.py' in field['attributes']['label'] and field['validations']['required']


def test_pull_request_template_names_only_what_exists():
    path = ROOT / '.github' / 'PULL_REQUEST_TEMPLATE.md'
    text = path.read_text()
    assert not unknown_commands(code_of(text)) and '- [ ] `make lint`' in text
    links = re.findall(r'\]\(([^)]+)\)', text)
    assert links and all((path.parent / link).exists() for link in links)


def test_hooks_before_a_commit_use_the_versions_of_the_lock():
    (repo,) = load(ROOT / '.pre-commit-config.yaml')['repos']
    hooks = {hook['id']: hook for hook in repo['hooks']}
    lock = (ROOT / 'requirements' / 'cpu.txt').read_text().splitlines()
    for name in ('ruff-check', 'ruff-format'):
        (package,) = hooks[name]['additional_dependencies']
        assert package in lock
    assert 'test_house.py' in hooks['house']['entry']
    assert not unknown_commands(hooks['house']['entry'])


def test_citation_is_of_this_version():
    citation = load(ROOT / 'CITATION.cff')
    assert citation['cff-version'] == '1.2.0' and citation['message'] and citation['authors']
    assert citation['version'] == metadata()['version']
    assert citation['license'] == metadata()['license']
    titles = [reference['title'] for reference in citation['references']]
    assert titles[0] == '3D-QueryIS: A Query-based Framework for 3D Instance Segmentation'
    assert any('mmdetection3d' in reference.get('url', '') for reference in citation['references'])


def faults_of_changelog(text: str, version: str) -> list[str]:
    """Departures of a changelog from Keep a Changelog, and from the version of the package."""
    heads = re.findall(r'^## (.*)$', text, re.MULTILINE)
    found = [] if heads[:1] == ['[Unreleased]'] else ['the first head is not [Unreleased]']
    for head in heads[1:]:
        if not re.fullmatch(r'\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d', head):
            found.append(f'{head}: no version with a date')
    if len(heads) < 2 or not heads[1].startswith(f'[{version}]'):
        found.append(f'the newest version is not {version}')
    for part in re.split(r'^## ', text, flags=re.MULTILINE)[1:]:
        sections = re.findall(r'^### (.*)$', part, re.MULTILINE)
        if len(set(sections)) != len(sections) or not set(sections) <= SECTIONS:
            found.append(f'sections {sections}')
    return found


def test_changelog_has_its_form_and_the_version():
    text = (ROOT / 'CHANGELOG.md').read_text()
    assert not faults_of_changelog(text, metadata()['version'])
    assert text.count('\n* ') > 100


@pytest.mark.parametrize(
    'text, fault',
    [
        ('## [0.1.0] - 2026-01-01\n', 'the first head'),
        ('## [Unreleased]\n## 0.1.0\n', 'no version with a date'),
        ('## [Unreleased]\n## [0.2.0] - 2026-01-01\n', 'the newest version is not 0.1.0'),
        ('## [Unreleased]\n### Mended\n## [0.1.0] - 2026-01-01\n', 'Mended'),
        ('## [Unreleased]\n### Fixed\n### Fixed\n## [0.1.0] - 2026-01-01\n', 'Fixed'),
    ],
)
def test_finds_faults_of_a_changelog(text, fault):
    assert any(fault in found for found in faults_of_changelog(text, '0.1.0'))


def site() -> dict:
    return yaml.load((ROOT / 'mkdocs.yml').read_text(), SiteLoader)


def pages_of(nav: list | dict | str) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    return [
        page for part in (nav.values() if isinstance(nav, dict) else nav) for page in pages_of(part)
    ]


@pytest.fixture(scope='module')
def links():
    """The hook of the site that mends links."""
    spec = importlib.util.spec_from_file_location('site_links', ROOT / site()['hooks'][0])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_the_site(links):
    pages = pages_of(site()['nav'])
    docs = {path.relative_to(ROOT / 'docs').as_posix() for path in (ROOT / 'docs').rglob('*.md')}
    assert len(set(pages)) == len(pages)
    assert set(pages) == docs | links.OUTSIDE.keys()
    assert all((ROOT / source).is_file() for source in links.OUTSIDE.values())


def test_pages_of_the_api_document_packages_that_exist():
    documented = set()
    for path in (ROOT / 'docs' / 'api').glob('*.md'):
        documented |= set(re.findall(r'^::: (\S+)$', path.read_text(), re.MULTILINE))
    assert documented >= {'insseg3d.apis', 'insseg3d.transforms', 'queryis'}
    for name in documented:
        path = ROOT / 'projects' / name.replace('.', '/')
        assert (path / '__init__.py').is_file() or path.with_suffix('.py').is_file(), name


@pytest.mark.parametrize(
    'target, here, source, link',
    [
        ('data.md#units', 'training.md', 'docs/training.md', 'data.md#units'),
        ('docs/data.md', 'index.md', 'README.md', 'data.md'),
        ('../README.md', 'data.md', 'docs/data.md', 'index.md'),
        ('../../SECURITY.md', 'api/ops.md', 'docs/api/ops.md', '../security.md'),
        ('../tools', 'data.md', 'docs/data.md', 'tools.md'),
        (
            '../configs/queryis',
            'data.md',
            'docs/data.md',
            'https://x.org/y/tree/main/configs/queryis',
        ),
        ('../setup.cfg', 'data.md', 'docs/data.md', 'https://x.org/y/blob/main/setup.cfg'),
        (
            'https://arxiv.org/abs/2211.09375',
            'index.md',
            'README.md',
            'https://arxiv.org/abs/2211.09375',
        ),
        ('#units', 'data.md', 'docs/data.md', '#units'),
    ],
)
def test_links_lead_to_the_site_or_to_the_repository(links, target, here, source, link):
    pages = {
        'docs/data.md': 'data.md',
        'docs/training.md': 'training.md',
        'README.md': 'index.md',
        'SECURITY.md': 'security.md',
        'tools/README.md': 'tools.md',
    }
    arguments = dict(here=here, source=source, pages=pages)
    assert links.resolved(target, repository='https://x.org/y', **arguments) == link
    without = links.resolved(target, repository=None, **arguments)
    assert without == (None if 'x.org' in link else link)


def test_links_in_code_stay(links):
    text = 'a [b](c.md) [d](gone)\n```\n[b](c.md)\n```\n| [1] [2] | `x[0]` |\n[`c.md`](c.md)\n'
    found = links.rewritten(text, {'c.md': 'e.md'}.get, {'e.md': 'Title'}.get)
    assert found == (
        'a [b](e.md) d\n```\n[b](c.md)\n```\n| \\[1\\] \\[2\\] | `x[0]` |\n[Title](e.md)\n'
    )
