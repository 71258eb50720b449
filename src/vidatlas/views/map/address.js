// The address of a view: what is selected, where the map stands and what colours show, written and read back.
const FINE = 2000;  // steps of a lasso's corners per side

const addressing = (map) => {
  const { data, wanted, input } = map;
  const { groups, subs } = data;
  const { state } = window.vidatlas;
  let pending = 0;
  const noteView = () => {
    const [x, y, k] = map.centre();
    state.set(!map.away() ? { x: null, y: null, k: null } : { x: x.toFixed(4), y: y.toFixed(4), k: Number(k.toPrecision(4)) });
  };
  const noteViewSoon = () => { clearTimeout(pending); pending = setTimeout(noteView, 250); };
  const noteSelection = () => {
    const group = wanted.group === null ? null : groups[wanted.group].name;
    state.set({
      q: wanted.text.trim() || null,
      c: wanted.sub === null ? group : `${group}/${subs[wanted.sub].number}`,
      range: map.filters ? map.filters.text() || null : state.get("range"),
      lasso: wanted.loop?.map((step) => Math.round((step / STEPS) * FINE)).join(",") ?? null,
    });
  };
  const chosen = (text) => {
    const group = groups.findIndex(({ name }) => name === text);
    if (group >= 0) return { group };
    const cut = text.lastIndexOf("/");
    const sub = subs.findIndex((one) => groups[one.group].name === text.slice(0, cut) && String(one.number) === text.slice(cut + 1));
    return sub < 0 ? null : { group: subs[sub].group, sub };
  };
  const stand = () => {
    const [x, y, k] = ["x", "y", "k"].map((key) => Number(state.get(key) ?? NaN));
    if ([x, y, k].every(Number.isFinite)) map.go(x, y, k);
    else map.home();
  };
  const restore = () => {
    const read = (key) => state.get(key) ?? "";
    wanted.text = input.value = read("q");
    map.filters.read(read("range"));
    const corners = read("lasso").split(",").map(Number);
    wanted.loop = corners.length > 5 && corners.length % 2 === 0 && corners.every(Number.isFinite) ? corners.map((step) => (step / FINE) * STEPS) : null;
    const choice = chosen(read("c"));
    const same = wanted.group === (choice?.group ?? null) && wanted.sub === (choice?.sub ?? null);
    map.choose(choice, { tell: !same, noted: false });
    map.colours.use(read("colour"));
    stand();
    const at = read("v") ? map.select.withId(read("v")) : -1;
    if (at >= 0) map.card.show(at, false);
    else map.card.close();
    map.refresh();
  };
  return { note: state.set, noteView, noteViewSoon, noteSelection, stand, restore };
};
