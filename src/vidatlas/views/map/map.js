// The map: its parts put together. Each part finds the others in `map`. All data enters the page as text.
const NEAR = 9;  // pixels around a point in which the pointer finds it

// What is selected has changed: count it, list it, draw it and note it in the address.
const changing = (map) => {
  const { data, wanted, select, find, output, root } = map;
  const { groups, subs } = data;
  const many = root.dataset.many;
  const words = () => {
    if (!select.active()) return map.tiles?.words() ?? `${english(data.count)} ${many}`;
    if (select.named(wanted.text) === "absent") return `This video is not among the ${english(data.titled)} ${many} on this page`;
    const home = wanted.group === null ? "" : ` in ${wanted.sub === null ? groups[wanted.group].name : subs[wanted.sub].name}`;
    return `${english(map.members.length)} of ${map.tiles?.searched() ?? `${english(data.count)} ${many}`}${home}`;
  };
  const changed = ({ from = 0, noted = true, controls = !from } = {}) => {
    const active = select.active();
    select.refresh(from);
    map.members = active ? select.members() : new Uint32Array();
    output.textContent = words();
    find(".found").hidden = find("[data-all]").hidden = !active;
    if (active) map.list.show(map.members);
    if (controls) { map.filters?.show(); map.colours.press(); }
    if (noted) map.noteSelection();
    map.refresh();
  };
  const choose = (choice, { tell = true, noted = true } = {}) => {
    const before = wanted.group;
    Object.assign(wanted, { group: choice?.group ?? null, sub: choice?.sub ?? null });
    if (before !== wanted.group) map.colours.use(map.colours.name());
    changed({ noted });
    const detail = choice && { group: choice.group, name: groups[choice.group].name, number: choice.sub === undefined ? null : subs[choice.sub].number };
    if (tell) root.dispatchEvent(new CustomEvent("vidatlas:choose", { detail, bubbles: true }));
  };
  return { changed, choose };
};

// A single video: its card, the point under the pointer, and the way to it.
const finding = (map) => {
  const { data, find, canvas, select, chosen, gl } = map;
  const { places } = data;
  const open = (at, { fly = true, focus = true } = {}) => {
    map.tip.hide();
    map.card.show(at, focus);
    map.note({ v: data.ids[at] ?? null });
    map.tiles?.ask(at)?.then(() => { if (map.card.at() === at && data.ids[at]) open(at, { fly: false, focus: false }); });
    if (gl && fly) map.go((places[2 * at] / STEPS) * 2 - 1, (places[2 * at + 1] / STEPS) * 2 - 1, Math.max(map.nav.view.k, 8), flying);
    else if (gl) {
      // On a phone the card stands at the bottom: the map makes way, so that the point stays in sight.
      const top = find(".card").offsetTop;
      const hidden = map.screen.y(places[2 * at + 1]) - top + 24;
      if (hidden > 0 && top > 0.2 * map.screen.height) map.nav.pan(0, -hidden);
    }
    map.refresh();
  };
  const under = (event) => {
    const box = canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    const [across, up] = [map.screen.across * map.nav.view.k, map.screen.up * map.nav.view.k];
    const [cx, cy] = map.screen.steps(px, py);
    const near = event.pointerType === "touch" ? 2 * NEAR : NEAR;
    const active = select.active();
    let [best, nearest] = [-1, near * near];
    const [wide, tall] = [near / across, near / up];
    for (const [first, end, tile] of data.runs) {
      if (tile && (cx < tile.left - wide || cx > tile.right + wide || cy < tile.low - tall || cy > tile.high + tall)) continue;
      for (let at = first; at < end; at += 1) {
        const dx = (places[2 * at] - cx) * across;
        if (dx > near || dx < -near || (active && !chosen[at])) continue;
        const far = dx ** 2 + ((places[2 * at + 1] - cy) * up) ** 2;
        if (far < nearest) [best, nearest] = [at, far];
      }
    }
    return [best, px, py];
  };
  const toMatches = () => {
    if (!map.members.length) return;
    let [left, right, low, high] = [STEPS, 0, STEPS, 0];
    for (const at of map.members) {
      const [x, y] = [places[2 * at], places[2 * at + 1]];
      [left, right, low, high] = [Math.min(left, x), Math.max(right, x), Math.min(low, y), Math.max(high, y)];
    }
    const { width, height, across, up } = map.screen;
    const k = 0.85 / Math.max(((right - left) * across) / width, ((high - low) * up) / height, 0.03);
    map.go((left + right) / STEPS - 1, (low + high) / STEPS - 1, Math.min(30, Math.max(1, k)), flying);
  };
  return { open, under, toMatches };
};

