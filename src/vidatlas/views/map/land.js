// Land: the density of the points as shapes below them, on a canvas of its own.
const STEPS = 65535;

const landscape = (canvas, land) => {
  const pen = canvas.getContext("2d");
  const paths = land.map((level) => {
    const path = new Path2D();
    for (const shape of level) {
      // Round between the corners: each bends the line from the middle of one side to that of the next.
      const corner = (at) => [shape[(2 * at) % shape.length], shape[(2 * at + 1) % shape.length]];
      const middle = (at) => corner(at).map((step, axis) => (step + corner(at + 1)[axis]) / 2);
      path.moveTo(...middle(0));
      for (let at = 1; at <= shape.length / 2; at += 1) path.quadraticCurveTo(...corner(at), ...middle(at));
    }
    return path;
  });
  return ({ across, up, left, bottom, ratio }, { k, x, y }, dark) => {
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (!paths.length) return;
    pen.setTransform(ratio * across * k, 0, 0, -ratio * up * k, ratio * (left * k + x), ratio * (bottom * k + y));
    pen.fillStyle = dark ? "rgb(215 230 235)" : "rgb(70 85 80)";
    pen.globalAlpha = (dark ? 0.2 : 0.28) / Math.max(2, paths.length);
    for (const path of paths) pen.fill(path, "evenodd");
  };
};
