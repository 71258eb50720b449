// What people press: buttons, the search, the pointer over points, Escape, and events of the report around the map.
const controls = (map) => {
  const { root, find, canvas, input, data, select, wanted, nav, card, lasso, gl } = map;
  let [pending, typing] = [0, 0];
  const hover = (event) => {
    const [at, px, py] = map.under(event);
    canvas.style.cursor = lasso.wanted() ? "crosshair" : at < 0 ? "grab" : "pointer";
    const show = () => map.tip.show(at, px, py, map.screen.width, map.screen.height);
    if (at < 0) map.tip.hide();
    else show();
    map.tiles?.askSoon(at, () => { if (!find(".tip").hidden) show(); });
  };
  canvas.addEventListener("pointermove", (event) => {
    cancelAnimationFrame(pending);
    if (event.pointerType !== "touch" && !nav.moving()) pending = requestAnimationFrame(() => hover(event));
  });
  canvas.addEventListener("pointerleave", () => { cancelAnimationFrame(pending); map.tip.hide(); });
  canvas.addEventListener("click", (event) => {
    if (nav.dragged()) return;
    const [at] = map.under(event);
    if (at >= 0) map.open(at, { fly: false, focus: event.pointerType !== "mouse" });
    else card.close();
  });
  const clear = () => { select.clear(); input.value = ""; map.choose(null); };
  document.addEventListener("pointerdown", ({ target }) => {
    if (!root.contains(target)) card.close();
    if (!find(".filters").contains(target)) find(".filters").open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if (lasso.wanted()) lasso.use(false);
    else if (card.at() >= 0) card.close();
    else if (event.target === canvas) clear();
  });

  input.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      wanted.text = input.value;
      map.changed();
      const at = select.named(wanted.text);
      if (typeof at === "number") map.open(at, { focus: false });
    }, data.titled > 20000 ? 200 : 0);
  });
  const link = async () => map.say((await copy(location.href)) ? "Link to this view copied" : "Copying is not allowed here");
  const acts = { all: clear, fit: map.toMatches, link, in: () => nav.zoom(1.6), out: () => nav.zoom(1 / 1.6), home: () => map.home(flying) };
  for (const [name, act] of Object.entries(acts)) find(`[data-${name}]`).addEventListener("click", act);
  find("[data-colour]").addEventListener("change", ({ target }) => {
    map.colours.use(target.value);
    map.note({ colour: target.value === map.colours.first() ? null : target.value });
  });
  for (const name of ["fit", "lasso"]) find(`[data-${name}]`).hidden = !gl;

  addEventListener("hashchange", map.restore);
  // The report asks to show a subcategory, a category or a video.
  addEventListener("vidatlas:show", ({ detail }) => {
    if (detail?.video !== undefined) { map.open(detail.video, { focus: false }); return; }
    const group = detail?.sub !== undefined ? data.subs[detail.sub].group : detail?.group;
    map.choose(group === undefined ? null : { group, sub: detail.sub }, { tell: false });
    if (group !== undefined) map.toMatches();
  });
  map.dark.addEventListener("change", () => { map.colours.paint(); map.refresh(); });
  canvas.addEventListener("webglcontextrestored", () => { gl.rebuild(); map.colours.paint(); });
};
