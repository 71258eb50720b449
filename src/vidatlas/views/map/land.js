// Land: the density of the points as shapes below them, on a canvas of its own.
const STEPS = 65535;

const landscape = (canvas, land) => {
  const pen = canvas.getContext("2d");
  const paths = land.map((level) => {
    const path = new Path2D();
    for (const shape of level) {
      for (let at = 0; at < shape.length; at += 2) path[at ? "lineTo" : "moveTo"](shape[at], shape[at + 1]);
      path.closePath();
    }
    return path;
  });
  return ({ wide, tall, left, top, ratio }, { k, x, y }, dark) => {
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (!paths.length) return;
    pen.setTransform((ratio * wide * k) / STEPS, 0, 0, (-ratio * tall * k) / STEPS, ratio * (left * k + x), ratio * ((tall + top) * k + y));
    pen.fillStyle = dark ? "rgb(215 230 235)" : "rgb(70 85 80)";
    pen.globalAlpha = (dark ? 0.16 : 0.2) / Math.max(2, paths.length);
    for (const path of paths) pen.fill(path, "evenodd");
  };
};
