// Fills the page around the viewer: figures, tabs, modes, controls.
const data = JSON.parse(byId('data').textContent);
const MODES = {
  color: 'Colour', class: 'Class', instance: 'Instance', score: 'Score', truth: 'Ground truth', errors: 'Errors',
};
const PANE_NAMES = { input: 'Input', pred: 'Prediction', truth: 'Ground truth' };
const look = {
  mode: 'instance', hidden: new Set(), rest: true, score: data.scoreThr, dark: false, beside: true,
  cutShare: 1, dotScale: 1, openWalls: true, sparing: true,
};
const cache = new Map();
let current = 0, scene = null, viewer = null, theme = null;

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
  }, value === null ? '–' : (100 * value).toFixed(1));
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
function applyTheme() {
  look.dark = theme ? theme === 'dark' : darkWish.matches;
  document.documentElement.dataset.theme = look.dark ? 'dark' : 'light';
  if (scene) viewer.repaint();
}

// --- scenes and modes ---
function open(index) {
  current = (index + data.scenes.length) % data.scenes.length;
  if (!cache.has(current)) {
    if (cache.size > 3) cache.delete(cache.keys().next().value);
    cache.set(current, decodeScene(data.scenes[current]));
  }
  scene = cache.get(current);
  const { packed } = scene;
  [...byId('scenes').children].forEach((tab, k) => {
    tab.setAttribute('aria-selected', k === current);
    tab.tabIndex = k === current ? 0 : -1;
    if (k === current) bringIntoView(byId('scenes'), tab);
  });
  byId('score-box').hidden = !packed.pred;
  byId('beside-box').hidden = !packed.pred || !packed.truth;
  viewer.selection = null;
  arrange(false);
  showCut();
  const thinned = packed.shown < packed.total ? `Displays ${number(packed.shown)} of ${number(packed.total)} points. ` : '';
  byId('hint').textContent = `${thinned}Drag to rotate, scroll or pinch to zoom, drag with the right button or two fingers to pan. Click an object to select it.`;
}

// Returns the modes that the scene has data for.
function modesOf({ pred, truth }) {
  if (pred) return truth ? Object.keys(MODES) : ['color', 'class', 'instance', 'score'];
  return truth ? ['color', 'class', 'instance'] : ['color'];
}

function panesOf({ pred, truth }) {
  const own = pred || truth, { mode } = look;
  if (pred && truth && look.beside && wide.matches) {
    return [['input', pred, 'color'], ['pred', pred, mode === 'color' || mode === 'truth' ? 'instance' : mode],
      ['truth', truth, mode === 'class' || mode === 'errors' ? mode : 'instance']];
  }
  if (mode === 'color') return [['input', own, mode]];
  if (mode === 'truth' || !pred) return [['truth', truth, mode === 'class' ? mode : 'instance']];
  return [['pred', pred, mode]];
}

// Lays out the panes of the mode.
function arrange(keepCamera = true) {
  const modes = modesOf(scene);
  if (!modes.includes(look.mode)) look.mode = modes.includes('instance') ? 'instance' : 'color';
  byId('modes').replaceChildren(...modes.map((mode) => make('button', {
    type: 'button', 'data-mode': mode, 'aria-pressed': look.mode === mode,
    onclick: () => { look.mode = mode; arrange(); byId('modes').querySelector(`[data-mode=${mode}]`).focus(); },
  }, MODES[mode])));
  byId('modes').hidden = modes.length < 2;
  const panes = panesOf(scene).map(([key, objects, mode]) => {
    const count = key === 'input' ? plural(scene.packed.total, 'point') : plural(objects.items.length, 'object');
    return { key, objects, mode, element: make('div', { className: 'pane' }, make('h3', {}, PANE_NAMES[key], ' ', make('small', {}, count))) };
  });
  byId('panes').replaceChildren(...panes.map((pane) => pane.element));
  byId('stage').classList.toggle('beside', panes.length > 1);
  const { selection } = viewer;
  viewer.show(scene, panes, keepCamera);
  if (selection) viewer.select(selection);
  fillLists();
}

function select(selection) {
  viewer.select(selection);
  markSelection();
}

// --- controls ---
const wide = window.matchMedia('(min-width: 761px)');
wide.addEventListener('change', () => scene && arrange(false));
function showCut() {
  byId('cut-out').textContent = `${((scene.frame.top - scene.frame.floor) * look.cutShare).toFixed(1)} m`;
}
function showScore() {
  byId('score').value = look.score;
  byId('score-out').textContent = look.score.toFixed(2);
}
byId('score').oninput = (event) => { look.score = Number(event.target.value); showScore(); viewer.repaint(); fillLists(); };
byId('cut').oninput = (event) => { look.cutShare = Number(event.target.value); showCut(); viewer.sift(); viewer.redraw(); };
byId('dots').oninput = (event) => { look.dotScale = Number(event.target.value); viewer.redraw(); };
byId('walls').onchange = (event) => { look.openWalls = event.target.checked; viewer.sift(); viewer.redraw(); };
byId('sparing').onchange = (event) => { look.sparing = event.target.checked; viewer.redraw(); };
byId('beside').onchange = (event) => { look.beside = event.target.checked; arrange(false); };
byId('turn').onchange = (event) => viewer.hold('turn', event.target.checked);
byId('reset').onclick = () => viewer.home();
byId('theme').onclick = () => { theme = look.dark ? 'light' : 'dark'; applyTheme(); fillLists(); };
darkWish.addEventListener('change', applyTheme);
document.addEventListener('pointerdown', (event) => {
  if (!byId('menu').contains(event.target)) byId('menu').open = false;
});
byId('menu').addEventListener('keydown', (event) => { if (event.key === 'Escape') byId('menu').open = false; });

// --- tabs ---
data.scenes.forEach((packed, index) => {
  const tab = make('button', { type: 'button', className: 'tab', role: 'tab', title: packed.name, onclick: () => open(index) },
    make('img', { src: packed.thumbnail, alt: '' }), make('span', { className: 'name' }, packed.name), make('span', { className: 'figure' }, packed.figure));
  if (packed.share !== null) tab.append(make('span', { className: 'meter' }, make('i', { style: `width:${100 * packed.share}%` })));
  byId('scenes').append(tab);
});
byId('scenes').hidden = data.scenes.length < 2;
byId('scenes').addEventListener('keydown', (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  event.preventDefault();
  open(current + step);
  byId('scenes').children[current].focus();
});

// --- the viewer ---
try {
  const three = await loadThree();
  viewer = new Viewer(three, {
    stage: byId('stage'), canvas: byId('canvas'), tip: byId('tip'), look, data,
    onSelect: select, onStep: (step) => open(current + step), describe,
  });
} catch (error) {
  viewer = new StillPicture(byId('stage'), String(error.message || error).replace(/^THREE\.\w+: /, '').replace(/\.$/, ''));
}
window.viewer = viewer;  // for the console: viewer.frames, viewer.drawn
showScore();
applyTheme();
open(0);
document.documentElement.dataset.renderer = viewer.renderer ? 'webgl' : 'none';
document.documentElement.dataset.ready = 'true';
