// Names on the map, like those of a geographic one: of regions, larger ones first, more of them the nearer one comes.
const [MOST_NAMES, EDGE, GAP] = [90, 4, 5];

// A long name stands in two lines, cut at the separator or blank nearest to its middle.
const inLines = (name) => {
  const text = name.length > 60 ? `${name.slice(0, 59)}…` : name;
  if (text.length < 20) return [text];
  const cuts = [...text.matchAll(/ · | /g)].filter(({ 0: cut }) => cut === " · " || !text.includes(" · ")).map(({ index, 0: cut }) => [index, index + cut.length]);
  const best = cuts.sort((a, b) => Math.abs(a[0] - text.length / 2) - Math.abs(b[0] - text.length / 2))[0];
  return best ? [text.slice(0, best[0]), text.slice(best[1])] : [text];
};

const lettering = (layer, { regions, groups }, screen) => {
  const pen = document.createElement("canvas").getContext("2d");
  const largest = Math.sqrt(Math.max(1, ...regions.map(({ size }) => size)));
  const coarsest = Math.min(...regions.map(({ level }) => level));
  const finest = Math.max(...regions.map(({ level }) => level));
  const labels = [...regions].sort((a, b) => a.level - b.level || b.size - a.size).map((region) => ({ ...region, lines: inLines(region.name), share: Math.sqrt(region.size) / largest }));
  // Sized by the root of their videos; smaller on small screens.
  const measure = () => {
    const room = Math.min(1, Math.max(0.72, screen.width / 1000));
    for (const label of labels) {
      const major = label.level === coarsest;
      label.font = Math.round((major ? 13 + 13 * label.share : 10.5 + 9 * label.share) * (major ? room : 1) * 2) / 2;
      pen.font = `${major ? 600 : 500} ${label.font}px system-ui`;
      label.category = major && label.group >= 0 && groups.length > 1 && groups[label.group].name !== label.name ? groups[label.group].name : "";
      const widths = label.lines.map((line) => pen.measureText(line).width);
      pen.font = "500 11px system-ui";
      if (label.category) widths.push(pen.measureText(label.category).width);
      label.across = Math.max(...widths) / 2;
      label.down = (label.lines.length * label.font * 1.12 + (label.category ? 14 : 0)) / 2;
      if (label.node) label.node.style.fontSize = `${label.font}px`;
    }
  };
  const node = (label) => {
    const made = document.createElement("div");
    made.className = label.level === coarsest ? "major" : "minor";
    made.style.fontSize = `${label.font}px`;
    for (const [kind, text] of [...label.lines.map((line) => ["bdi", line]), ["small", label.category]]) {
      if (text) made.append(Object.assign(document.createElement(kind), { textContent: text }));
    }
    layer.append(made);
    return made;
  };
  // A name fits once its region is about as wide as its text; at the start, a little before.
  const fits = (label, k) => label.level === coarsest || finest === coarsest || label.share * largest / Math.sqrt(screen.total) * Math.min(screen.width, screen.height) * k > (k < 1.3 ? 0.5 : 0.62) * label.across;
  const write = (view, dark) => {
    const [taken, shown] = [[[0, screen.height - 136, 54, screen.height]], new Set()];  // the buttons' corner
    for (const label of labels) {
      if (shown.size >= MOST_NAMES) break;
      if (!fits(label, view.k) || (label.level < finest && view.k > 5 * 3 ** (label.level - coarsest))) continue;
      const [x, y] = [screen.x(((label.x + 1) / 2) * STEPS), screen.y(((label.y + 1) / 2) * STEPS)];
      if (x < 0 || y < 0 || x > screen.width || y > screen.height) continue;
      const clamped = (at, half, room) => Math.max(half + EDGE, Math.min(at, room - half - EDGE));
      const [cx, cy] = [clamped(x, label.across, screen.width), clamped(y, label.down, screen.height)];
      const box = [cx - label.across - GAP, cy - label.down - 1, cx + label.across + GAP, cy + label.down + 1];
      if (label.across * 2 > screen.width - 2 * EDGE || taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) continue;
      taken.push(box);
      shown.add(label);
      label.node ??= node(label);
      label.node.hidden = false;
      label.node.style.transform = `translate(${Math.round(cx)}px, ${Math.round(cy)}px) translate(-50%, -50%)`;
      label.node.style.setProperty("--tint", label.group < 0 ? "var(--ink)" : groups[label.group][dark ? "dark" : "light"]);
    }
    for (const label of labels) if (label.node && !shown.has(label)) label.node.hidden = true;
  };
  return { measure, write };
};
