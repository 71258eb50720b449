// What people press: buttons, the search, the pointer over points, Escape, and events of the report around the map.
const controls = ({ root, find, canvas, stage, input, data, select, nav, card, colours, lassoing, gl, ...map }) => {
  const { wanted } = select;
  let [pending, typing] = [0, 0];
  const hover = (event) => {
    const [at, px, py] = map.under(event);
    canvas.style.cursor = lassoing.on ? "crosshair" : at < 0 ? "grab" : "pointer";
    if (at < 0) map.tip.hide();
    else map.tip.show(at, px, py, map.screen.width, map.screen.height);
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
    else { card.close(); map.refresh(); }
  });
  // A click elsewhere closes the card, except in the controls and lists that belong to it.
  document.addEventListener("pointerdown", (event) => { if (!event.target.closest?.("#map")) card.close(); });
  const clear = () => { select.clear(); input.value = ""; map.choose(null); };
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || (!root.contains(event.target) && card.at() < 0)) return;
    if (lassoing.on) lassoing.switch(false);
    else if (card.at() >= 0) card.close();
    else if (event.target === canvas) clear();
  });

  input.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      wanted.text = input.value;
      map.changed();
      const at = select.named(wanted.text);
      if (typeof at === "number" && at >= 0) map.open(at, { focus: false });
    }, data.titled > 20000 ? 200 : 0);
  });
  find("[data-all]").addEventListener("click", clear);
  find("[data-fit]").addEventListener("click", map.toMatches);
  find("[data-lasso]").addEventListener("click", () => lassoing.switch(!lassoing.on));
  find("[data-link]").addEventListener("click", async () => map.say((await copy(location.href)) ? "Link to this view copied" : "Copying is not allowed here"));
  for (const [name, act] of [["in", () => nav.zoom(1.6)], ["out", () => nav.zoom(1 / 1.6)], ["home", () => map.go(0, 0, 1, flying)]]) find(`[data-${name}]`).addEventListener("click", act);
  find("[data-colour]").addEventListener("change", ({ target }) => {
    colours.use(target.value);
    gl?.update();
    map.note({ colour: target.value === colours.fallback() ? null : target.value });
  });
  for (const name of ["in", "out", "home", "lasso"]) find(`[data-${name}]`).hidden = !gl;
  document.addEventListener("pointerdown", (event) => { const panel = find(".filters"); if (!event.target.closest?.(".filters")) panel.open = false; });

  addEventListener("hashchange", map.restore);
  // The report asks to show a subcategory, a category or a video.
  addEventListener("vidatlas:show", ({ detail }) => {
    if (detail?.video !== undefined) { map.open(detail.video, { focus: false }); return; }
    const group = detail?.sub !== undefined ? data.subs[detail.sub].group : detail?.group;
    map.choose(group === undefined ? null : { group, sub: detail.sub }, { tell: false });
    if (group !== undefined) map.toMatches();
  });
  map.dark.addEventListener("change", () => { colours.colours(); map.refresh(); });
  canvas.addEventListener("webglcontextrestored", () => { gl.rebuild(); colours.colours(); });
};
