// Draws the points into each pane with three.js; all panes share one camera.
const FIELD_OF_VIEW = 34, FRAME_MS = 1000 / 12, FEWEST = 20000;

// three.js draws square dots. These are round and darker towards the rim, which makes shapes easier to see.
function roundDots(three) {
  const material = new three.PointsMaterial({ vertexColors: true });
  material.onBeforeCompile = (shader) => {
    shader.fragmentShader = shader.fragmentShader.replace('#include <color_fragment>', `#include <color_fragment>
      vec2 offset = gl_PointCoord - 0.5;
      float rim = 4.0 * dot(offset, offset);
      if (rim > 1.0) discard;
      diffuseColor.rgb *= 1.0 - 0.3 * rim * rim;`);
  };
  return material;
}

class Viewer {
  constructor(three, { stage, canvas, tip, look, data, onSelect, onStep, describe }) {
    Object.assign(this, { three, stage, tip, look, data, onSelect, onStep, describe });
    this.renderer = new three.WebGLRenderer({ canvas, alpha: true, antialias: false });
    this.renderer.outputColorSpace = three.LinearSRGBColorSpace;  // colours are already display values
    this.camera = new three.PerspectiveCamera(FIELD_OF_VIEW, 1, 0.02, 200);
    this.camera.up.set(0, 0, 1);
    this.controls = new three.OrbitControls(this.camera, stage);
    Object.assign(this.controls, { zoomToCursor: false, maxPolarAngle: 1.82, rotateSpeed: 0.9, autoRotateSpeed: 1.6 });
    this.material = roundDots(three);
    this.raycaster = new three.Raycaster();
    this.panes = [];
    this.selection = null;
    this.budget = Infinity;  // points per frame while something moves
    this.holds = new Set();  // reasons for the motion: 'turn', 'drag', 'key'
    this.listen();
    new ResizeObserver(() => this.redraw()).observe(stage);
  }

  // panes: [{ key, element, objects, mode }]; objects is null if the scan has none.
  show(scene, panes, keepCamera) {
    const { three } = this;
    if (scene !== this.scene) {
      if (this.places) this.panes.forEach((pane) => pane.points.geometry.dispose());
      this.places = new three.BufferAttribute(scene.xyz, 3);
      this.scene = scene;
      this.budget = Infinity;
      this.selection = null;
    } else this.panes.forEach((pane) => pane.points.geometry.dispose());
    this.tip.hidden = true;
    this.panes = panes.map((pane) => {
      const geometry = new three.BufferGeometry();
      geometry.setAttribute('position', this.places);
      geometry.setAttribute('color', new three.BufferAttribute(new Uint8Array(3 * scene.count), 3, true));
      geometry.setIndex(new three.BufferAttribute(new Uint32Array(scene.count), 1));
      const points = new three.Points(geometry, this.material), world = new three.Scene();
      points.frustumCulled = false;
      world.add(points);
      return { ...pane, points, world, box: null };
    });
    this.repaint();
    if (!keepCamera) this.home();
  }

  // Updates colours and visibility after a change of the look or the selection.
  repaint() {
    this.panes.forEach((pane) => {
      const chosen = this.chosenIn(pane), color = pane.points.geometry.attributes.color;
      color.array.set(paneColors(this.scene, pane, this.look, chosen, this.data));
      color.needsUpdate = true;
      this.outline(pane, chosen);
    });
    this.sift();
    this.redraw();
  }

  limits() {
    const { frame } = this.scene, { look, camera, controls } = this;
    const open = look.cutShare >= 1 && frame.ceiling === null;
    const toward = [camera.position.x - controls.target.x, camera.position.y - controls.target.y];
    return {
      cut: open ? Infinity : (frame.top - frame.floor) * look.cutShare,
      hiddenSides: look.openWalls ? facingSides(frame, toward) : 0,
    };
  }

  // Selects the points that each pane shows. Points are in random order: the first n are a sample of all.
  sift() {
    const limits = this.limits();
    this.siftedSides = limits.hiddenSides;
    this.panes.forEach((pane) => {
      const { index } = pane.points.geometry;
      pane.visible = visibleRows(this.scene, pane.objects, this.look, limits, index.array);
      index.needsUpdate = true;
    });
  }

  // selection: { key: 'pred' | 'truth', index } or null; the other panes highlight its counterpart.
  select(selection) {
    this.selection = selection;
    this.repaint();
  }

  chosenIn(pane) {
    if (!this.selection) return null;
    const { key: from, index } = this.selection, own = pane.key === 'input' ? from : pane.key;
    const objects = this.scene[own];
    if (own === from) return { objects, ids: objects.ids, set: new Set([index]) };
    const matches = from === 'pred' ? [this.scene.pred.items[index].match]
      : this.scene.pred.items.flatMap((item, k) => (item.match === index && item.iou > 0.25 ? [k] : []));
    return { objects, ids: objects.ids, set: new Set(matches.filter((k) => k >= 0)) };
  }

