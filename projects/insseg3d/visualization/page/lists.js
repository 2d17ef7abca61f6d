// Fills the side panel: the selected object, the legend, the lists of objects.
const BADGES = { found: 'good', 'wrong class': 'warn', poor: 'warn', unmatched: 'bad', missed: 'bad' };

const byId = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString('en');
const plural = (count, word) => `${number(count)} ${word}${count === 1 ? '' : 's'}`;
const css = (rgb) => `rgb(${rgb.map(Math.round).join(' ')})`;
const metres = (size) => `${size.map((length) => length.toFixed(2)).join(' × ')} m`;

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== 'style') element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// Scrolls a list to one of its parts without scrolling the page.
function bringIntoView(list, part) {
  const outer = list.getBoundingClientRect(), inner = part.getBoundingClientRect();
  list.scrollBy({
    left: Math.min(0, inner.left - outer.left) + Math.max(0, inner.right - outer.right),
    top: Math.min(0, inner.top - outer.top) + Math.max(0, inner.bottom - outer.bottom),
  });
}

const swatch = (rgb, text = '') => make('span', { className: 'swatch', style: rgb ? `background:${css(rgb)}` : '' }, text);

function verdict(item) {
  if (!item.status) return '';
  if (item.status === 'missed' || item.iou === null) return item.status;
  return `${item.status}, IoU ${item.iou.toFixed(2)}`;
}

// Returns the facts about an object as [name, value].
function facts(key, item) {
  const rows = [];
  if (item.score !== null) rows.push(['score', item.score.toFixed(2)]);
  if (item.box) rows.push(['size', metres(item.box.size)]);
  rows.push(['points', number(item.points)]);
  if (item.status) rows.push([key === 'truth' ? 'prediction' : 'ground truth', verdict(item)]);
  return rows;
}

function describe(key, index) {
  const item = scene[key].items[index];
  return [make('b', {}, data.classes[item.label]), ...facts(key, item).flatMap(
    ([name, value]) => [make('span', {}, `${name} ${value}`), make('br')])];
}

function fillSelected() {
  const { selection } = viewer, card = byId('selected');
  card.hidden = !(scene.pred || scene.truth);
  if (!selection) {
    card.replaceChildren(make('p', { className: 'small' }, 'Click an object in the view or in a list to see its class, score and size.'));
    return;
  }
  const { key, index } = selection, item = scene[key].items[index];
  card.replaceChildren(
    make('h2', {}, swatch(tintOf(item, look.mode, data) || item.color), make('span', {}, data.classes[item.label]),
      make('small', {}, key === 'truth' ? 'ground truth' : `object ${index + 1}`),
      make('button', { type: 'button', className: 'plain', title: 'Clear (Escape)', 'aria-label': 'Clear the selection', onclick: () => select(null) }, '✕')),
    make('dl', { className: 'facts' }, ...facts(key, item).flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)])));
}

function markSelection() {
  fillSelected();
  for (const key of ['pred', 'truth']) {
    for (const row of byId(`${key}-list`).querySelectorAll('button')) {
      const on = viewer.selection && viewer.selection.key === key && viewer.selection.index === Number(row.dataset.index);
      row.setAttribute('aria-pressed', Boolean(on));
      if (on) bringIntoView(byId(`${key}-list`), row);
    }
  }
}

function row(key, item, index) {
  const cells = [swatch(tintOf(item, look.mode, data) || item.color), make('span', { className: 'name' }, data.classes[item.label])];
  if (item.score !== null) cells.push(make('span', { className: 'meter-cell', title: 'score', style: `--v:${item.score}` }, make('i'), item.score.toFixed(2)));
  else cells.push(make('span', { className: 'points' }, plural(item.points, 'point')));
  if (item.status) cells.push(make('span', { className: `badge ${BADGES[item.status]}`, title: verdict(item) }, item.status));
  return make('li', {}, make('button', {
    type: 'button', 'data-index': index, 'aria-pressed': false,
    onclick: () => {
      const now = viewer.selection;
      select(now && now.key === key && now.index === index ? null : { key, index });
    },
  }, ...cells));
}

function fillList(key) {
  const objects = scene[key], list = byId(`${key}-list`);
  list.closest('.panel').hidden = !objects;
  if (!objects) return;
  const items = objects.items.map((item, index) => ({ item, index }))
    .filter(({ item }) => !look.hidden.has(item.label) && isCounted(item, look));
  if (key === 'truth') items.sort((a, b) => (b.item.status === 'missed') - (a.item.status === 'missed') || a.index - b.index);
  else items.sort((a, b) => b.item.score - a.item.score || a.index - b.index);
  list.replaceChildren(...items.map(({ item, index }) => row(key, item, index)));
  if (!items.length) list.append(make('li', { className: 'empty' }, 'None.'));
  const good = items.filter(({ item }) => item.status === 'found').length, all = objects.items.length;
  const figure = items.some(({ item }) => item.status) ? `${good} of ${items.length} ${key === 'pred' ? 'right' : 'found'}`
    : items.length < all ? `${items.length} of ${all}` : `${all}`;
  byId(`${key}-count`).textContent = figure;
}

// Explains the colours of a mode that shows neither classes nor objects.
function fillKey() {
  const key = byId('key');
  key.hidden = !['score', 'errors'].includes(look.mode);
  if (look.mode === 'score') {
    const stops = data.scoreRamp.map(css).join(', ');
    key.replaceChildren(make('div', { className: 'ramp', style: `background:linear-gradient(to right, ${stops})` }), make('div', { className: 'ends' }, make('span', {}, '0 score'), make('span', {}, '1')));
  } else if (look.mode === 'errors') {
    key.replaceChildren(make('ul', { className: 'statuses' }, ...Object.entries(STATUS_COLORS).map(([name, rgb]) => make('li', {}, swatch(rgb), name))));
  }
}

function fillLegend() {
  const toggle = (on, flip, rgb, ...cells) => make('li', {}, make('button', {
    type: 'button', 'aria-pressed': on,
    onclick: (event) => {
      const place = [...byId('legend').children].indexOf(event.currentTarget.parentElement);
      flip();
      viewer.repaint();
      fillLists();
      byId('legend').children[place].firstChild.focus();
    },
  }, swatch(rgb, on ? '✓' : ''), ...cells));
  const counts = data.classes.map((name, label) => ({ name, label, pred: 0, truth: 0 }));
  for (const key of ['pred', 'truth']) {
    for (const item of scene[key] ? scene[key].items : []) if (isCounted(item, look)) counts[item.label][key] += 1;
  }
  const present = counts.filter((count) => count.pred || count.truth);
  byId('legend').closest('.panel').hidden = !(scene.pred || scene.truth);
  byId('legend').replaceChildren(...present.map(({ name, label, pred, truth }) => toggle(
    !look.hidden.has(label), () => { if (!look.hidden.delete(label)) look.hidden.add(label); },
    look.mode === 'class' ? data.classColors[label] : null, make('span', { className: 'name' }, name),
    make('span', { className: 'points' }, scene.pred && scene.truth ? `${pred} predicted · ${truth} true` : String(pred || truth)))),
  toggle(look.rest, () => { look.rest = !look.rest; }, null, make('span', { className: 'name' }, 'the rest'), make('span', { className: 'points' }, 'no object')));
}

function fillLists() {
  fillList('pred');
  fillList('truth');
  fillLegend();
  fillKey();
  markSelection();
}
