// Filters by category and by the typed columns, and their form in the page's address.
const filtering = ({ panel, data, wanted, choose, changed }) => {
  const { groups, columns, titled: known } = data;
  const usable = columns.filter(({ values }) => values.some((value) => value !== null));
  const kinds = new Map(usable.map(({ name, kind }) => [name, kind]));
  const fields = new Map();
  const set = (name, range) => {
    if (Object.values(range).some((value) => value !== undefined)) wanted.ranges.set(name, range);
    else wanted.ranges.delete(name);
    changed();
  };
  const parsed = (kind, text) => {
    const value = kind === "date" ? Date.parse(`${text}T00:00:00Z`) / DAY : Number(text);
    return text.trim() === "" || !Number.isFinite(value) ? undefined : value;
  };
  const row = (label, ...controls) => {
    const [line, name] = [element("div"), element("span", label)];
    line.append(name, ...controls);
    panel.append(line);
  };
  const choice = (label, options) => {
    const select = element("select", "", { ariaLabel: label });
    select.append(element("option", "any", { value: "" }), ...options.map((name, at) => element("option", name, { value: at })));
    return select;
  };
  if (groups.length > 1) {
    const select = choice(titled(panel.dataset.group), groups.map(({ name }) => name));
    select.addEventListener("change", () => choose(select.value === "" ? null : { group: Number(select.value) }));
    fields.set("", [select]);
    row(titled(panel.dataset.group), select);
  }
  for (const { name, kind, values } of usable) {
    if (kind === "text") {
      const names = [...new Set(values)].filter((value) => value !== null).sort();
      if (names.length < 2 || names.length > MOST_KINDS) continue;
      const select = choice(titled(name), names);
      select.addEventListener("change", () => set(name, { value: names[select.value] }));
      fields.set(name, [select, names]);
      row(titled(name), select);
      continue;
    }
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) if (value !== null) [low, high] = [Math.min(low, value), Math.max(high, value)];
    const label = kind === "duration" ? `${titled(name)} (seconds)` : titled(name);
    const ends = [["from", low], ["to", high]].map(([end, edge]) => element("input", "", {
      type: kind === "date" ? "date" : "number", step: "any", ariaLabel: `${label}, ${end}`,
      ...(kind === "date" ? { min: isoDay(low), max: isoDay(high) } : { placeholder: edge }),
    }));
    for (const input of ends) input.addEventListener("change", () => set(name, { low: parsed(kind, ends[0].value), high: parsed(kind, ends[1].value) }));
    fields.set(name, ends);
    row(label, ends[0], element("span", "–"), ends[1]);
  }
  if (known < data.total) panel.append(element("p", `Ranges apply to the ${english(known)} with titles.`));
  const written = (name, edge) => (edge === undefined ? "" : kinds.get(name) === "date" ? isoDay(edge) : edge);
  // The controls as the selection has it, which may come from the page's address.
  const show = () => {
    for (const [name, [first, second]] of fields) {
      const { low, high, value } = wanted.ranges.get(name) ?? {};
      if (!name) first.value = wanted.group ?? "";
      else if (Array.isArray(second)) first.value = value === undefined ? "" : second.indexOf(value);
      else [first.value, second.value] = [written(name, low), written(name, high)];
    }
  };
  const text = () => Array.from(wanted.ranges, ([name, { low, high, value }]) => {
    return `${name}:${value === undefined ? `${written(name, low)}..${written(name, high)}` : encodeURIComponent(value)}`;
  }).join(",");
  const read = (ranges) => {
    wanted.ranges.clear();
    for (const part of (ranges ?? "").split(",")) {
      const [name, ends = ""] = part.split(":");
      const kind = kinds.get(name);
      const [low, high] = ends.split("..").map((end) => parsed(kind, end));
      let value;
      try { value = decodeURIComponent(ends); } catch { continue; }
      if (kind === "text") wanted.ranges.set(name, { value });
      else if (kind && (low !== undefined || high !== undefined)) wanted.ranges.set(name, { low, high });
    }
  };
  return { show, text, read };
};
