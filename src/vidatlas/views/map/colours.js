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
  const byKind = (names, of) => ({ classes: names, of });
  const inside = () => [...subs.keys()].filter((code) => subs[code].group === (chosenGroup() ?? 0));
  if (groups.length > 1) found.set("category", { label: noun, ...byKind(groups, (at) => subs[codes[at]].group) });
  found.set("subcategory", {
    label: "subcategory",
    get usable() { return groups.length === 1 || chosenGroup() !== null; },
    get classes() { return strong(inside().map((code) => subs[code].name)).map((one, at) => ({ ...one, id: inside()[at] })); },
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
      found.set(name, { label: name, ...byKind(strong(names), (at) => place.get(values[at]) ?? NOTHING) });
    } else if (there.length) {
      found.set(name, graded(name, kind, Float64Array.from(there).sort(), (at) => (at < known ? values[at] : null)));
    }
  }
  const clear = subs.map(({ silhouette }) => silhouette).filter((value) => value !== undefined);
  if (clear.length > 1) found.set("silhouette", graded("silhouette", "number", Float64Array.from(clear).sort(), (at) => subs[codes[at]].silhouette, "of the subcategory: higher is clearer"));
  return found;
};

const colouring = ({ data, tones, key, caption, select, dark, group, painted, pressed, isPressed }) => {
  let [ways, current, scheme, hot] = [null, "category", null, -1];
  const palette = new Uint8Array(1024);
  const colours = () => {
    palette.fill(0);
    const faded = (at) => (hot < 0 || hot === at ? 255 : 24);
    const put = (at, colour, alpha) => palette.set([...rgb(colour[dark.matches ? "dark" : "light"]), alpha], 4 * at);
    scheme.classes.slice(0, NOTHING).forEach((colour, at) => put(at, colour, faded(at)));
    put(NOTHING, data.grey, hot < 0 ? (data.count > 20000 ? 110 : 160) : 16);
    for (const swatch of key.querySelectorAll("i")) swatch.style.background = (scheme.classes[swatch.dataset.at] ?? data.grey)[dark.matches ? "dark" : "light"];
    painted(palette);
  };
  const tone = (from = 0) => {
    const { of } = scheme;
    for (let at = from; at < data.count; at += 1) tones[at] = Math.min(NOTHING, of(at));
  };
  const entries = () => {
    key.replaceChildren(...scheme.classes.map(({ name, id }, at) => {
      const [entry, button] = [element("li"), element("button", "", { type: "button" })];
      const swatch = element("i");
      swatch.dataset.at = button.dataset.at = at;
      button.append(swatch, textOf("bdi", name));
      if (isPressed(current, id ?? at) !== null) {
        button.addEventListener("click", () => pressed(current, id ?? at));
        button.setAttribute("aria-pressed", String(isPressed(current, id ?? at)));
      }
      for (const [event, light] of [["pointerenter", at], ["focus", at], ["pointerleave", -1], ["blur", -1]]) button.addEventListener(event, () => { hot = light; colours(); });
      entry.append(button);
      return entry;
    }));
    caption.textContent = `Colours show: ${scheme.label}${scheme.note ? ` (${scheme.note})` : ""}`;
  };
  const press = () => { for (const button of key.querySelectorAll("button[aria-pressed]")) button.setAttribute("aria-pressed", String(isPressed(current, scheme.classes[button.dataset.at].id ?? Number(button.dataset.at)))); };
  const able = () => { for (const option of select.options) option.disabled = ways?.get(option.value).usable === false; };
  const use = (name) => {
    ways ??= build();
    const usable = (way) => way && way.usable !== false;
    current = usable(ways.get(name)) ? name : [...ways].find(([, way]) => usable(way))[0];
    able();
    select.value = current;
    const { label, note, classes, of } = ways.get(current);
    scheme = { label, note, classes, of };
    hot = -1;
    tone();
    entries();
    colours();
  };
  const build = () => {
    const made = schemes(data, select.dataset.group, group);
    select.replaceChildren(...Array.from(made, ([name, { label }]) => element("option", titled(label), { value: name })));
    return made;
  };
  return { use, tone, colours, press, able, name: () => current, fallback: () => [...ways.keys()][0] };
};
