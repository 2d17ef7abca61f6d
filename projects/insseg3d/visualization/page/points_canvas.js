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
    const image = this.context.createImageData(width, height), pixels = image.data;
    const depth = new Float32Array(width * height).fill(Infinity);
    const m = camera.matrix(width / height, this.scene.origin, this.scene.step);
    const size = look.dot * height / Math.tan(FIELD_OF_VIEW / 2);
    const { xyz, sides, count } = this.scene, stride = look.moving ? 2 : 1;
    for (let i = 0; i < count; i += stride) {
      const x = xyz[3 * i], y = xyz[3 * i + 1], z = xyz[3 * i + 2];
      if (z > look.cut || sides[i] & look.hiddenSides) continue;
      const w = m[3] * x + m[7] * y + m[11] * z + m[15];
      if (w < 0.05) continue;
      const u = (m[0] * x + m[4] * y + m[8] * z + m[12]) / w, v = (m[1] * x + m[5] * y + m[9] * z + m[13]) / w;
      const reach = Math.min(10, Math.max(0.75, size / w / 2));
      const left = Math.max(0, Math.round((u + 1) / 2 * width - reach)), top = Math.max(0, Math.round((1 - v) / 2 * height - reach));
      const right = Math.min(width, left + Math.max(1, Math.round(2 * reach))), bottom = Math.min(height, top + Math.max(1, Math.round(2 * reach)));
      for (let row = top; row < bottom; row++) for (let column = left; column < right; column++) {
        const at = row * width + column;
        if (w < depth[at]) {
          depth[at] = w;
          pixels[4 * at] = colors[3 * i]; pixels[4 * at + 1] = colors[3 * i + 1]; pixels[4 * at + 2] = colors[3 * i + 2];
          pixels[4 * at + 3] = 255;
        }
      }
    }
    this.context.putImageData(image, Math.round(rect.x), Math.round(rect.y));
  }
}
