// The same pictures where WebGL is missing: splats with a depth buffer, on a plain 2D canvas.
class CanvasPoints {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d');
    this.colors = [];
  }

  load(scene, paneCount) {
    this.scene = scene;
    this.colors = new Array(paneCount).fill(null);
  }

  paint(pane, colors) { this.colors[pane] = colors.slice(); }

  resize(width, height) {
    if (this.canvas.width === width && this.canvas.height === height) return;
    this.canvas.width = width;
    this.canvas.height = height;
  }

  draw(camera, rects, look) {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    rects.forEach((rect, k) => {
      if (rect && this.colors[k]) this.drawPane(camera, rect, this.colors[k], look);
    });
  }

  drawPane(camera, rect, colors, look) {
    const width = Math.floor(rect.width), height = Math.floor(rect.height);
    const image = this.context.createImageData(width, height);
    const depth = this.splat(camera, width, height, colors, look, new Uint32Array(image.data.buffer));
    if (!look.moving) this.shade(image.data, depth, width, height);
    this.context.putImageData(image, Math.round(rect.x), Math.round(rect.y));
  }

  // Paints round dots, the nearest on top; gives the logarithm of the depth at each pixel.
  splat(camera, width, height, colors, look, pixels) {
    const depth = new Float32Array(width * height).fill(Infinity);
    const m = camera.matrix(width / height, this.scene.origin, this.scene.step);
    const size = look.dot * height / Math.tan(FIELD_OF_VIEW / 2) / 2;
    const { xyz, sides, count } = this.scene;
    for (let i = 0; i < count; i++) {
      const x = xyz[3 * i], y = xyz[3 * i + 1], z = xyz[3 * i + 2];
      if (z > look.cut || sides[i] & look.hiddenSides) continue;
      const w = m[3] * x + m[7] * y + m[11] * z + m[15];
      if (w < 0.05) continue;
      const column = ((m[0] * x + m[4] * y + m[8] * z + m[12]) / w + 1) / 2 * width;
      const row = (1 - (m[1] * x + m[5] * y + m[9] * z + m[13]) / w) / 2 * height;
      const reach = Math.min(12, Math.max(0.8, size / w)), far = Math.log2(w);
      const ink = 0xff000000 | colors[3 * i + 2] << 16 | colors[3 * i + 1] << 8 | colors[3 * i];
      const top = Math.max(0, Math.ceil(row - reach - 0.5)), bottom = Math.min(height - 1, Math.floor(row + reach - 0.5));
      for (let v = top; v <= bottom; v++) {
        const half = Math.sqrt(reach * reach - (v + 0.5 - row) ** 2);
        const right = Math.min(width - 1, Math.floor(column + half - 0.5));
        for (let u = Math.max(0, Math.ceil(column - half - 0.5)); u <= right; u++) {
          const at = v * width + u;
          if (far < depth[at]) { depth[at] = far; pixels[at] = ink; }
        }
      }
    }
    return depth;
  }

  // Darkens what lies behind its neighbours.
  shade(pixels, depth, width, height) {
    const around = [-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1];
    for (let v = 1; v < height - 1; v++) for (let u = 1; u < width - 1; u++) {
      const at = v * width + u, here = depth[at];
      if (here === Infinity) continue;
      let behind = 0;
      for (let k = 0; k < 8; k++) {
        const gap = here - depth[at + around[k]];
        if (gap > 0) behind += gap < 0.05 ? gap : 0.05;
      }
      const light = Math.exp(-3.2 * behind);
      pixels[4 * at] *= light;
      pixels[4 * at + 1] *= light;
      pixels[4 * at + 2] *= light;
    }
  }
}
