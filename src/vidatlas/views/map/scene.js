// The picture: where a place of the data is on the screen, and what is drawn there, once per frame at most.
const [WHILE_MOVING, MOST_RINGED] = [200000, 2500];

const scening = (map) => {
  const { data, find, stage, canvas, dark, gl, wanted } = map;
  const { places } = data;
  const screen = { width: 1, height: 1, across: 1, up: 1, left: 0, bottom: 0, ratio: 1, total: data.total };
  const view = () => map.nav.view;
  screen.x = (place) => (place * screen.across + screen.left) * view().k + view().x;
  screen.y = (place) => (screen.bottom - place * screen.up) * view().k + view().y;
  screen.steps = (px, py) => {
    const { k, x, y } = view();
    return [((px - x) / k - screen.left) / screen.across, (screen.bottom - (py - y) / k) / screen.up];
  };
  // The middle of the picture from -1 to 1, and the scale; and the way there.
  const centre = () => [...screen.steps(screen.width / 2, screen.height / 2).map((step) => (step / STEPS) * 2 - 1), view().k];
  const go = (x, y, k, how) => map.nav.fly(((x + 1) / 2) * STEPS * screen.across + screen.left, screen.bottom - ((y + 1) / 2) * STEPS * screen.up, k, how);
  const home = (how) => map.nav.fly(screen.width / 2, screen.height / 2, 1, how);

  // Whether the view is another one than that of the start.
  const away = () => Math.abs(view().k - 1) > 0.005 || Math.hypot(view().x, view().y) > 2;

  const land = landscape(find("canvas.land"), data.land);
  const letters = lettering(find(".names"), data, screen);
  const [pin, loop] = [find(".pin"), find(".loop polygon")];
  const draw = (most = Infinity) => {
    const { width, height, across, up, left, bottom, ratio } = screen;
    const { k, x, y } = view();
    const runs = map.tiles ? map.tiles.runs(most) : [[0, Math.min(data.count, most)]];
    const shown = runs.reduce((sum, [from, to]) => sum + to - from, 0);
    const crowd = map.tiles ? map.tiles.crowd() / Math.sqrt(k) : shown;
    // Points grow with the zoom and shrink with their number.
    const size = ratio * Math.min(9, Math.max(shown > 300000 ? 1.2 : 1.6, 0.4 * Math.sqrt((width * height * k) / Math.max(crowd, 1))));
    const alpha = shown > 200000 ? 0.6 : shown > 20000 ? 0.75 : 0.88;
    gl.begin({
      scale: [(2 * STEPS * across * k) / width, (2 * STEPS * up * k) / height],
      offset: [(2 * (left * k + x)) / width - 1, 1 - (2 * (bottom * k + y)) / height],
      faint: dark.matches ? [0.22, 0.235, 0.24, 0.4] : [0.155, 0.16, 0.165, 0.2],
      ring: dark.matches ? [0.91, 0.9, 0.87] : [0.11, 0.125, 0.137],
    });
    if (!map.select.active()) gl.layer(PLAIN, size, alpha, runs);
    else {
      const few = map.members.length <= MOST_RINGED;
      gl.layer(FAINT, size, 1, runs);
      gl.layer(few ? RINGED : PLAIN, few ? Math.max(1.6 * size, 6 * ratio) : 1.2 * size, few ? 1 : alpha, map.members);
    }
    canvas.dataset.drawn = shown;
  };
  const write = () => {
    land(screen, view(), dark.matches);
    letters.write(view(), dark.matches);
    const at = map.card.at();
    if (at >= 0) pin.style.transform = `translate(${screen.x(places[2 * at])}px, ${screen.y(places[2 * at + 1])}px) translate(-50%, -50%)`;
    loop.setAttribute("points", (wanted.loop ?? []).map((step, index) => (index % 2 ? screen.y(step) : screen.x(step)).toFixed(1)).join(" "));
  };
  const now = (most) => { if (gl) { draw(most); write(); } };
  let [frame, idle] = [0, 0];
  const refresh = (moving = false) => {
    cancelAnimationFrame(frame);
    clearTimeout(idle);
    frame = requestAnimationFrame(() => now(moving ? WHILE_MOVING : Infinity));
    if (moving && data.count > WHILE_MOVING) idle = setTimeout(refresh, 160);
  };
  // The points fill the stage: the axes of the layout mean nothing, so that one may be stretched, to 1.9 times at most.
  const [xs, ys] = [0, 1].map((axis) => {
    // The first points are a fair sample.
    const values = Uint16Array.from({ length: Math.min(data.runs[0][1], 20000) }, (_, at) => places[2 * at + axis]).sort();
    const [low, high] = [values[Math.floor(0.001 * values.length)] ?? 0, values[Math.ceil(0.999 * values.length) - 1] ?? STEPS];
    const more = Math.max(0, (2000 - (high - low)) / 2);
    return [low - more, high + more];
  });
  const resize = () => {
    const before = screen.width > 1 && away() ? centre() : null;
    const [width, height] = [Math.max(stage.clientWidth, 1), Math.max(stage.clientHeight, 1)];
    if (width === screen.width && height === screen.height && screen.ratio === Math.min(devicePixelRatio, 2)) return;
    const [mostAcross, mostUp, ratio] = [(0.9 * width) / (xs[1] - xs[0]), (0.9 * height) / (ys[1] - ys[0]), Math.min(devicePixelRatio, 2)];
    const [across, up] = [Math.min(mostAcross, 1.9 * mostUp), Math.min(mostUp, 1.9 * mostAcross)];
    Object.assign(screen, { width, height, across, up, ratio, left: (width - across * (xs[0] + xs[1])) / 2, bottom: (height + up * (ys[0] + ys[1])) / 2 });
    for (const layer of [canvas, find("canvas.land")]) Object.assign(layer, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    letters.measure();
    if (before) go(...before);
    else home();
    refresh();
  };
  return { screen, centre, go, home, away, now, refresh, resize };
};
