// An orbit around a target, z up. Angles in radians, lengths in metres, matrices column by column.
const FIELD_OF_VIEW = 34 * Math.PI / 180;

class Camera {
  constructor() {
    this.azimuth = 0; this.elevation = 0.85; this.distance = 8; this.target = [0, 0, 0];
  }

  // Unit vectors towards the viewer, to the right and up.
  basis() {
    const ca = Math.cos(this.azimuth), sa = Math.sin(this.azimuth);
    const ce = Math.cos(this.elevation), se = Math.sin(this.elevation);
    return { toward: [ca * ce, sa * ce, se], right: [-sa, ca, 0], up: [-ca * se, -sa * se, ce] };
  }

  turn(dx, dy) {
    this.azimuth -= dx;
    this.elevation = Math.min(1.55, Math.max(-0.25, this.elevation + dy));
  }

  zoom(factor, home) {
    this.distance = Math.min(home * 4, Math.max(home * 0.04, this.distance * factor));
  }

  // Moves the target by a share of the view's height.
  pan(dx, dy) {
    const { right, up } = this.basis();
    const scale = 2 * this.distance * Math.tan(FIELD_OF_VIEW / 2);
    for (let axis = 0; axis < 3; axis++) {
      this.target[axis] += scale * (-dx * right[axis] + dy * up[axis]);
    }
  }

  // The nearest place from where a whole room is seen, in a view of this aspect.
  fit(frame, aspect) {
    const { toward, right, up } = this.basis();
    const focal = 1 / Math.tan(FIELD_OF_VIEW / 2);
    const corners = roomCorners(frame);
    const target = [frame.centre[0], frame.centre[1], frame.floor];
    for (let round = 0; round < 12; round++) {
      const relative = corners.map((c) => c.map((v, axis) => v - target[axis]));
      this.distance = 0;
      for (const [axis, extent] of [[right, aspect], [up, 1]]) {
        for (const r of relative) {
          const need = Math.abs(dot(r, axis)) * focal / (0.95 * extent) + dot(r, toward);
          this.distance = Math.max(this.distance, need);
        }
      }
      for (const axis of [right, up]) {
        const slopes = relative.map((r) => dot(r, axis) / (this.distance - dot(r, toward)));
        const shift = this.distance * (Math.max(...slopes) + Math.min(...slopes)) / 2;
        for (let k = 0; k < 3; k++) target[k] += shift * axis[k];
      }
    }
    this.target = target;
    return this.distance;
  }

  planes() {
    return { near: Math.max(0.02, this.distance * 0.02), far: this.distance * 4 + 40 };
  }

  // Scene coordinates to clip space, applied to quantised ones: p = origin + step * q.
  matrix(aspect, origin, step) {
    const { toward, right, up } = this.basis();
    const { near, far } = this.planes();
    const f = 1 / Math.tan(FIELD_OF_VIEW / 2);
    const rows = [
      right.map((v) => v * f / aspect),
      up.map((v) => v * f),
      toward.map((v) => -v * (far + near) / (far - near)),
      toward.map((v) => -v),
    ];
    const constant = [0, 0, this.distance * (far + near) / (far - near) - 2 * far * near / (far - near), this.distance];
    const shift = origin.map((v, axis) => v - this.target[axis]);
    const m = new Float32Array(16);
    for (let row = 0; row < 4; row++) {
      for (let axis = 0; axis < 3; axis++) m[axis * 4 + row] = rows[row][axis] * step;
      m[12 + row] = constant[row] + dot(rows[row], shift);
    }
    return m;
  }
}

function dot(a, b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

function roomCorners(frame) {
  const corners = [];
  for (const a of [-1, 1]) for (const b of [-1, 1]) for (const z of [frame.floor, frame.top]) {
    const u = a * frame.half[0], v = b * frame.half[1];
    corners.push([
      frame.centre[0] + u * frame.axes[0][0] + v * frame.axes[1][0],
      frame.centre[1] + u * frame.axes[0][1] + v * frame.axes[1][1], z,
    ]);
  }
  return corners;
}

// Bit set of the room's sides that stand between it and the viewer.
function facingSides(frame, azimuth) {
  const towards = [Math.cos(azimuth), Math.sin(azimuth)];
  const cosines = frame.axes.map((axis) => axis[0] * towards[0] + axis[1] * towards[1]);
  return (cosines[0] > 0.25 ? 1 : 0) | (cosines[1] > 0.25 ? 2 : 0)
    | (cosines[0] < -0.25 ? 4 : 0) | (cosines[1] < -0.25 ? 8 : 0);
}
