// Unpacks a scene: coordinates, colours, and one object number per point (0 = none). Colours its points.
const NEUTRAL = [0.985, 1.0, 1.02];
const STATUS_COLORS = {
  found: [86, 180, 233], 'wrong class': [230, 159, 0], poor: [240, 228, 66], unmatched: [213, 94, 0], missed: [204, 121, 167],
};

function bytesOf(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  return bytes;
}

function decodeObjects(packed) {
  if (packed === null) return null;
  const bytes = bytesOf(packed.ids);
  return { ...packed, ids: packed.wide ? new Uint16Array(bytes.buffer) : bytes };
}

// Coordinates are metres from the middle of the room's floor, because 32 bits are too few far from the origin.
function decodeScene(packed) {
  const quantised = new Uint16Array(bytesOf(packed.xyz).buffer), count = quantised.length / 3;
  const { frame, origin, step } = packed, middle = [...frame.centre, frame.floor];
  const xyz = new Float32Array(3 * count), rgb = bytesOf(packed.rgb), light = new Float32Array(count);
  for (let i = 0; i < 3 * count; i++) xyz[i] = origin[i % 3] - middle[i % 3] + step * quantised[i];
  for (let i = 0; i < count; i++) light[i] = 0.299 * rgb[3 * i] + 0.587 * rgb[3 * i + 1] + 0.114 * rgb[3 * i + 2];
  const scene = { packed, frame, middle, count, xyz, rgb, light, pred: decodeObjects(packed.pred), truth: decodeObjects(packed.truth) };
  scene.sides = wallSides(scene);
  return scene;
}

// Returns, per point, a bit set of the room's sides on which it lies.
function wallSides({ frame, xyz, count }) {
  const sides = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    if (xyz[3 * i + 2] < 0.04) continue;
    for (let axis = 0; axis < 2; axis++) {
      const along = xyz[3 * i] * frame.axes[axis][0] + xyz[3 * i + 1] * frame.axes[axis][1];
      if (along > frame.half[axis] - frame.margin) sides[i] |= 1 << axis;
      if (-along > frame.half[axis] - frame.margin) sides[i] |= 4 << axis;
    }
  }
  return sides;
}

// Returns a bit set of the sides that hide the room from a viewer in this direction (x, y).
function facingSides(frame, toward) {
  const length = Math.hypot(...toward) || 1;
  return frame.axes.reduce((bits, axis, k) => {
    const cosine = (axis[0] * toward[0] + axis[1] * toward[1]) / length;
    return bits | (cosine > 0.25 ? 1 << k : 0) | (cosine < -0.25 ? 4 << k : 0);
  }, 0);
}

const isCounted = (item, look) => item.score === null || item.score >= look.score;

function rampColor(ramp, value) {
  const at = Math.max(0, Math.min(1, value)) * (ramp.length - 1), k = Math.min(ramp.length - 2, Math.floor(at));
  return ramp[k].map((low, c) => low + (ramp[k + 1][c] - low) * (at - k));
}

// Returns the colour of an object; null if the object has the colours of the scan.
function tintOf(item, mode, data) {
  if (mode === 'color') return null;
  if (mode === 'class') return data.classColors[item.label];
  if (mode === 'score' && item.score !== null) return rampColor(data.scoreRamp, item.score);
  if (mode === 'errors') return STATUS_COLORS[item.status];
  return item.color;
}

// Returns the colours of all points of a pane { objects, mode }. chosen highlights objects: { ids, set }, or null.
function paneColors(scene, pane, look, chosen, data) {
  const { rgb, light, count } = scene, colors = new Uint8Array(3 * count), { objects, mode } = pane;
  const tints = objects && objects.items.map((item) => (isCounted(item, look) ? tintOf(item, mode, data) : null));
  const missed = mode === 'errors' && objects === scene.pred && scene.truth;
  for (let i = 0; i < count; i++) {
    let r = rgb[3 * i], g = rgb[3 * i + 1], b = rgb[3 * i + 2];
    if (objects && mode !== 'color') {
      let tint = objects.ids[i] ? tints[objects.ids[i] - 1] : null;
      if (!tint && missed && missed.ids[i] && missed.items[missed.ids[i] - 1].status === 'missed') tint = STATUS_COLORS.missed;
      if (tint) { const s = 0.74 + 0.4 * light[i] / 255; r = tint[0] * s; g = tint[1] * s; b = tint[2] * s; }
      else { const grey = (look.dark ? 58 : 104) + 0.42 * light[i]; r = grey * NEUTRAL[0]; g = grey; b = grey * NEUTRAL[2]; }
    }
    if (chosen && !(chosen.ids[i] && chosen.set.has(chosen.ids[i] - 1))) {
      const grey = look.dark ? 40 + 0.1 * light[i] : 206 + 0.12 * light[i];
      r = 0.16 * r + 0.84 * grey; g = 0.16 * g + 0.84 * grey; b = 0.16 * b + 0.84 * grey;
    }
    colors[3 * i] = Math.min(255, r); colors[3 * i + 1] = Math.min(255, g); colors[3 * i + 2] = Math.min(255, b);
  }
  return colors;
}

// Fills rows with the points that a pane shows and returns their number.
function visibleRows(scene, objects, look, limits, rows) {
  const { xyz, sides, count } = scene;
  const gone = objects && objects.items.map((item) => isCounted(item, look) && look.hidden.has(item.label));
  let number = 0;
  for (let i = 0; i < count; i++) {
    if (xyz[3 * i + 2] > limits.cut || sides[i] & limits.hiddenSides) continue;
    if (objects) {
      const id = objects.ids[i], item = id && objects.items[id - 1];
      if (item && isCounted(item, look) ? gone[id - 1] : !look.rest) continue;
    }
    rows[number++] = i;
  }
  return number;
}