const hinting = (hint) => {
  let quiet = 0;
  return (text) => {
    hint.textContent = text;
    hint.hidden = false;
    clearTimeout(quiet);
    quiet = setTimeout(() => { hint.hidden = true; }, 1800);
  };
};
const HINTS = { touch: "Use two fingers to move the map", wheel: `Click the map, or hold ${/Mac|iP/.test(navigator.platform) ? "⌘" : "Ctrl"}, to zoom` };

const start = async (root) => {
  const data = await window.vidatlas.data;
  const find = (selector) => root.querySelector(selector);
  if (root.dataset.tiled) makeRoom(data, Number(root.dataset.tiled));
  const [tones, chosen] = [new Uint8Array(data.codes.length), new Uint8Array(data.codes.length)];
  const [stage, canvas, input, output] = [".stage", "canvas.points", "input[type=search]", "output"].map(find);
  const map = { root, data, find, stage, canvas, input, output, chosen, members: new Uint32Array(), dark: matchMedia("(prefers-color-scheme: dark)") };
  const gl = map.gl = painter(canvas, data, tones);
  map.select = selecting(data, chosen);
  map.wanted = map.select.wanted;
  map.say = hinting(find(".hint"));
  map.tip = tooltip(find(".tip"), data);
  Object.assign(map, changing(map), finding(map), addressing(map));
  map.lasso = lassoing(map);
  Object.assign(map, scening(map));
  map.nav = navigator_({
    canvas, stage, screen: map.screen, inside: root.dataset.whole === undefined, lasso: map.lasso,
    hint: (kind) => map.say(HINTS[kind]),
    moved: (moving) => { map.tip.hide(); map.refresh(moving); map.noteViewSoon(); map.tiles?.soon(); },
  });
  map.card = carding({ panel: find(".card"), pin: find(".pin"), data, choose: (choice) => map.choose(choice), closed: () => map.note({ v: null }) });
  map.list = listing({ panel: find(".found"), data, open: map.open, say: map.say });
  map.colours = colouring({
    data, tones, key: find(".key"), caption: find(".caption"), select: find("[data-colour]"), dark: map.dark, wanted: map.wanted, choose: (choice) => map.choose(choice),
    painted: (palette, toned) => { if (toned) gl?.update(); gl?.paint(palette); map.refresh(); },
  });
  if (gl) map.resize();
  map.changed({ noted: false });
  map.colours.use("");
  map.stand();
  if (gl) {
    new ResizeObserver(map.resize).observe(stage);
    map.now();
    root.dataset.state = "drawn";
    performance.mark("map-drawn");
  }
  // What the points are called comes second: words, filters, further colours and cards.
  await window.vidatlas.known;
  if (gl && root.dataset.tiled) {
    makeRoomForTitles(data);
    map.tiles = tiling(map);
    map.tiles.soon();
  }
  map.filters = filtering({ panel: find(".filters > div"), data, wanted: map.wanted, choose: (choice) => map.choose(choice), changed: () => map.changed() });
  map.colours.learn();
  if (gl) map.noteView();
  map.restore();
  controls(map);
  root.dataset.state = gl ? "ready" : "failed";
  find(".failure").hidden = Boolean(gl);
  performance.mark("map-ready");
  if (document.readyState === "loading") await new Promise((go) => addEventListener("DOMContentLoaded", go, { once: true }));
  for (const more of [...document.querySelectorAll(".map-points")].slice(1)) {
    const before = data.count;
    await data.take(more);
    map.colours.more([[before, data.count]]);
    map.changed({ from: before, noted: false });
    await new Promise((go) => setTimeout(go));
  }
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