  // Draws the upright boxes of the highlighted objects.
  outline(pane, chosen) {
    const { three } = this;
    if (pane.box) {
      pane.world.remove(pane.box);
      pane.box.traverse((part) => part.geometry && part.geometry.dispose());
    }
    pane.box = null;
    if (!chosen || !chosen.set.size) return;
    pane.box = new three.Group();
    for (const k of chosen.set) {
      const { box } = chosen.objects.items[k];
      if (!box) continue;
      const solid = new three.BoxGeometry(...box.size.map((length) => length + 0.02));
      const lines = new three.LineSegments(new three.EdgesGeometry(solid), new three.LineBasicMaterial({ color: this.look.dark ? 0xffffff : 0x171a21 }));
      solid.dispose();
      lines.position.fromArray(box.centre.map((value, axis) => value - this.scene.middle[axis]));
      lines.rotation.z = box.yaw;
      pane.box.add(lines);
    }
    pane.world.add(pane.box);
  }

  // Moves the camera to the nearest position from which the whole room is visible.
  home() {
    const { three, camera, controls } = this, { frame } = this.scene;
    const shown = this.panes.find((pane) => pane.element.offsetParent !== null) || this.panes[0];
    const view = shown.element.getBoundingClientRect(), aspect = view.height ? view.width / view.height : 1;
    const angle = Math.atan2(frame.axes[0][1], frame.axes[0][0]) - Math.PI / 3, raised = 48 * Math.PI / 180;
    const toward = new three.Vector3(Math.cos(angle) * Math.cos(raised), Math.sin(angle) * Math.cos(raised), Math.sin(raised));
    const right = new three.Vector3(-Math.sin(angle), Math.cos(angle), 0), up = toward.clone().cross(right);
    const corners = [-1, 1].flatMap((a) => [-1, 1].flatMap((b) => [0, frame.top - frame.floor].map((z) => new three.Vector3(
      a * frame.half[0] * frame.axes[0][0] + b * frame.half[1] * frame.axes[1][0],
      a * frame.half[0] * frame.axes[0][1] + b * frame.half[1] * frame.axes[1][1], z))));
    const slope = Math.tan(FIELD_OF_VIEW * Math.PI / 360), target = new three.Vector3();
    let distance = 1;
    for (let round = 0; round < 12; round++) {  // move back until all corners fit, centre them, repeat
      const offsets = corners.map((corner) => corner.clone().sub(target));
      distance = Math.max(...offsets.flatMap((offset) => [[right, aspect], [up, 1]].map(
        ([axis, extent]) => Math.abs(offset.dot(axis)) / (0.95 * extent * slope) + offset.dot(toward))));
      for (const axis of [right, up]) {
        const slopes = offsets.map((offset) => offset.dot(axis) / (distance - offset.dot(toward)));
        target.addScaledVector(axis, distance * (Math.max(...slopes) + Math.min(...slopes)) / 2);
      }
    }
    camera.position.copy(target).addScaledVector(toward, distance);
    Object.assign(controls, { minDistance: 0.04 * distance, maxDistance: 4 * distance });
    Object.assign(camera, { near: 0.01 * distance, far: 8 * distance + 20 });
    controls.target.copy(target);
    controls.update();
    this.redraw();
  }

