// The page around the viewer: figures, tabs, lists, controls.
const data = JSON.parse(document.getElementById('data').textContent);
const byId = (id) => document.getElementById(id);
const BADGES = { found: 'good', 'wrong class': 'warn', poor: 'warn', unmatched: 'bad' };
const PANE_NAMES = { input: 'Input', pred: 'Prediction', truth: 'Ground truth' };

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== 'style') element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}
const css = (rgb) => `rgb(${rgb.join(' ')})`;
const percent = (value) => (value === null ? '–' : (100 * value).toFixed(1));
// Scrolls a list to one of its parts, and nothing else: the page stays where it is.
function bringIntoView(list, part) {
  const outer = list.getBoundingClientRect(), inner = part.getBoundingClientRect();
  list.scrollBy({
    left: Math.min(0, inner.left - outer.left) + Math.max(0, inner.right - outer.right),
    top: Math.min(0, inner.top - outer.top) + Math.max(0, inner.bottom - outer.bottom),
  });
}
const plural = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;

// --- the head of the page ---
byId('title').textContent = data.title;
byId('subtitle').textContent = data.subtitle;
for (const card of data.cards) {
  byId('cards').append(make('div', { className: card.main ? 'main' : '', title: card.hint },
    make('dt', {}, card.name), make('dd', {}, card.value)));
}
if (data.table) {
  const cell = (value, extra = '') => make('td', {
    className: `${extra}${value === null ? ' none' : ''}`, style: `--v:${value === null ? 0 : value}`,
  }, percent(value));
  const head = make('tr', {}, make('th', {}, ''), make('th', { scope: 'col' }, 'all'),
    ...data.table.classes.map((name) => make('th', { scope: 'col' }, name)));
  const rows = data.table.rows.map((row) => make('tr', {}, make('th', { scope: 'row' }, row.name),
    cell(row.overall, 'overall'), ...row.values.map((value) => cell(value))));
  byId('ap-table').append(make('thead', {}, head), make('tbody', {}, ...rows));
  byId('ap-section').hidden = false;
}
byId('notes').append(...data.notes.map((note) => make('li', {}, note)));

// --- light and dark ---
const darkWish = window.matchMedia('(prefers-color-scheme: dark)');
let theme = null;
function applyTheme() {
  const dark = theme ? theme === 'dark' : darkWish.matches;
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  viewer.look.dark = dark;
  if (viewer.scene) viewer.repaint();
}

// --- the viewer ---
const cache = new Map();
let current = 0, packed = null, shownPane = 'pred';
const viewer = new Viewer({
  stage: byId('stage'), canvas: byId('canvas'), panes: byId('panes'), tip: byId('tip'),
  onSelect: select, onStep: (step) => open(current + step), describe,
});
viewer.look.classColors = data.classColors;
document.documentElement.dataset.renderer = viewer.kind;

function describe(key, index) {
  const item = packed[key].items[index], lines = [make('b', {}, data.classes[item.label])];
  const add = (text) => lines.push(make('span', {}, text), make('br'));
  if (item.score !== null) add(`score ${item.score.toFixed(2)}`);
  add(`${item.points.toLocaleString('en')} points`);
  if (key === 'pred' && item.status) add(item.status === 'unmatched' ? `unmatched (IoU ${item.iou.toFixed(2)})` : `${item.status}, IoU ${item.iou.toFixed(2)}`);
  if (key === 'truth' && item.status) add(item.status);
  return lines;
}

