// The picture: where a place of the data is on the screen, and what is drawn there, once per frame at most.
const [WHILE_MOVING, MOST_RINGED] = [200000, 2500];

const scening = (map) => {
  const { data, find, stage, canvas, dark, gl, wanted } = map;
  const { places } = data;
  // The data's square is stretched to the stage, by half at most: the axes of the layout mean nothing.
  const screen = { width: 1, height: 1, wide: 1, tall: 1, left: 0, top: 0, ratio: 1, total: data.total };
  const view = () => map.nav.view;
  screen.x = (place) => ((place / STEPS) * screen.wide + screen.left) * view().k + view().x;
  screen.y = (place) => ((1 - place / STEPS) * screen.tall + screen.top) * view().k + view().y;
  screen.steps = (px, py) => {
    const { k, x, y } = view();
    return [(((px - x) / k - screen.left) / screen.wide) * STEPS, (1 - ((py - y) / k - screen.top) / screen.tall) * STEPS];
  };
  // The middle of the picture from -1 to 1, and the scale; and the way there.
  const centre = () => [...screen.steps(screen.width / 2, screen.height / 2).map((step) => (step / STEPS) * 2 - 1), view().k];
  const go = (x, y, k, how) => map.nav.fly(screen.left + ((x + 1) / 2) * screen.wide, screen.top + (1 - (y + 1) / 2) * screen.tall, k, how);

  const land = landscape(find("canvas.land"), data.land);
  const letters = lettering(find(".names"), data, screen);
  const [pin, loop] = [find(".pin"), find(".loop polygon")];
  const draw = (most = Infinity) => {
    const { width, height, wide, tall, left, top, ratio } = screen;
    const { k, x, y } = view();
    const shown = Math.min(data.count, most);
    // Points grow with the zoom and shrink with their number.
    const size = ratio * Math.min(9, Math.max(shown > 300000 ? 1.2 : 1.6, 0.42 * Math.sqrt((wide * tall) / Math.max(shown, 1)) * Math.sqrt(k)));
    const alpha = shown > 200000 ? 0.6 : shown > 20000 ? 0.75 : 0.88;
    gl.begin({
      scale: [(2 * wide * k) / width, (2 * tall * k) / height],
      offset: [(2 * (left * k + x)) / width - 1, 1 - (2 * ((top + tall) * k + y)) / height],
      faint: dark.matches ? [0.22, 0.235, 0.24, 0.4] : [0.155, 0.16, 0.165, 0.2],
      ring: dark.matches ? [0.91, 0.9, 0.87] : [0.11, 0.125, 0.137],
    });
    if (!map.select.active()) gl.layer(PLAIN, size, alpha, shown);
    else {
      const few = map.members.length <= MOST_RINGED;
      gl.layer(FAINT, size, 1, shown);
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
  const resize = () => {
    const before = screen.width > 1 ? centre() : null;
    const [width, height] = [Math.max(stage.clientWidth, 1), Math.max(stage.clientHeight, 1)];
    const [least, ratio] = [Math.min(width, height), Math.min(devicePixelRatio, 2)];
    const [wide, tall] = [0.9 * Math.min(width, 1.9 * least), 0.92 * Math.min(height, 1.9 * least)];
    Object.assign(screen, { width, height, wide, tall, ratio, left: (width - wide) / 2, top: (height - tall) / 2 });
    for (const layer of [canvas, find("canvas.land")]) Object.assign(layer, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    letters.measure();
    if (before) go(...before);
    refresh();
  };
  return { screen, centre, go, now, refresh, resize };
};
