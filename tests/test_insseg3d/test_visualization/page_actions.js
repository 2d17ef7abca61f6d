// Acts on the page as a reader would and leaves a report in it, as JSON in #report.
const report = { errors: [] };
window.addEventListener('error', (event) => report.errors.push(event.message));
const byQuery = (query) => document.querySelector(query);

// The canvas as bytes.
function pixelsOf() {
  const canvas = byQuery('#canvas'), copy = document.createElement('canvas');
  copy.width = canvas.width;
  copy.height = canvas.height;
  const context = copy.getContext('2d');
  context.drawImage(canvas, 0, 0);
  return context.getImageData(0, 0, copy.width, copy.height);
}

// Share of drawn pixels, and a sum that tells pictures apart.
function picture() {
  const pixels = pixelsOf().data;
  let drawn = 0, sum = 0;
  for (let k = 0; k < pixels.length; k += 4) {
    if (pixels[k + 3]) drawn += 1;
    sum = (sum * 31 + pixels[k] + pixels[k + 1] * 7 + pixels[k + 2] * 13) % 1000003;
  }
  return { drawn: 4 * drawn / pixels.length, sum };
}

function point(type, x, y) {
  byQuery('#stage').dispatchEvent(new PointerEvent(type, {
    clientX: x, clientY: y, pointerId: 1, pointerType: 'mouse', bubbles: true, buttons: 1,
  }));
}

function key(name) {
  byQuery('#stage').dispatchEvent(new KeyboardEvent('keydown', { key: name }));
}

// Whether a pixel is a lighter or darker tone of a colour.
function isTone(pixel, colour) {
  let both = 0, one = 0, other = 0;
  for (let k = 0; k < 3; k++) {
    both += pixel[k] * colour[k];
    one += pixel[k] ** 2;
    other += colour[k] ** 2;
  }
  return both > 0.97 * Math.sqrt(one * other);
}

const rows = () => document.querySelectorAll('#pred-list button').length;
const pressedRows = () => [...document.querySelectorAll('#pred-list button[aria-pressed=true]')];
const pressed = () => pressedRows().map((row) => row.children[1].textContent);

// Frames are drawn when this says so: a headless browser has no clock of its own.
const waiting = [];
window.requestAnimationFrame = (callback) => waiting.push(callback);
function see(name) {
  while (waiting.length) waiting.shift()(performance.now());
  report[name] = picture();
}

function act() {
  report.renderer = document.documentElement.dataset.renderer;
  report.tabs = document.querySelectorAll('.tab').length;
  report.titles = [...document.querySelectorAll('.pane h3')].map((h) => h.firstChild.textContent);
  report.rows = rows();
  see('start');
  point('pointerdown', 300, 500);
  point('pointermove', 360, 500);
  point('pointerup', 360, 500);
  see('turned');
  byQuery('#stage').dispatchEvent(new WheelEvent('wheel', { deltaY: -200, cancelable: true }));
  see('zoomed');
  key('0');
  see('home');

  const box = document.querySelectorAll('.pane')[1].getBoundingClientRect();
  const stage = byQuery('#stage').getBoundingClientRect(), image = pixelsOf();
  report.hits = {};
  report.painted = 0;  // hits whose pixel has the colour of the object that was hit
  for (let x = box.left + 10; x < box.right; x += 16) {
    for (let y = box.top + 10; y < box.bottom; y += 16) {
      point('pointerdown', x, y);
      point('pointerup', x, y);
      for (const row of pressedRows()) {
        const name = row.children[1].textContent;
        report.hits[name] = (report.hits[name] || 0) + 1;
        const colour = row.firstChild.style.background.match(/\d+/g).map(Number);
        const at = 4 * (Math.floor(y - stage.top) * image.width + Math.floor(x - stage.left));
        if (isTone(image.data.subarray(at, at + 3), colour)) report.painted += 1;
      }
    }
  }
  key('Escape');
  report.cleared = pressed().length;
  byQuery('#pred-list button').click();
  see('selected');
  report.chosen = pressed();

  byQuery('#score').value = 0.6;
  byQuery('#score').dispatchEvent(new Event('input'));
  report.rowsAbove = rows();
  key(']');
  report.tab = byQuery('.tab[aria-selected=true] .name').textContent;
  byQuery('#theme').click();
  report.theme = document.documentElement.dataset.theme;
}

window.addEventListener('load', () => {
  byQuery('#stage').setPointerCapture = () => {};  // made events have no pointer to capture
  try {
    act();
  } catch (error) {
    report.errors.push(String(error.stack));
  }
  const out = document.createElement('pre');
  out.id = 'report';
  out.textContent = JSON.stringify(report);
  document.body.append(out);
});
