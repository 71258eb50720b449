// Moving over the map: drag, wheel, two fingers, keys and flights. A view is a scale k and a shift x, y in pixels.
const [LEAST, MOST] = [0.7, 400];
const [once, flying] = [0, 1];
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// Call moved(moving) at every change; within a longer page (inside), the wheel and one finger are the page's.
const navigator_ = ({ canvas, stage, screen, inside, moved, hint, lasso }) => {
  const view = { k: 1, x: 0, y: 0 };
  let flight = 0;
  const [wide, tall] = [() => screen.width, () => screen.height];
  const put = (k, x, y) => {
    const [room, down] = [wide(), tall()];
    view.k = Math.min(MOST, Math.max(LEAST, k));
    // Some of the map always stays in sight.
    view.x = Math.min(0.8 * room, Math.max(0.2 * room - room * view.k, x));
    view.y = Math.min(0.8 * down, Math.max(0.2 * down - down * view.k, y));
    moved(true);
  };
  const stop = () => cancelAnimationFrame(flight);
  const pan = (dx, dy) => { stop(); put(view.k, view.x + dx, view.y + dy); };
  const zoom = (factor, px = wide() / 2, py = tall() / 2) => {
    stop();
    const k = Math.min(MOST, Math.max(LEAST, view.k * factor));
    put(k, px - ((px - view.x) * k) / view.k, py - ((py - view.y) * k) / view.k);
  };
  // Centre a point of the unmoved stage at a scale.
  const fly = (cx, cy, k, at = once) => {
    stop();
    const from = [(wide() / 2 - view.x) / view.k, (tall() / 2 - view.y) / view.k, view.k];
    const show = (part) => {
      const now = from[2] * (k / from[2]) ** part;
      // In step with the scale, so that the goal does not leave the picture on the way.
      const along = Math.abs(k - from[2]) < 1e-6 * k ? part : (1 / from[2] - 1 / now) / (1 / from[2] - 1 / k);
      const [mx, my] = [from[0] + (cx - from[0]) * along, from[1] + (cy - from[1]) * along];
      put(now, wide() / 2 - mx * now, tall() / 2 - my * now);
    };
    if (at === once || calm.matches) { show(1); return; }
    const started = performance.now();
    const step = (now) => {
      const part = Math.min(1, Math.max(0, (now - started) / 450));
      show(part * part * (3 - 2 * part));
      if (part < 1) flight = requestAnimationFrame(step);
    };
    flight = requestAnimationFrame(step);
  };

  canvas.addEventListener("wheel", (event) => {
    if (inside && !event.ctrlKey && !event.metaKey && !stage.contains(document.activeElement)) { hint("wheel"); return; }
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    const amount = event.deltaY * (event.deltaMode === 1 ? 0.05 : event.deltaMode ? 1 : 0.002) * (event.ctrlKey && !Number.isInteger(event.deltaY) ? 6 : 1);
    zoom(2 ** -Math.min(2, Math.max(-2, amount)), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });

  // Mouse and pen: drag to move, with Shift (or in the mode of the button) to draw a lasso.
  let [drag, dragged] = [null, false];
  canvas.addEventListener("pointerdown", (event) => {
    dragged = false;
    if (event.button || (event.pointerType === "touch" && !lasso.wanted())) return;
    drag = { x: event.clientX, y: event.clientY, lasso: event.shiftKey || lasso.wanted() };
    if (drag.lasso) { canvas.setPointerCapture(event.pointerId); lasso.begin(event); }
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    if (!dragged && Math.hypot(dx, dy) < 4) return;
    if (!dragged && !drag.lasso) canvas.setPointerCapture(event.pointerId);
    dragged = true;
    if (drag.lasso) { lasso.add(event); return; }
    pan(dx, dy);
    Object.assign(drag, { x: event.clientX, y: event.clientY });
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, () => { if (drag?.lasso) lasso.end(dragged && name === "pointerup"); drag = null; });
  }

  // Fingers: two move and zoom; one does in a page that is all map, else it scrolls the page.
  let fingers = null;
  const spread = (touches) => {
    const box = canvas.getBoundingClientRect();
    const [a, b = a] = touches;
    return { x: (a.clientX + b.clientX) / 2 - box.left, y: (a.clientY + b.clientY) / 2 - box.top, far: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY), count: touches.length };
  };
  canvas.addEventListener("touchstart", (event) => {
    fingers = lasso.wanted() || (inside && event.touches.length < 2) ? null : spread(event.touches);
    if (event.touches.length > 1) event.preventDefault();
  }, { passive: false });
  canvas.addEventListener("touchmove", (event) => {
    if (lasso.wanted()) { event.preventDefault(); return; }
    if (!fingers) { hint("touch"); return; }
    event.preventDefault();
    const now = spread(event.touches);
    if (now.count === fingers.count) {
      const factor = fingers.far > 0 && now.far > 0 ? now.far / fingers.far : 1;
      pan(now.x - fingers.x, now.y - fingers.y);
      if (factor !== 1) zoom(factor, now.x, now.y);
    }
    fingers = now;
  }, { passive: false });
  for (const name of ["touchend", "touchcancel"]) canvas.addEventListener(name, (event) => { fingers = fingers && event.touches.length ? spread(event.touches) : null; });

  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (step) pan(...step);
    else if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else if (event.key === "0") fly(wide() / 2, tall() / 2, 1);
    else return;
    event.preventDefault();
  });
  return { view, pan, zoom, fly, moving: () => drag !== null || fingers !== null, dragged: () => dragged };
};

