// Draws one cloud into several panes of one canvas; edges are darkened by depth afterwards.
const POINT_VERTEX = `#version 300 es
in vec3 position; in vec3 color; in float side;
uniform mat4 matrix; uniform float dotSize; uniform float cut; uniform int hiddenSides;
out vec3 tint;
void main() {
  tint = color;
  gl_Position = matrix * vec4(position, 1.0);
  gl_PointSize = clamp(dotSize / gl_Position.w, 1.5, 48.0);
  if ((int(side + 0.5) & hiddenSides) != 0 || position.z > cut) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
}`;
const POINT_FRAGMENT = `#version 300 es
precision mediump float;
in vec3 tint; out vec4 result;
void main() {
  vec2 d = gl_PointCoord - 0.5;
  if (dot(d, d) > 0.25) discard;
  result = vec4(tint, 1.0);
}`;
const SHADE_VERTEX = `#version 300 es
void main() { gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0); }`;
const SHADE_FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D image; uniform highp sampler2D depth; uniform vec2 planes; uniform int reach;
out vec4 result;
float logDepth(ivec2 at) {
  float z = texelFetch(depth, at, 0).r;
  return log2(planes.x * planes.y / (planes.y - z * (planes.y - planes.x)));
}
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy), limit = textureSize(depth, 0) - 1;
  if (texelFetch(depth, at, 0).r >= 1.0) { result = vec4(0.0); return; }
  float here = logDepth(at), behind = 0.0;
  for (int k = 0; k < 8; k++) {
    int n = k < 4 ? k : k + 1;
    ivec2 next = clamp(at + reach * ivec2(n % 3 - 1, n / 3 - 1), ivec2(0), limit);
    behind += clamp(here - logDepth(next), 0.0, 0.05);
  }
  result = vec4(texelFetch(image, at, 0).rgb * exp(-3.2 * behind), 1.0);
}`;

class WebglPoints {
  // anyway: also where WebGL is itself only software, which is slower than a plain canvas.
  constructor(canvas, anyway) {
    this.canvas = canvas;
    const gl = canvas.getContext('webgl2', {
      antialias: false, failIfMajorPerformanceCaveat: !anyway,
    });
    if (!gl) throw new Error('WebGL 2 is missing');
    const about = gl.getExtension('WEBGL_debug_renderer_info');
    const name = String(about && gl.getParameter(about.UNMASKED_RENDERER_WEBGL));
    if (!anyway && /swiftshader|llvmpipe|software|basic render/i.test(name)) throw new Error('WebGL is slow');
    this.gl = gl;
    this.points = this.program(POINT_VERTEX, POINT_FRAGMENT);
    this.shade = this.program(SHADE_VERTEX, SHADE_FRAGMENT);
    this.frame = gl.createFramebuffer();
    this.image = gl.createTexture();
    this.depth = gl.createTexture();
    this.empty = gl.createVertexArray();
    this.panes = [];
    this.size = [0, 0];
    gl.enable(gl.DEPTH_TEST);
  }

  program(vertex, fragment) {
    const gl = this.gl, program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    return program;
  }

  // scene: { xyz Uint16Array, sides Uint8Array, count }; one colour buffer for each pane.
  load(scene, paneCount) {
    const gl = this.gl;
    for (const pane of this.panes) { gl.deleteBuffer(pane.colors); gl.deleteVertexArray(pane.array); }
    if (this.shared) this.shared.forEach((buffer) => gl.deleteBuffer(buffer));
    this.scene = scene;
    this.shared = [scene.xyz, scene.sides].map((values) => {
      const buffer = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
      return buffer;
    });
    this.panes = [];
    for (let k = 0; k < paneCount; k++) {
      const array = gl.createVertexArray(), colors = gl.createBuffer();
      gl.bindVertexArray(array);
      this.attribute('position', this.shared[0], 3, gl.UNSIGNED_SHORT, false);
      this.attribute('side', this.shared[1], 1, gl.UNSIGNED_BYTE, false);
      gl.bindBuffer(gl.ARRAY_BUFFER, colors);
      gl.bufferData(gl.ARRAY_BUFFER, scene.count * 3, gl.DYNAMIC_DRAW);
      this.attribute('color', colors, 3, gl.UNSIGNED_BYTE, true);
      this.panes.push({ array, colors });
    }
    gl.bindVertexArray(null);
  }

  attribute(name, buffer, size, type, normalized) {
    const gl = this.gl, place = gl.getAttribLocation(this.points, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, size, type, normalized, 0, 0);
  }

  paint(pane, colors) {
    const gl = this.gl;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.panes[pane].colors);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, colors);
  }

  resize(width, height) {
    const gl = this.gl;
    if (this.size[0] === width && this.size[1] === height) return;
    this.size = [width, height];
    this.canvas.width = width;
    this.canvas.height = height;
    gl.bindTexture(gl.TEXTURE_2D, this.image);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, null);
    gl.bindTexture(gl.TEXTURE_2D, this.depth);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.DEPTH_COMPONENT24, width, height, 0, gl.DEPTH_COMPONENT, gl.UNSIGNED_INT, null);
    for (const texture of [this.image, this.depth]) {
      gl.bindTexture(gl.TEXTURE_2D, texture);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, this.image, 0);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.TEXTURE_2D, this.depth, 0);
  }

  // rects: one { x, y, width, height } in device pixels from the top left, or null, for each pane.
  draw(camera, rects, look) {
    const gl = this.gl, uniform = (program, name) => gl.getUniformLocation(program, name);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.frame);
    gl.viewport(0, 0, ...this.size);
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.useProgram(this.points);
    gl.enable(gl.SCISSOR_TEST);
    gl.uniform1f(uniform(this.points, 'cut'), look.cut);
    gl.uniform1i(uniform(this.points, 'hiddenSides'), look.hiddenSides);
    rects.forEach((rect, k) => {
      if (!rect) return;
      const bottom = this.size[1] - rect.y - rect.height;
      gl.viewport(rect.x, bottom, rect.width, rect.height);
      gl.scissor(rect.x, bottom, rect.width, rect.height);
      const matrix = camera.matrix(rect.width / rect.height, this.scene.origin, this.scene.step);
      gl.uniformMatrix4fv(uniform(this.points, 'matrix'), false, matrix);
      gl.uniform1f(uniform(this.points, 'dotSize'), look.dot * rect.height / Math.tan(FIELD_OF_VIEW / 2));
      gl.bindVertexArray(this.panes[k].array);
      gl.drawArrays(gl.POINTS, 0, this.scene.count);
    });
    gl.disable(gl.SCISSOR_TEST);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, ...this.size);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.useProgram(this.shade);
    gl.bindVertexArray(this.empty);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.image);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.depth);
    gl.activeTexture(gl.TEXTURE0);
    gl.uniform1i(uniform(this.shade, 'image'), 0);
    gl.uniform1i(uniform(this.shade, 'depth'), 1);
    const { near, far } = camera.planes();
    gl.uniform2f(uniform(this.shade, 'planes'), near, far);
    gl.uniform1i(uniform(this.shade, 'reach'), Math.max(1, Math.round(look.ratio)));
    gl.disable(gl.DEPTH_TEST);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.enable(gl.DEPTH_TEST);
  }
}
