// Points on the GPU: one vertex buffer, one palette, and WebGL 2 without a library.
const VERTEX = `#version 300 es
precision highp float; precision highp int;
uniform vec2 scale, offset; uniform mediump float size; uniform mediump int kind; uniform vec4 faint; uniform float alpha; uniform sampler2D palette;
in vec2 place; in float tone; out vec4 colour;
void main() {
  gl_Position = vec4(place * scale + offset, 0.0, 1.0);
  gl_PointSize = size;
  vec4 own = texelFetch(palette, ivec2(int(tone + 0.5), 0), 0);
  float opaque = alpha * own.a;
  colour = kind == 0 ? faint : vec4(own.rgb * opaque, opaque);
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
uniform mediump float size; uniform mediump int kind; uniform vec3 ring;
in vec4 colour; out vec4 shown;
void main() {
  float far = length(gl_PointCoord - 0.5);
  if (far > 0.5) discard;
  float inside = clamp((0.5 - far) * size + 0.3, 0.0, 1.0);
  shown = (kind == 2 && (0.5 - far) * size < 0.16 * size ? vec4(ring, 1.0) : colour) * inside;
}`;
const [FAINT, PLAIN, RINGED] = [0, 1, 2];

const compiled = (gl) => {
  const program = gl.createProgram();
  for (const [type, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  ["place", "tone"].forEach((name, at) => gl.bindAttribLocation(program, at, name));
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(program));
  return program;
};

// Return what draws the points, or null without WebGL 2. Places and tones are read anew by update().
const painter = (canvas, data, tones) => {
  const gl = canvas.getContext("webgl2", { antialias: false, powerPreference: "high-performance" });
  if (!gl) return null;
  let [program, uniforms, buffers, list] = [null, {}, {}, null];
  const upload = (target, buffer, values) => { gl.bindBuffer(target, buffer); gl.bufferData(target, values, gl.DYNAMIC_DRAW); };
  const update = () => {
    upload(gl.ARRAY_BUFFER, buffers.places, data.places.subarray(0, 2 * data.count));
    upload(gl.ARRAY_BUFFER, buffers.tones, tones.subarray(0, data.count));
  };
  const paint = (colours) => gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, colours);
  const build = () => {
    program = compiled(gl);
    gl.useProgram(program);
    uniforms = Object.fromEntries(["scale", "offset", "size", "kind", "faint", "alpha", "ring"].map((name) => [name, gl.getUniformLocation(program, name)]));
    buffers = { places: gl.createBuffer(), tones: gl.createBuffer(), list: gl.createBuffer() };
    list = null;
    update();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers.places);
    gl.vertexAttribPointer(0, 2, gl.UNSIGNED_SHORT, true, 0, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers.tones);
    gl.vertexAttribPointer(1, 1, gl.UNSIGNED_BYTE, false, 0, 0);
    for (const at of [0, 1]) gl.enableVertexAttribArray(at);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, gl.NEAREST);
    gl.enable(gl.BLEND);
  };
  // Draw one layer: of kind FAINT, PLAIN or RINGED, the points of runs, or those of a list.
  const layer = (kind, size, alpha, points) => {
    gl.uniform1i(uniforms.kind, kind);
    gl.uniform1f(uniforms.size, size);
    gl.uniform1f(uniforms.alpha, alpha);
    // Faint points do not add up: where many lie, they stay as faint as one.
    gl.blendEquation(kind === FAINT ? gl.MAX : gl.FUNC_ADD);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    if (Array.isArray(points)) { for (const [from, to] of points) gl.drawArrays(gl.POINTS, from, to - from); return; }
    if (list !== points) upload(gl.ELEMENT_ARRAY_BUFFER, buffers.list, (list = points));
    gl.drawElements(gl.POINTS, points.length, gl.UNSIGNED_INT, 0);
  };
  const begin = ({ scale, offset, faint, ring }) => {
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2fv(uniforms.scale, scale);
    gl.uniform2fv(uniforms.offset, offset);
    gl.uniform4fv(uniforms.faint, faint);
    gl.uniform3fv(uniforms.ring, ring);
  };
  build();
  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  return { begin, layer, update, paint, rebuild: build };
};