function open(index, keepCamera = false) {
  current = (index + data.scenes.length) % data.scenes.length;
  packed = data.scenes[current];
  if (!cache.has(current)) {
    if (cache.size > 3) cache.delete(cache.keys().next().value);
    cache.set(current, decodeScene(packed));
  }
  const scene = cache.get(current), keys = ['input', 'pred', 'truth'].filter((key) => key === 'input' || packed[key]);
  if (!keys.includes(shownPane)) shownPane = 'input';
  const panes = keys.map((key) => {
    const count = key === 'input' ? plural(packed.total, 'point').replace(/\d+/, (n) => Number(n).toLocaleString('en')) : plural(packed[key].items.length, 'object');
    const element = make('div', { className: 'pane' }, make('h3', {}, PANE_NAMES[key], make('small', {}, count)));
    return { key, element, objects: key === 'input' ? null : scene[key] };
  });
  byId('panes').replaceChildren(...panes.map((pane) => pane.element));
  fillWhich(panes);
  fillModes();
  [...byId('scenes').children].forEach((tab, k) => {
    tab.setAttribute('aria-selected', k === current);
    tab.tabIndex = k === current ? 0 : -1;
    if (k === current) bringIntoView(byId('scenes'), tab);
  });
  byId('score-box').hidden = !packed.pred;
  byId('modes').hidden = byId('legend').parentElement.hidden = !(packed.pred || packed.truth);
  viewer.show(scene, panes, keepCamera);
  showCut();
  fillLists();
  const thinned = packed.shown < packed.total ? ` Shown are ${packed.shown.toLocaleString('en')} of ${packed.total.toLocaleString('en')} points.` : '';
  byId('hint').textContent = `Drag to turn, wheel or pinch to zoom, right button or two fingers to move, click an object to single it out.${thinned}`;
}

function select(selection) {
  viewer.select(selection);
  markSelection();
}

function markSelection() {
  for (const key of ['pred', 'truth']) {
    for (const row of byId(`${key}-list`).querySelectorAll('button')) {
      const on = viewer.selection && viewer.selection.key === key && viewer.selection.index === Number(row.dataset.index);
      row.setAttribute('aria-pressed', Boolean(on));
      if (on) bringIntoView(byId(`${key}-list`), row);
    }
  }
}

// --- controls ---
function fillModes() {
  const modes = [['object', 'Objects'], ['class', 'Classes']];
  if (packed.pred && packed.truth) modes.push(['errors', 'Right & wrong']);
  if (!modes.some(([mode]) => mode === viewer.look.mode)) viewer.look.mode = 'object';
  byId('modes').replaceChildren(...modes.map(([mode, name]) => make('button', {
    type: 'button', 'aria-pressed': viewer.look.mode === mode,
    onclick: () => { viewer.look.mode = mode; fillModes(); viewer.repaint(); fillLists(); },
  }, name)));
}

function fillWhich(panes) {
  const mark = () => panes.forEach((pane) => pane.element.classList.toggle('shown', pane.key === shownPane));
  byId('which').replaceChildren(...panes.map((pane) => make('button', {
    type: 'button', 'aria-pressed': pane.key === shownPane,
    onclick: () => { shownPane = pane.key; fillWhich(panes); viewer.redraw(); },
  }, pane.key === 'truth' ? 'Truth' : PANE_NAMES[pane.key])));
  mark();
}

function showCut() {
  const frame = packed.frame;
  byId('cut-out').textContent = `${((frame.top - frame.floor) * viewer.cutShare).toFixed(1)} m`;
}

byId('score').oninput = (event) => {
  viewer.look.score = Number(event.target.value);
  byId('score-out').textContent = viewer.look.score.toFixed(2);
  viewer.repaint();
  fillLists();
};
byId('cut').oninput = (event) => { viewer.cutShare = Number(event.target.value); showCut(); viewer.redraw(); };
byId('dots').oninput = (event) => { viewer.dotScale = Number(event.target.value); viewer.redraw(); };
byId('walls').onchange = (event) => { viewer.openWalls = event.target.checked; viewer.redraw(); };
byId('turn').onchange = (event) => { viewer.turning = event.target.checked; viewer.redraw(); };
byId('reset').onclick = () => viewer.home();
byId('theme').onclick = () => {
  theme = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
  applyTheme();
};
darkWish.addEventListener('change', applyTheme);

// --- lists ---
function colorOf(item) {
  if (viewer.look.mode === 'class') return data.classColors[item.label];
  if (viewer.look.mode === 'errors') return STATUS_COLORS[item.status];
  return item.color;
}

