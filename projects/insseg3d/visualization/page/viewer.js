// The panes: what is drawn where, and what mouse, fingers and keys do to it.
class Viewer {
  constructor({ stage, canvas, panes, tip, onSelect, describe, onStep }) {
    Object.assign(this, { stage, canvas, paneBox: panes, tip, onSelect, describe, onStep });
    this.camera = new Camera();
    this.look = { mode: 'object', hidden: new Set(), score: 0, classColors: [], dark: false };
    this.cutShare = 1; this.dotScale = 1; this.openWalls = true; this.turning = false;
    this.selection = null;
    this.points = this.makeRenderer();
    this.listen();
    new ResizeObserver(() => this.redraw()).observe(stage);
  }

  // WebGL, or a plain canvas where it is missing or slow; #flat and #webgl in the address decide otherwise.
  makeRenderer() {
    const anyway = location.hash === '#webgl';
    if (location.hash !== '#flat') {
      try {
        const points = new WebglPoints(this.canvas, anyway);
        this.canvas.addEventListener('webglcontextlost', (event) => { event.preventDefault(); this.lost = true; });
        this.canvas.addEventListener('webglcontextrestored', () => {
          this.points = new WebglPoints(this.canvas, anyway);
          this.lost = false;
          this.points.load(this.scene, this.panes.length);
          this.repaint();
        });
        this.kind = 'webgl';
        return points;
      } catch (error) {
        const fresh = this.canvas.cloneNode();  // a canvas keeps its first kind of context
        this.canvas.replaceWith(fresh);
        this.canvas = fresh;
      }
    }
    this.kind = 'canvas';
    return new CanvasPoints(this.canvas);
  }

  // panes: [{ key, element, objects }], objects null for the scan's own colours.
  show(scene, panes, keepCamera) {
    this.scene = scene;
    this.panes = panes;
    this.selection = null;
    this.tip.hidden = true;
    this.points.load(scene, panes.length);
    this.repaint();
    if (!keepCamera) this.home();
  }

  home() {
    const frame = this.scene.frame, pane = this.panes.find((p) => p.element.offsetParent !== null) || this.panes[0];
    this.camera.azimuth = Math.atan2(frame.axes[0][1], frame.axes[0][0]) - Math.PI / 3;
    this.camera.elevation = 48 * Math.PI / 180;
    const box = pane.element.getBoundingClientRect();
    this.homeDistance = this.camera.fit(frame, box.height ? box.width / box.height : 1);
    this.redraw();
  }

  // selection: { key: 'pred' | 'truth', index } or null; its counterpart lights up in the other pane.
  select(selection) {
    this.selection = selection;
    this.repaint();
  }

  selectedIn(key) {
    if (!this.selection) return null;
    const { key: from, index } = this.selection;
    const own = key === 'input' ? from : key;
    if (own === from) return { objects: this.scene[from], set: new Set([index]) };
    const others = this.scene[own];
    if (!others) return null;
    const set = new Set();
    if (from === 'pred') {
      const match = this.scene.pred.items[index].match;
      if (match >= 0) set.add(match);
    } else {
      this.scene.pred.items.forEach((item, k) => { if (item.match === index && item.iou > 0.25) set.add(k); });
    }
    return { objects: others, set };
  }

  repaint() {
    this.panes.forEach((pane, k) => {
      const selected = this.selectedIn(pane.key);
      const look = { ...this.look, selected: selected && selected.set, ids: selected && selected.objects.ids };
      this.points.paint(k, paneColors(this.scene, pane.objects, look));
    });
    this.redraw();
  }

