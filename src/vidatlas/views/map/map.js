// The map itself: its parts put together, and its view in the page's address. All data enters the page as text.
const [NEAR, WHILE_MOVING, MOST_RINGED] = [9, 200000, 2500];

const start = async (root) => {
  const find = (selector) => root.querySelector(selector);
  const [stage, canvas, input, output] = [".stage", "canvas.points", "input[type=search]", "output"].map(find);
  const { data: promised, state } = window.vidatlas;
  const data = await promised;
  const { groups, subs, codes, places, total } = data;
  const [many, inside] = [root.dataset.many, root.dataset.whole === undefined];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const [tones, chosen] = [new Uint8Array(total), new Uint8Array(total)];
  const gl = painter(canvas, data, tones);
  const select = selecting(data, chosen);
  const { wanted } = select;

  // ── The screen: the data's square is stretched to the stage, by half at most: the axes of the layout mean nothing ──
  const screen = { width: 1, height: 1, wide: 1, tall: 1, left: 0, top: 0, ratio: 1, total };
  screen.x = (place) => ((place / STEPS) * screen.wide + screen.left) * view.k + view.x;
  screen.y = (place) => ((1 - place / STEPS) * screen.tall + screen.top) * view.k + view.y;
  const steps = (px, py) => [(((px - view.x) / view.k - screen.left) / screen.wide) * STEPS, (1 - ((py - view.y) / view.k - screen.top) / screen.tall) * STEPS];
  const centre = () => [...steps(screen.width / 2, screen.height / 2).map((step) => (step / STEPS) * 2 - 1), view.k];
  const go = (x, y, k, how) => nav.fly(screen.left + ((x + 1) / 2) * screen.wide, screen.top + (1 - (y + 1) / 2) * screen.tall, k, how);

  // ── Drawing ──
  const land = landscape(find("canvas.land"), data.land);
  const letters = lettering(find(".names"), data, screen);
  const tip = tooltip(find(".tip"), data);
  const [pin, loop] = [find(".pin"), find(".loop polygon")];
  let members = new Uint32Array();
  const ink = () => (dark.matches ? [0.91, 0.9, 0.87] : [0.11, 0.125, 0.137]);
  const draw = (most) => {
    const { width, height, wide, tall, left, top, ratio } = screen;
    const shown = Math.min(data.count, most);
    // Points grow with the zoom and shrink with their number.
    const room = Math.sqrt((wide * tall) / Math.max(shown, 1));
    const size = ratio * Math.min(9, Math.max(shown > 300000 ? 1.2 : 1.6, 0.42 * room * Math.sqrt(view.k)));
    const grey = dark.matches ? [0.22, 0.235, 0.24, 0.4] : [0.155, 0.16, 0.165, 0.2];
    gl.begin({
      scale: [(2 * wide * view.k) / width, (2 * tall * view.k) / height],
      offset: [(2 * (left * view.k + view.x)) / width - 1, 1 - (2 * ((top + tall) * view.k + view.y)) / height],
      faint: grey, ring: ink(),
    });
    const alpha = shown > 200000 ? 0.6 : shown > 20000 ? 0.75 : 0.88;
    if (!select.active()) gl.layer(PLAIN, size, alpha, shown);
    else {
      gl.layer(FAINT, size, 1, shown);
      const few = members.length <= MOST_RINGED;
      gl.layer(few ? RINGED : PLAIN, few ? Math.max(1.6 * size, 6 * ratio) : 1.2 * size, few ? 1 : alpha, members);
    }
    canvas.dataset.drawn = shown;
  };
  const write = () => {
    if (!gl) return;
    land(screen, view, dark.matches);
    letters.write(view, dark.matches);
    const at = card.at();
    if (at >= 0) pin.style.transform = `translate(${screen.x(places[2 * at])}px, ${screen.y(places[2 * at + 1])}px) translate(-50%, -50%)`;
    loop.setAttribute("points", (wanted.loop ?? []).map((step, index) => (index % 2 ? screen.y(step) : screen.x(step)).toFixed(1)).join(" "));
  };
  let [frame, idle] = [0, 0];
  const refresh = (moving = false) => {
    cancelAnimationFrame(frame);
    clearTimeout(idle);
    frame = requestAnimationFrame(() => { if (gl) draw(moving ? WHILE_MOVING : Infinity); write(); });
    if (moving && data.count > WHILE_MOVING) idle = setTimeout(() => refresh(), 160);
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

  // ── Hints, and the address of the view ──
  let [quiet, noted] = [0, 0];
  const say = (text) => {
    const hint = find(".hint");
    hint.textContent = text;
    hint.hidden = false;
    clearTimeout(quiet);
    quiet = setTimeout(() => { hint.hidden = true; }, 1800);
  };
  const hint = (kind) => say(kind === "touch" ? "Use two fingers to move the map" : `Click the map, or hold ${/Mac|iP/.test(navigator.platform) ? "⌘" : "Ctrl"}, to zoom`);
  const note = (changes) => state.set(changes);
  const noteView = () => {
    const [x, y, k] = centre();
    const home = Math.abs(k - 1) < 0.005 && Math.hypot(x, y) < 0.005;
    note(home ? { x: null, y: null, k: null } : { x: x.toFixed(4), y: y.toFixed(4), k: Number(k.toPrecision(4)) });
  };
  const noteSelection = () => {
    const c = wanted.group === null ? null : wanted.sub === null ? groups[wanted.group].name : `${groups[wanted.group].name}/${subs[wanted.sub].number}`;
    note({ q: wanted.text.trim() || null, c, range: filters.text() || null, lasso: wanted.loop?.map((step) => Math.round((step / STEPS) * 2000)).join(",") ?? null });
  };

  // ── Selection ──
  const lassoing = {
    on: false, path: [],
    wanted: () => lassoing.on,
    switch: (on) => { lassoing.on = on; find("[data-lasso]").setAttribute("aria-pressed", String(on)); stage.classList.toggle("looping", on); if (on) say("Draw around the points"); },
    begin: (event) => { lassoing.path = []; lassoing.add(event); tip.hide(); },
    add: ({ clientX, clientY }) => {
      const box = canvas.getBoundingClientRect();
      const point = [clientX - box.left, clientY - box.top];
      const last = lassoing.path.at(-1);
      if (last && Math.hypot(point[0] - last[0], point[1] - last[1]) < 6) return;
      lassoing.path.push(point);
      loop.setAttribute("points", lassoing.path.flat().join(" "));
    },
    end: (done) => {
      lassoing.switch(false);
      // Long loops are thinned, so that the address stays short.
      const thin = Math.ceil(lassoing.path.length / 80);
      const kept = lassoing.path.filter((_, at) => at % thin === 0);
      wanted.loop = done && kept.length > 2 ? kept.flatMap(([px, py]) => steps(px, py)) : null;
      changed();
    },
  };
  const changed = (from = 0, noted = true) => {
    select.refresh(from);
    const active = select.active();
    members = active ? select.members() : new Uint32Array();
    if (!from) {
      const home = wanted.group === null ? "" : ` in ${wanted.sub === null ? groups[wanted.group].name : subs[wanted.sub].name}`;
      output.textContent = active ? `${english(members.length)} of ${english(data.count)} ${many}${home}` : `${english(data.count)} ${many}`;
      if (wanted.text && select.named(wanted.text) === "absent") output.textContent = `This video is not among the ${english(data.titled)} ${many} on this page`;
      find(".found").hidden = find("[data-all]").hidden = !active;
      if (active) list.show(members);
      filters.show();
      colours.press();
      if (noted) noteSelection();
    } else output.textContent = active ? `${english(members.length)} of ${english(data.count)} ${many}` : `${english(data.count)} ${many}`;
    refresh();
  };
  const choose = (choice, { tell = true, noted = true } = {}) => {
    const group = wanted.group;
    Object.assign(wanted, { group: choice?.group ?? null, sub: choice?.sub ?? null });
    if (group !== wanted.group && colours.name() === "subcategory") colours.use("subcategory");
    else colours.able();
    changed(0, noted);
    const detail = choice && { group: choice.group, name: groups[choice.group].name, number: choice.sub === undefined ? null : subs[choice.sub].number };
    if (tell) root.dispatchEvent(new CustomEvent("vidatlas:choose", { detail, bubbles: true }));
  };
  const frameOf = (list) => {
    let [left, right, low, high] = [STEPS, 0, STEPS, 0];
    for (const at of list) {
      const [x, y] = [places[2 * at], places[2 * at + 1]];
      [left, right, low, high] = [Math.min(left, x), Math.max(right, x), Math.min(low, y), Math.max(high, y)];
    }
    const k = 0.85 / Math.max((right - left) / STEPS, (high - low) / STEPS, 0.03);
    return [(left + right) / STEPS - 1, (low + high) / STEPS - 1, Math.min(30, Math.max(1, k))];
  };
  const toMatches = () => { if (members.length) go(...frameOf(members), flying); };

  // ── One video ──
  const card = carding({ panel: find(".card"), pin, data, choose: (choice) => choose(choice), closed: () => note({ v: null }) });
  const open = (at, { fly = true, focus = true } = {}) => {
    tip.hide();
    card.show(at, focus);
    note({ v: at < data.titled ? data.ids[at] : null });
    const hidden = screen.y(places[2 * at + 1]) - find(".card").offsetTop + 24;
    // On a phone the card stands at the bottom: the map makes way, so that the point stays in sight.
    if (!fly && gl && hidden > 0 && find(".card").offsetTop > 0.2 * screen.height) nav.pan(0, -hidden);
    if (fly && gl) go((places[2 * at] / STEPS) * 2 - 1, (places[2 * at + 1] / STEPS) * 2 - 1, Math.max(view.k, 8), flying);
    refresh();
  };
  const under = (event) => {
    const box = canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    const [across, up] = [(screen.wide * view.k) / STEPS, (screen.tall * view.k) / STEPS];
    const [cx, cy] = steps(px, py);
    const near = event.pointerType === "touch" ? 2 * NEAR : NEAR;
    let [best, nearest] = [-1, near * near];
    const active = select.active();
    for (let at = 0; at < data.count; at += 1) {
      const dx = (places[2 * at] - cx) * across;
      if (dx > near || dx < -near || (active && !chosen[at])) continue;
      const far = dx ** 2 + ((places[2 * at + 1] - cy) * up) ** 2;
      if (far < nearest) [best, nearest] = [at, far];
    }
    return [best, px, py];
  };
  const moved = (moving) => {
    tip.hide();
    refresh(moving);
    clearTimeout(noted);
    noted = setTimeout(noteView, 250);
  };
  const nav = navigator_({ canvas, stage, screen, inside, moved, hint, lasso: lassoing });
  const { view } = nav;

  const filters = filtering({ panel: find(".filters > div"), data, wanted, choose, changed: () => changed() });
  const list = listing({ panel: find(".found"), data, open, told: say });
  const colours = colouring({
    data, tones, key: find(".key"), caption: find(".caption"), select: find("[data-colour]"), dark, group: () => wanted.group,
    painted: (palette) => { gl?.paint(palette); refresh(); },
    pressed: (name, at) => {
      if (name === "category") choose(wanted.sub === null && wanted.group === at ? null : { group: at });
      else choose(wanted.sub === at ? null : { group: subs[at].group, sub: at });
    },
    isPressed: (name, at) => (name === "category" ? wanted.group === at : name === "subcategory" ? wanted.sub === at : null),
  });
  const restore = () => {
    const read = (key) => state.get(key);
    wanted.text = input.value = read("q") ?? "";
    filters.read(read("range"));
    const corners = (read("lasso") ?? "").split(",").map(Number);
    wanted.loop = corners.length > 5 && corners.length % 2 === 0 && corners.every(Number.isFinite) ? corners.map((step) => (step / 2000) * STEPS) : null;
    const c = read("c") ?? "";
    const cut = c.lastIndexOf("/");
    const group = groups.findIndex(({ name }) => name === c);
    const sub = group < 0 ? subs.findIndex((one) => groups[one.group].name === c.slice(0, cut) && String(one.number) === c.slice(cut + 1)) : -1;
    const choice = group >= 0 ? { group } : sub >= 0 ? { group: subs[sub].group, sub } : null;
    const same = (wanted.group ?? -1) === (choice?.group ?? -1) && (wanted.sub ?? -1) === (choice?.sub ?? -1);
    choose(choice, { tell: !same, noted: false });
    colours.use(read("colour") ?? colours.fallback());
    const [x, y, k] = ["x", "y", "k"].map((key) => Number(read(key) ?? NaN));
    if ([x, y, k].every(Number.isFinite)) go(x, y, k);
    else go(0, 0, 1);
    const at = read("v") === null ? -1 : select.withId(read("v"));
    if (at >= 0) { card.show(at, false); refresh(); } else card.close();
  };
  gl ? resize() : letters.measure();
  colours.use("category");
  restore();
  if (gl) new ResizeObserver(resize).observe(stage);
  controls({
    root, find, canvas, stage, input, data, select, nav, card, colours, lassoing, gl,
    dark, choose, changed, open, toMatches, say, under, tip, screen, go, refresh, restore, note,
  });
  gl?.update();
  if (gl) draw(Infinity);
  write();
  root.dataset.state = gl ? "ready" : "failed";
  find(".failure").hidden = Boolean(gl);
  performance.mark("map-ready");
  // The rest comes behind the script, so that the first frame need not wait for it.
  if (document.readyState === "loading") await new Promise((go_) => addEventListener("DOMContentLoaded", go_, { once: true }));
  for (const more of [...document.querySelectorAll(".map-points")].slice(1)) {
    const before = data.count;
    await data.take(more);
    colours.tone(before);
    gl?.update();
    changed(before);
    await new Promise((go_) => setTimeout(go_));
  }
  if (data.count > data.titled && select.active()) changed(0, false);
  if (gl) root.dataset.state = "complete";
  performance.mark("map-complete");
};

const root = document.getElementById("map");
if (root) {
  start(root).catch((error) => {
    root.dataset.state = "failed";
    root.querySelector(".failure").hidden = false;
    throw error;
  });
}
