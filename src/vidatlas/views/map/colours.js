// Colours of the points, and the key that says what they show. Every point has a tone: a place in a palette of 256.
const NOTHING = 255;  // the tone of missing values
const CLASSES = 7;
const MOST_KINDS = 60;  // a text column with more values has no colours

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const mixed = (stops, part) => {
  const at = Math.min(stops.length - 2, Math.floor(part * (stops.length - 1)));
  const within = part * (stops.length - 1) - at;
  const [from, to] = [rgb(stops[at]), rgb(stops[at + 1])];
  return `#${from.map((value, channel) => Math.round(value + (to[channel] - value) * within).toString(16).padStart(2, "0")).join("")}`;
};

// The ways to colour: each gives classes [{name, light, dark}] and the class of a point, in words what it shows.
const schemes = ({ groups, subs, columns, codes, titled: known, ramp, grey, palette }, noun, chosenGroup) => {
  const found = new Map();
  const shade = (count) => Array.from({ length: count }, (_, at) => ({ light: mixed(ramp.map(({ light }) => light), count > 1 ? at / (count - 1) : 0.5), dark: mixed(ramp.map(({ dark }) => dark), count > 1 ? at / (count - 1) : 0.5) }));
  const strong = (names) => names.map((name, at) => ({ ...(palette[at] ?? grey), name }));
  const inside = () => [...subs.keys()].filter((code) => subs[code].group === (chosenGroup() ?? 0));
  if (groups.length > 1) found.set("category", { label: noun, classes: groups, of: (at) => subs[codes[at]].group });
  found.set("subcategory", {
    label: "subcategory",
    get usable() { return groups.length < 2 || chosenGroup() !== null; },
    get classes() { return strong(inside().map((code) => subs[code].name)).map((one, at) => ({ ...one, code: inside()[at] })); },
    get of() {
      const place = new Map(inside().map((code, at) => [code, at]));
      return (at) => place.get(codes[at]) ?? NOTHING;
    },
  });
  const graded = (label, kind, values, of, note = "") => {
    const log = kind !== "date" && values.length && values[0] >= 0 && values.at(-1) / Math.max(1, values[Math.floor(values.length / 2)]) > 5;
    const [to, back] = log ? [Math.log1p, Math.expm1] : [Number, Number];
    const [low, high] = [to(values[Math.floor(0.01 * values.length)]), to(values[Math.ceil(0.99 * values.length) - 1])];
    const count = high > low ? CLASSES : 1;
    const classOf = (value) => Math.min(count - 1, Math.max(0, Math.floor(((to(value) - low) / (high - low || 1)) * count)));
    const bounds = Array.from({ length: count }, (_, at) => back(low + ((high - low) * at) / count));
    const whole = kind === "date" || kind === "duration" || values.every(Number.isInteger);
    const say = (value) => told(kind, whole ? Math.round(value) : Number(value.toPrecision(2)), true);
    const classes = shade(count).map((colour, at) => ({ ...colour, name: at + 1 < count ? `${at ? say(bounds[at]) : "up"} to ${say(bounds[at + 1])}` : `from ${say(bounds[at])}` }));
    return { label, note: log ? "logarithmic" : note, classes, of: (at) => { const value = of(at); return value === null || value === undefined ? NOTHING : classOf(value); } };
  };
  for (const { name, kind, values } of columns) {
    const there = values.filter((value) => value !== null);
    if (kind === "text") {
      const sizes = new Map();
      for (const value of there) sizes.set(value, (sizes.get(value) ?? 0) + 1);
      if (sizes.size < 2 || sizes.size > MOST_KINDS) continue;
      const names = [...sizes].sort((a, b) => b[1] - a[1]).map(([value]) => value);
      const place = new Map(names.map((value, at) => [value, at]));
      found.set(name, { label: name, classes: strong(names), of: (at) => place.get(values[at]) ?? NOTHING });
    } else if (there.length) {
      found.set(name, graded(name, kind, Float64Array.from(there).sort(), (at) => (at < known ? values[at] : null)));
    }
  }
  const clear = subs.map(({ silhouette }) => silhouette).filter((value) => value !== undefined);
  if (clear.length > 1) found.set("silhouette", graded("silhouette", "number", Float64Array.from(clear).sort(), (at) => subs[codes[at]].silhouette, "of the subcategory: higher is clearer"));
  return found;
};

const colouring = ({ data, tones, key, caption, select, dark, wanted, choose, painted }) => {
  let ways = new Map();
  const usable = (name) => ways.has(name) && ways.get(name).usable !== false;
  const palette = new Uint8Array(1024);
  let [current, scheme, hot] = ["", null, -1];
  // Which ways there are depends on the columns, which come after the first frame.
  const learn = () => {
    ways = schemes(data, select.dataset.group, () => wanted.group);
    select.replaceChildren(...Array.from(ways, ([name, { label }]) => element("option", titled(label), { value: name })));
  };
  learn();
  const paint = (toned = false) => {
    const ground = dark.matches ? "dark" : "light";
    palette.fill(0);
    scheme.classes.slice(0, NOTHING).forEach((colour, at) => palette.set([...rgb(colour[ground]), hot < 0 || hot === at ? 255 : 24], 4 * at));
    palette.set([...rgb(data.grey[ground]), hot < 0 ? 140 : 16], 4 * NOTHING);
    for (const swatch of key.querySelectorAll("i")) swatch.style.background = scheme.classes[swatch.dataset.at][ground];
    painted(palette, toned);
  };
  const more = (runs = [[0, data.count]]) => {
    for (const [from, to] of runs) for (let at = from; at < to; at += 1) tones[at] = Math.min(NOTHING, scheme.of(at));
    paint(true);
  };
  // A category or subcategory of the key is chosen by a click; classes of other columns only light up.
  const choiceOf = (at) => (current === "category" ? { group: at } : current === "subcategory" ? { group: data.subs[scheme.classes[at].code].group, sub: scheme.classes[at].code } : null);
  const isChosen = ({ group, sub = null }) => wanted.group === group && wanted.sub === sub;
  const press = () => {
    for (const button of key.querySelectorAll("button")) {
      const choice = choiceOf(Number(button.dataset.at));
      if (choice) button.setAttribute("aria-pressed", String(isChosen(choice)));
    }
  };
  const entry = ({ name }, at) => {
    const [item, button, swatch] = [element("li"), element("button", "", { type: "button" }), element("i")];
    swatch.dataset.at = button.dataset.at = at;
    button.append(swatch, textOf("bdi", name));
    const choice = choiceOf(at);
    if (choice) button.addEventListener("click", () => choose(isChosen(choice) ? null : choice));
    for (const [event, light] of [["pointerenter", at], ["focus", at], ["pointerleave", -1], ["blur", -1]]) button.addEventListener(event, () => { hot = light; paint(); });
    item.append(button);
    return item;
  };
  const use = (name) => {
    const before = [current, scheme?.group];
    for (const option of select.options) option.disabled = !usable(option.value);
    current = select.value = usable(name) ? name : [...ways.keys()].find(usable);
    if (current === before[0] && (current !== "subcategory" || wanted.group === before[1])) return;
    const { label, note, classes, of } = ways.get(current);
    scheme = { label, note, classes, of, group: wanted.group };
    hot = -1;
    key.replaceChildren(...classes.map(entry));
    press();
    caption.textContent = `Colours show: ${label}${note ? ` (${note})` : ""}`;
    more();
  };
  return { use, learn, more, paint, press, name: () => current, first: () => [...ways.keys()][0] };
};