  redraw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame((time) => {
      this.pending = false;
      if (!this.scene || this.lost) return;
      if (this.turning) {
        this.camera.azimuth += Math.min(60, time - (this.lastTime || time)) * 2.5e-4;
        this.lastTime = time;
      } else this.lastTime = 0;
      this.draw();
      if (this.turning) this.redraw();
    });
  }

  ratio() { return Math.min(2, window.devicePixelRatio || 1); }

  rects() {
    const ratio = this.kind === 'webgl' ? this.ratio() : 1, stage = this.stage.getBoundingClientRect();
    return this.panes.map(({ element }) => {
      const box = element.getBoundingClientRect();
      if (box.width < 2 || box.height < 2) return null;
      return {
        x: Math.round((box.left - stage.left) * ratio), y: Math.round((box.top - stage.top) * ratio),
        width: Math.round(box.width * ratio), height: Math.round(box.height * ratio),
      };
    });
  }

  limits() {
    const { origin, step, frame } = this.scene, top = (frame.top - frame.floor) * this.cutShare + frame.floor;
    const open = this.cutShare >= 1 && frame.ceiling === null;
    return {
      cut: open ? 70000 : (top - origin[2]) / step,
      hiddenSides: this.openWalls ? facingSides(frame, this.camera.azimuth) : 0,
      dot: 1.8 * frame.spacing * this.dotScale,
    };
  }

  draw() {
    const ratio = this.kind === 'webgl' ? this.ratio() : 1;
    const box = this.stage.getBoundingClientRect();
    this.points.resize(Math.max(1, Math.round(box.width * ratio)), Math.max(1, Math.round(box.height * ratio)));
    this.points.draw(this.camera, this.rects(), { ...this.limits(), ratio, moving: this.pointers.size > 0 || this.turning });
  }

  // The object under a place of the stage: { pane, key, index, x, y }, or null.
  pick(clientX, clientY) {
    const pane = this.panes.find(({ element }) => {
      const box = element.getBoundingClientRect();
      return clientX >= box.left && clientX < box.right && clientY >= box.top && clientY < box.bottom;
    });
    if (!pane) return null;
    const objects = pane.objects || this.scene.pred || this.scene.truth;
    if (!objects) return null;
    const box = pane.element.getBoundingClientRect(), { xyz, sides, count } = this.scene;
    const m = this.camera.matrix(box.width / box.height, this.scene.origin, this.scene.step), limits = this.limits();
    const size = limits.dot * box.height / Math.tan(FIELD_OF_VIEW / 2);
    const u = (clientX - box.left) / box.width * 2 - 1, v = 1 - (clientY - box.top) / box.height * 2;
    let best = -1, nearest = Infinity;
    for (let i = 0; i < count; i++) {
      const x = xyz[3 * i], y = xyz[3 * i + 1], z = xyz[3 * i + 2];
      if (z > limits.cut || sides[i] & limits.hiddenSides) continue;
      const w = m[3] * x + m[7] * y + m[11] * z + m[15];
      if (w < 0.05 || w > nearest) continue;
      const dx = ((m[0] * x + m[4] * y + m[8] * z + m[12]) / w - u) * box.width / 2;
      const dy = ((m[1] * x + m[5] * y + m[9] * z + m[13]) / w - v) * box.height / 2;
      const reach = Math.max(3, size / w / 2);
      if (dx * dx + dy * dy < reach * reach) { nearest = w; best = i; }
    }
    if (best < 0 || !objects.ids[best]) return null;
    const index = objects.ids[best] - 1, item = objects.items[index];
    if (this.look.hidden.has(item.label) || (item.score !== null && item.score < this.look.score)) return null;
    return { key: objects === this.scene.pred ? 'pred' : 'truth', index };
  }

  hover(event) {
    const hit = this.pick(event.clientX, event.clientY);
    this.tip.hidden = !hit;
    if (!hit) return;
    this.tip.replaceChildren(...this.describe(hit.key, hit.index));
    const box = this.stage.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    this.tip.style.left = `${Math.min(x + 14, box.width - this.tip.offsetWidth - 6)}px`;
    this.tip.style.top = `${y + 18 + this.tip.offsetHeight > box.height ? y - this.tip.offsetHeight - 10 : y + 18}px`;
  }

  listen() {
    const stage = this.stage;
    this.pointers = new Map();
    stage.addEventListener('contextmenu', (event) => event.preventDefault());
    stage.addEventListener('pointerdown', (event) => {
      stage.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, event);
      this.moved = 0;
      this.tip.hidden = true;
      stage.classList.add('dragging');
    });
    stage.addEventListener('pointermove', (event) => {
      if (!this.pointers.has(event.pointerId)) { if (event.pointerType === 'mouse') this.hover(event); return; }
      this.drag(event);
    });
    const release = (event) => {
      if (!this.pointers.delete(event.pointerId)) return;
      stage.classList.toggle('dragging', this.pointers.size > 0);
      if (event.type === 'pointerup' && this.moved < 5) {
        const hit = this.pick(event.clientX, event.clientY);
        this.onSelect(hit && { key: hit.key, index: hit.index });
        if (hit && event.pointerType !== 'mouse') this.hover(event);
      }
      this.redraw();
    };
    stage.addEventListener('pointerup', release);
    stage.addEventListener('pointercancel', release);
    stage.addEventListener('pointerleave', () => { this.tip.hidden = true; });
    stage.addEventListener('wheel', (event) => {
      event.preventDefault();
      this.camera.zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.0028), this.homeDistance);
      this.redraw();
    }, { passive: false });
    stage.addEventListener('dblclick', () => this.home());
    stage.addEventListener('keydown', (event) => this.key(event));
  }

  drag(event) {
    const before = this.pointers.get(event.pointerId), height = this.paneBox.clientHeight;
    const dx = (event.clientX - before.clientX) / height, dy = (event.clientY - before.clientY) / height;
    this.moved += (Math.abs(dx) + Math.abs(dy)) * height;
    if (this.pointers.size >= 2) {
      const other = [...this.pointers.values()].find((p) => p.pointerId !== event.pointerId);
      const gap = (p) => Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY) || 1;
      this.camera.zoom(gap(before) / gap(event), this.homeDistance);
      this.camera.pan(dx / 2, dy / 2);
    } else if (event.buttons & 6 || event.shiftKey) this.camera.pan(dx, dy);
    else this.camera.turn(dx * 3.2, dy * 2.4);
    this.pointers.set(event.pointerId, event);
    this.redraw();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 0.09, actions = {
      ArrowLeft: () => this.camera.turn(step, 0), ArrowRight: () => this.camera.turn(-step, 0),
      ArrowUp: () => this.camera.turn(0, step), ArrowDown: () => this.camera.turn(0, -step),
      '+': () => this.camera.zoom(0.9, this.homeDistance), '=': () => this.camera.zoom(0.9, this.homeDistance),
      '-': () => this.camera.zoom(1.11, this.homeDistance), 0: () => this.home(),
      Escape: () => this.onSelect(null), '[': () => this.onStep(-1), ']': () => this.onStep(1),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
    this.redraw();
  }
}
