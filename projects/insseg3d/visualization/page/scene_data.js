// Unpacks a scene: quantised coordinates, colours, and one object number per point (0 = none).
const NEUTRAL = [0.985, 1.0, 1.02];
const STATUS_COLORS = { found: [29, 155, 96], 'wrong class': [232, 150, 30], poor: [232, 150, 30], unmatched: [214, 58, 58], missed: [214, 58, 58] };

function bytesOf(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  return bytes;
}

function idsOf(packed, wide) {
  if (packed === null) return null;
  const bytes = bytesOf(packed);
  return wide ? new Uint16Array(bytes.buffer) : bytes;
}

function decodeScene(packed) {
  const xyz = new Uint16Array(bytesOf(packed.xyz).buffer), count = xyz.length / 3;
  const scene = {
    name: packed.name, xyz, rgb: bytesOf(packed.rgb), count, total: packed.total,
    origin: packed.origin, step: packed.step, frame: packed.frame,
    pred: packed.pred && { ...packed.pred, ids: idsOf(packed.pred.ids, packed.pred.wide) },
    truth: packed.truth && { ...packed.truth, ids: idsOf(packed.truth.ids, packed.truth.wide) },
  };
  scene.light = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    scene.light[i] = 0.299 * scene.rgb[3 * i] + 0.587 * scene.rgb[3 * i + 1] + 0.114 * scene.rgb[3 * i + 2];
  }
  scene.sides = wallSides(scene);
  return scene;
}

// Bit set of the room's sides on which each point lies.
function wallSides(scene) {
  const { frame, origin, step, xyz } = scene, sides = new Uint8Array(scene.count);
  for (let i = 0; i < scene.count; i++) {
    if (origin[2] + step * xyz[3 * i + 2] < frame.floor + 0.04) continue;
    const x = origin[0] + step * xyz[3 * i] - frame.centre[0], y = origin[1] + step * xyz[3 * i + 1] - frame.centre[1];
    for (let axis = 0; axis < 2; axis++) {
      const along = x * frame.axes[axis][0] + y * frame.axes[axis][1];
      if (along > frame.half[axis] - frame.margin) sides[i] |= 1 << axis;
      if (-along > frame.half[axis] - frame.margin) sides[i] |= 4 << axis;
    }
  }
  return sides;
}

// Colours of all points of one pane. look: { mode, hidden Set of classes, score, classColors, selected Set or null }.
function paneColors(scene, objects, look) {
  const colors = new Uint8Array(3 * scene.count), { rgb, light } = scene;
  const tints = objects && objects.items.map((item, k) => {
    if (look.hidden.has(item.label) || (item.score !== null && item.score < look.score)) return null;
    if (look.mode === 'class') return look.classColors[item.label];
    if (look.mode === 'errors') return STATUS_COLORS[item.status];
    return item.color;
  });
  const chosen = look.selected, ids = look.ids;
  for (let i = 0; i < scene.count; i++) {
    const tint = objects && objects.ids[i] ? tints[objects.ids[i] - 1] : null;
    let r, g, b;
    if (!objects) { r = rgb[3 * i]; g = rgb[3 * i + 1]; b = rgb[3 * i + 2]; }
    else if (tint) { const s = 0.74 + 0.4 * light[i] / 255; r = tint[0] * s; g = tint[1] * s; b = tint[2] * s; }
    else { const grey = 96 + 0.42 * light[i]; r = grey * NEUTRAL[0]; g = grey; b = grey * NEUTRAL[2]; }
    if (chosen && !(ids && ids[i] && chosen.has(ids[i] - 1))) {
      const grey = look.dark ? 44 + 0.1 * light[i] : 206 + 0.12 * light[i];
      r = 0.14 * r + 0.86 * grey; g = 0.14 * g + 0.86 * grey; b = 0.14 * b + 0.86 * grey;
    }
    colors[3 * i] = Math.min(255, r); colors[3 * i + 1] = Math.min(255, g); colors[3 * i + 2] = Math.min(255, b);
  }
  return colors;
}