  redraw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame((time) => {
      this.pending = false;
      if (!this.scene) return;
      const moving = this.holds.size > 0;
      if (moving) this.spare(time);
      this.lastTime = moving ? time : 0;
      this.draw(moving);
      if (moving) this.redraw();
    });
  }

  // Draws fewer points while something moves if drawing all of them takes too long.
  spare(time) {
    if (this.holds.has('turn')) this.controls.update(this.lastTime ? (time - this.lastTime) / 1000 : 0);
    if (!this.lastTime) return;
    const factor = Math.max(0.5, Math.min(1.25, FRAME_MS / (time - this.lastTime)));
    const most = Math.max(...this.panes.map((pane) => pane.visible));
    const budget = Math.max(FEWEST, factor * Math.min(this.budget, most));
    this.budget = this.look.sparing && budget < most ? budget : Infinity;
  }

  draw(moving) {
    const { renderer, camera, material, scene } = this, stage = this.stage.getBoundingClientRect();
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    renderer.setPixelRatio(ratio);
    renderer.setSize(stage.width, stage.height, false);
    renderer.setScissorTest(false);
    renderer.clear();
    renderer.setScissorTest(true);
    if (this.limits().hiddenSides !== this.siftedSides) this.sift();
    const dot = 1.7 * scene.frame.spacing * this.look.dotScale / Math.tan(FIELD_OF_VIEW * Math.PI / 360);
    this.drawn = 0;
    for (const pane of this.panes) {
      const box = pane.element.getBoundingClientRect();
      if (box.width < 2 || box.height < 2) continue;
      const place = [box.left - stage.left, stage.bottom - box.bottom, box.width, box.height];
      renderer.setViewport(...place);
      renderer.setScissor(...place);
      camera.aspect = box.width / box.height;
      camera.updateProjectionMatrix();
      const count = Math.min(pane.visible, moving ? Math.floor(this.budget) : Infinity);
      pane.points.geometry.setDrawRange(0, count);
      material.size = dot * Math.min(1.5, Math.sqrt(pane.visible / Math.max(1, count)));  // fewer dots are larger
      renderer.render(pane.world, camera);
      this.drawn += count;
    }
    this.frames = (this.frames || 0) + 1;
  }

  hold(what, on) {
    if (on) this.holds.add(what);
    else this.holds.delete(what);
    this.redraw();
  }

  // Returns the object at a position on the page: { key, index }, or null.
  pick(clientX, clientY) {
    const pane = this.panes.find(({ element }) => {
      const box = element.getBoundingClientRect();
      return clientX >= box.left && clientX < box.right && clientY >= box.top && clientY < box.bottom;
    });
    if (!pane || !pane.objects) return null;
    const box = pane.element.getBoundingClientRect(), { raycaster, camera } = this;
    camera.aspect = box.width / box.height;
    camera.updateProjectionMatrix();
    raycaster.params.Points.threshold = 1.1 * this.scene.frame.spacing * this.look.dotScale;
    const place = new this.three.Vector2((clientX - box.left) / box.width * 2 - 1, 1 - (clientY - box.top) / box.height * 2);
    raycaster.setFromCamera(place, camera);
    pane.points.geometry.setDrawRange(0, pane.visible);
    const [hit] = raycaster.intersectObject(pane.points, false);
    const id = hit ? pane.objects.ids[hit.index] : 0;
    if (!id || !isCounted(pane.objects.items[id - 1], this.look)) return null;
    return { key: pane.objects === this.scene.pred ? 'pred' : 'truth', index: id - 1 };
  }

  hover({ clientX, clientY }) {
    const hit = this.pick(clientX, clientY), { tip } = this;
    tip.hidden = !hit;
    if (!hit) return;
    tip.replaceChildren(...this.describe(hit.key, hit.index));
    const box = this.stage.getBoundingClientRect(), x = clientX - box.left, y = clientY - box.top;
    tip.style.left = `${Math.min(x + 14, box.width - tip.offsetWidth - 6)}px`;
    tip.style.top = `${y + 18 + tip.offsetHeight > box.height ? y - tip.offsetHeight - 10 : y + 18}px`;
  }

  listen() {
    const { stage, controls } = this;
    let pressed = null, hovering = 0;
    controls.addEventListener('change', () => this.redraw());
    controls.addEventListener('start', () => { this.tip.hidden = true; this.hold('drag', true); });
    controls.addEventListener('end', () => this.hold('drag', false));
    stage.addEventListener('pointerdown', (event) => { pressed = event; });
    stage.addEventListener('pointerup', (event) => {
      const still = pressed && Math.hypot(event.clientX - pressed.clientX, event.clientY - pressed.clientY) < 5;
      if (still && event.button === 0) this.onSelect(this.pick(event.clientX, event.clientY));
      pressed = null;
    });
    stage.addEventListener('pointermove', (event) => {
      if (event.pointerType !== 'mouse' || event.buttons || hovering) return;
      hovering = requestAnimationFrame(() => { hovering = 0; if (!this.holds.size) this.hover(event); });
    });
    stage.addEventListener('pointerleave', () => { this.tip.hidden = true; });
    stage.addEventListener('dblclick', () => this.home());
    stage.addEventListener('keydown', (event) => this.key(event));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { controls } = this, step = 0.09, push = 40;
    const move = (dx, dy) => (event.shiftKey ? controls.pan(dx * push, dy * push) : controls.rotateLeft(dx * step) || controls.rotateUp(dy * step));
    const actions = {
      ArrowLeft: () => move(1, 0), ArrowRight: () => move(-1, 0), ArrowUp: () => move(0, 1), ArrowDown: () => move(0, -1),
      '+': () => controls.dollyIn(1.1), '=': () => controls.dollyIn(1.1), '-': () => controls.dollyOut(1.1),
      0: () => this.home(), Escape: () => this.onSelect(null), '[': () => this.onStep(-1), ']': () => this.onStep(1),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
    this.hold('key', true);
    clearTimeout(this.keyTimer);
    this.keyTimer = setTimeout(() => this.hold('key', false), 250);
  }
}

// Replaces the viewer by a picture of the scene if there is no WebGL. Lists and figures still work.
class StillPicture {
  constructor(stage, why) {
    const note = document.createElement('p');
    note.append(`This browser cannot rotate the scene: ${why}. Lists and figures still work.`);
    this.picture = new Image();
    this.picture.alt = '';
    this.box = document.createElement('div');
    this.box.className = 'still';
    this.box.append(this.picture, note);
    stage.append(this.box);
    this.selection = null;
  }

  show(scene) { this.scene = scene; this.picture.src = scene.packed.thumbnail; }

  select(selection) { this.selection = selection; }

  repaint() {} redraw() {} sift() {} home() {} hold() {}
}
