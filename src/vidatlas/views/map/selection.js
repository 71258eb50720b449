// What is selected: words, a category or subcategory, ranges of columns, and a lasso, all at once.
const YOUTUBE = /^(?:[a-z]+\.)?youtube(?:-nocookie)?\.com$/;

// The id in the address of a YouTube video; "" if the text is no such address.
const youtubeId = (text) => {
  const address = text.trim();
  if (!/^(https?:\/\/)?[\w.-]+\.(com|be)\//i.test(address)) return "";
  let parts;
  try { parts = new URL(address.includes("//") ? address : `https://${address}`); } catch { return ""; }
  const [host, steps] = [parts.hostname.replace(/^www\./, ""), parts.pathname.split("/").filter(Boolean)];
  if (host === "youtu.be") return steps[0] ?? "";
  if (!YOUTUBE.test(host)) return "";
  return ["shorts", "embed", "live", "v", "e"].includes(steps[0]) ? (steps[1] ?? "") : (parts.searchParams.get("v") ?? "");
};

const insideLoop = (loop, x, y) => {
  let inside = false;
  for (let at = 0, last = loop.length - 2; at < loop.length; last = at, at += 2) {
    const [ax, ay, bx, by] = [loop[at], loop[at + 1], loop[last], loop[last + 1]];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
};

const selecting = (data, chosen) => {
  const { subs, groups, codes, places } = data;
  const { fold } = window.vidatlas;
  const wanted = { text: "", group: null, sub: null, ranges: new Map(), loop: null };
  const foldedSubs = subs.map((sub) => fold(`${sub.name} ${groups[sub.group].name}`));
  let [byId, found] = [null, 0];
  const foldedTexts = [];
  const active = () => Boolean(wanted.text.trim() || wanted.group !== null || wanted.ranges.size || wanted.loop);
  const withId = (id) => {
    if (!byId) { byId = new Map(); data.ids.forEach((own, at) => { if (own) byId.set(own, at); }); }
    return byId.get(id) ?? -1;
  };
  // The video that a pasted address or id names; "absent" for the address of one that is not here.
  const named = (text) => {
    if (!text.trim()) return null;
    const id = youtubeId(text) || text.trim();
    const at = withId(id);
    return at >= 0 ? at : youtubeId(text) ? "absent" : null;
  };
  const byWords = () => {
    const only = named(wanted.text);
    if (only !== null) return (at) => at === only;
    const words = fold(wanted.text).split(/\s+/).filter(Boolean);
    if (!words.length) return null;
    const searchable = (at) => (foldedTexts[at] ??= `${fold(`${data.titles[at] ?? ""} ${data.notes[at] ?? ""}`)} ${data.words[at] ?? ""}`);
    return (at) => words.every((word) => foldedSubs[codes[at]].includes(word) || (data.ids[at] && searchable(at).includes(word)));
  };
  const byPlace = (loop) => {
    const [xs, ys] = [loop.filter((_, at) => at % 2 === 0), loop.filter((_, at) => at % 2)];
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    return (at) => {
      const [x, y] = [places[2 * at], places[2 * at + 1]];
      return x >= left && x <= right && y >= low && y <= high && insideLoop(loop, x, y);
    };
  };
  const byRange = ([name, { low = -Infinity, high = Infinity, value }]) => {
    const { values } = data.columns.find((column) => column.name === name);
    return value === undefined ? (at) => (values[at] ?? null) !== null && values[at] >= low && values[at] <= high : (at) => values[at] === value;
  };
  const refresh = (from = 0) => {
    const tests = [byWords(), wanted.loop && byPlace(wanted.loop), ...Array.from(wanted.ranges, byRange)].filter(Boolean);
    if (wanted.sub !== null) tests.unshift((at) => codes[at] === wanted.sub);
    else if (wanted.group !== null) tests.unshift((at) => subs[codes[at]].group === wanted.group);
    if (!from) found = 0;
    if (!tests.length) return;
    for (const [first, end] of data.runs) for (let at = Math.max(from, first); at < end; at += 1) found += chosen[at] = tests.every((test) => test(at)) ? 1 : 0;
  };
  const members = () => {
    const list = new Uint32Array(found);
    let next = 0;
    for (const [first, end] of data.runs) for (let at = first; at < end; at += 1) if (chosen[at]) list[next++] = at;
    return list;
  };
  const clear = () => { Object.assign(wanted, { text: "", group: null, sub: null, loop: null }); wanted.ranges.clear(); };
  // Titles of some points have come or gone.
  const retitle = (from, to) => { foldedTexts.fill(undefined, from, to); byId = null; };
  return { wanted, active, named, withId, refresh, members, clear, retitle };
};