function row(key, item, index) {
  const cells = [make('span', { className: 'swatch', style: `background:${css(colorOf(item))}` }), make('span', {}, data.classes[item.label])];
  if (item.score !== null) cells.push(make('span', { className: 'meter-cell', title: 'score', style: `--v:${item.score}` }, make('i'), item.score.toFixed(2)));
  cells.push(make('span', { className: 'points' }, `${item.points.toLocaleString('en')} pts`));
  const badge = key === 'truth' ? { found: 'good', missed: 'bad' }[item.status] : BADGES[item.status];
  const text = item.status && (key === 'truth' || item.status === 'wrong class' || item.status === 'unmatched' ? item.status : `IoU ${item.iou.toFixed(2)}`);
  cells.push(text ? make('span', { className: `badge ${badge}` }, text) : make('span'));
  return make('li', {}, make('button', {
    type: 'button', 'data-index': index, 'aria-pressed': false,
    onclick: () => {
      const now = viewer.selection;
      select(now && now.key === key && now.index === index ? null : { key, index });
    },
  }, ...cells));
}

function fillLists() {
  const { look } = viewer, visible = (item) => !look.hidden.has(item.label) && (item.score === null || item.score >= look.score);
  for (const key of ['pred', 'truth']) {
    const objects = packed[key], list = byId(`${key}-list`);
    list.parentElement.hidden = !objects;
    if (!objects) continue;
    const items = objects.items.map((item, index) => ({ item, index })).filter(({ item }) => visible(item));
    if (key === 'truth') items.sort((a, b) => (b.item.status === 'missed') - (a.item.status === 'missed') || a.index - b.index);
    else items.sort((a, b) => b.item.score - a.item.score || a.index - b.index);
    list.replaceChildren(...items.map(({ item, index }) => row(key, item, index)));
    if (!items.length) list.append(make('li', { className: 'empty' }, 'None.'));
    const good = items.filter(({ item }) => item.status === 'found').length;
    const figure = items.some(({ item }) => item.status) ? (key === 'pred' ? `${good} of ${items.length} right` : `${good} of ${items.length} found`) : `${items.length}`;
    byId(`${key}-heading`).replaceChildren(make('span', {}, key === 'pred' ? 'Predicted objects' : 'Ground truth'), make('small', {}, figure));
  }
  const counts = data.classes.map((name, label) => ({ name, label, pred: 0, truth: 0 }));
  for (const key of ['pred', 'truth']) if (packed[key]) for (const item of packed[key].items) counts[item.label][key] += 1;
  byId('legend').replaceChildren(...counts.filter((c) => c.pred || c.truth).map((c) => make('li', {}, make('button', {
    type: 'button', 'aria-pressed': !look.hidden.has(c.label),
    onclick: () => {
      if (!look.hidden.delete(c.label)) look.hidden.add(c.label);
      viewer.repaint();
      fillLists();
    },
  }, make('span', { className: 'swatch', style: look.mode === 'class' ? `background:${css(data.classColors[c.label])}` : '' }), make('span', {}, c.name),
  make('span', { className: 'points' }, [packed.pred && `${c.pred} predicted`, packed.truth && `${c.truth} true`].filter(Boolean).join(' · '))))));
  markSelection();
}

// --- tabs ---
data.scenes.forEach((scene, index) => {
  const tab = make('button', { type: 'button', className: 'tab', role: 'tab', title: scene.name, onclick: () => open(index) },
    make('img', { src: scene.thumbnail, alt: '' }), make('span', { className: 'name' }, scene.name), make('span', { className: 'figure' }, scene.figure));
  if (scene.share !== null) tab.append(make('span', { className: 'meter' }, make('i', { style: `width:${100 * scene.share}%` })));
  byId('scenes').append(tab);
});
byId('scenes').addEventListener('keydown', (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  event.preventDefault();
  open(current + step);
  byId('scenes').children[current].focus();
});

applyTheme();
if (data.scenes.length) open(0);
document.documentElement.dataset.ready = 'true';
