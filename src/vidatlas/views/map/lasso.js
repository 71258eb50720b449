// The lasso: a loop drawn around points, which stays on the map until the selection is cleared.
const lassoing = (map) => {
  const { canvas, stage, find, wanted } = map;
  const [button, loop] = [find("[data-lasso]"), find(".loop polygon")];
  let [on, path] = [false, []];
  const use = (wished) => {
    on = wished;
    button.setAttribute("aria-pressed", String(on));
    stage.classList.toggle("looping", on);
    if (on) map.say("Draw around the points");
  };
  const add = ({ clientX, clientY }) => {
    const box = canvas.getBoundingClientRect();
    const point = [clientX - box.left, clientY - box.top];
    const last = path.at(-1);
    if (last && Math.hypot(point[0] - last[0], point[1] - last[1]) < 6) return;
    path.push(point);
    loop.setAttribute("points", path.flat().join(" "));
  };
  const begin = (event) => { path = []; map.tip.hide(); add(event); };
  const end = (done) => {
    use(false);
    // Long loops are thinned, so that the address stays short.
    const thin = Math.ceil(path.length / 80);
    const kept = path.filter((_, at) => at % thin === 0);
    wanted.loop = done && kept.length > 2 ? kept.flatMap(([px, py]) => map.screen.steps(px, py)) : null;
    map.changed();
  };
  button.addEventListener("click", () => use(!on));
  return { wanted: () => on, use, begin, add, end };
};
