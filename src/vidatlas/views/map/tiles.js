// Tiles: the points beyond those of the page, fetched from map/ beside it as they come into view. A tile has a slot of the
// arrays behind the page's own points, until others need it. data.runs says where the points are that the map shows now.
const SLOT = 16384;  // most points of a tile
const [SLOTS, MOST_SHOWN, AT_ONCE] = [96, 64, 6];
const [FEW, MOST_TOLD] = [8, 24];  // of tiles: so few in view have their titles at once, and no more ever have them

const makeRoom = (data, total) => {
  const [own, room] = [data.count, data.count + SLOTS * SLOT];
  const grown = (values, size) => { const more = new Uint16Array(size); more.set(values); return more; };
  Object.assign(data, { own, total, count: room, places: grown(data.places, 2 * room), codes: grown(data.codes, room) });
};
const makeRoomForTitles = (data) => {
  const room = data.codes.length;
  const texts = [data.ids, data.titles, data.notes, data.links].filter(({ length }) => length);
  for (const values of [...texts, ...data.columns.map((column) => column.values)]) while (values.length < room) values.push(null);
  const link = data.link;
  data.link = (at) => (data.ids[at] ? link(at) : "");
};

const fetched = async (name, signal) => {
  const response = await fetch(name, { signal });
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return name.endsWith(".json") ? response : new Response(response.body.pipeThrough(new DecompressionStream("gzip")));
};

const tiling = (map) => {
  const { root, data, stage, screen, select, say } = map;
  const { own, total, places, codes } = data;
  const many = root.dataset.many;
  const slots = new Array(SLOTS).fill(null);
  const told = new Set();
  const loading = new Map();
  let [levels, shown, depth, queue, clock, waiting, pending, asked] = [null, [], 0, [], 0, 0, 0, 0];

  const notice = element("p", "", { className: "failure", hidden: true });
  stage.append(notice);
  const note = (text) => {
    notice.textContent = text;
    notice.hidden = !text;
  };
  const alone = (error) => note(`${english(own)} of ${english(total)} ${many}: ${location.protocol === "file:" ? "the others need a web server: vidatlas serve ATLAS, or python -m http.server in its folder" : `the others could not be loaded (${error.message})`}`);
  const begin = ({ slot }) => own + slot * SLOT;
  const home = (at) => (at < own ? null : slots[Math.floor((at - own) / SLOT)]);

  const index = async () => {
    if (location.protocol === "file:") throw new Error("no server");
    const found = await (await fetched("map/tiles.json")).json();
    if (found.total !== total) throw new Error("map/ belongs to another map");
    return found.levels.map((boxes, at) => boxes.map(([count, left, low, right, high], number) => (
      { name: `map/${at + 1}/${number}`, level: at + 1, count, left, low, right, high, slot: -1, used: 0 })));
  };

  // All tiles that meet the view, level by level, down to the last level of which all fit.
  const choose = () => {
    const [[left, high], [right, low]] = [screen.steps(0, 0), screen.steps(screen.width, screen.height)];
    [shown, depth] = [[], 0];
    for (const level of levels) {
      const meeting = level.filter((tile) => tile.left <= right && tile.right >= left && tile.low <= high && tile.high >= low);
      if (shown.length + meeting.length > MOST_SHOWN) break;
      const far = (tile) => Math.hypot(tile.left + tile.right - left - right, tile.low + tile.high - low - high);
      shown.push(...meeting.sort((a, b) => far(a) - far(b)));
      depth += 1;
    }
    clock += 1;
    for (const tile of shown) tile.used = clock;
  };

  const forget = (tile) => {
    if (!told.delete(tile)) return;
    for (const values of [data.ids, data.titles, data.notes, data.links, ...data.columns.map((column) => column.values)]) {
      if (values.length) values.fill(null, begin(tile), begin(tile) + tile.count);
    }
    tile.telling = null;
    select.retitle(begin(tile), begin(tile) + tile.count);
  };
  // A free slot, or that of the tile not in view for longest; never that of the open card.
  const slotFor = () => {
    const free = slots.indexOf(null);
    if (free >= 0) return free;
    const old = slots.filter((tile) => tile.used < clock && tile !== home(map.card.at())).sort((a, b) => a.used - b.used)[0];
    forget(old);
    const { slot } = old;
    old.slot = -1;
    return slot;
  };
  const settle = () => {
    waiting = 0;
    const fresh = shown.filter((tile) => tile.slot >= 0 && tile.fresh);
    for (const tile of fresh) tile.fresh = false;
    data.runs = [[0, own], ...shown.filter(({ slot }) => slot >= 0).map((tile) => [begin(tile), begin(tile) + tile.count, tile])];
    if (fresh.length) map.colours.more(fresh.map((tile) => [begin(tile), begin(tile) + tile.count]));
    map.changed({ noted: false, controls: false });
    const lost = shown.filter(({ error }) => error && error.name !== "AbortError");
    note(lost.length ? `${english(lost.length)} of the ${english(shown.length)} tiles of this view could not be loaded (${lost[0].error.message})` : "");
    const done = levels && !pending && !queue.length && !loading.size;
    if (done && shown.length <= FEW) for (const tile of shown) if (tile.slot >= 0) tell(tile);
    root.dataset.tiles = done ? "settled" : "loading";
  };
  const settleSoon = () => { waiting ||= setTimeout(settle, 60); };

  const take = async (tile, signal) => {
    const planes = new Uint16Array(await (await fetched(`${tile.name}.bin`, signal)).arrayBuffer());
    if (planes.length !== 3 * tile.count) throw new Error(`${tile.name}.bin belongs to another map`);
    tile.slot = slotFor();
    slots[tile.slot] = tile;
    for (let at = 0, to = begin(tile); at < tile.count; at += 1, to += 1) {
      places[2 * to] = planes[at];
      places[2 * to + 1] = planes[tile.count + at];
    }
    codes.set(planes.subarray(2 * tile.count), begin(tile));
    [tile.fresh, tile.error] = [true, null];
  };
  const pump = () => {
    while (loading.size < AT_ONCE && queue.length) {
      const [tile, stop] = [queue.shift(), new AbortController()];
      loading.set(tile, stop);
      take(tile, stop.signal).catch((error) => { tile.error = error; }).finally(() => { loading.delete(tile); settleSoon(); pump(); });
    }
  };
  const look = async () => {
    pending = 0;
    try { levels ??= await index(); } catch (error) { alone(error); root.dataset.tiles = "failed"; return; }
    choose();
    for (const [tile, stop] of loading) if (!shown.includes(tile)) stop.abort();
    queue = shown.filter((tile) => tile.slot < 0 && !loading.has(tile));
    pump();
    settleSoon();
  };
  const soon = () => {
    clearTimeout(pending);
    pending = setTimeout(look, 120);
    root.dataset.tiles = "loading";
  };

  // Fetch the titles of a tile, once.
  const tell = (tile) => (tile.telling ??= (async () => {
    const found = await (await fetched(`${tile.name}.titles.bin`)).json();
    if (tile.slot < 0) { tile.telling = null; return; }
    const put = (values, of) => { if (values.length && of?.length) of.forEach((value, at) => { values[begin(tile) + at] = value; }); };
    for (const name of ["ids", "titles", "notes", "links"]) put(data[name], found[name]);
    for (const { name, values } of data.columns) put(values, found.columns[name]);
    told.add(tile);
    if (told.size > MOST_TOLD) forget([...told].filter((other) => other !== home(map.card.at())).sort((a, b) => a.used - b.used)[0]);
    select.retitle(begin(tile), begin(tile) + tile.count);
    const wanted = window.vidatlas.state.get("v");
    const at = wanted && map.card.at() < 0 ? select.withId(wanted) : -1;
    if (at >= 0) map.card.show(at, false);
    settleSoon();
  })().catch((error) => { tile.telling = null; say(`The titles could not be loaded (${error.message})`); }));
  // The promise of the title of a point; null if it is known.
  const ask = (at) => (at < own || data.ids[at] ? null : tell(home(at)));
  const askSoon = (at, then) => {
    clearTimeout(asked);
    if (at >= own && !data.ids[at]) asked = setTimeout(() => ask(at)?.then(then), 150);
  };

  // The runs to draw: while the map moves, only levels that fit, whole: a part of a tile is no fair sample.
  const runs = (most) => {
    const sums = new Array(levels ? levels.length + 1 : 1).fill(0);
    for (const [from, to, tile] of data.runs) sums[tile?.level ?? 0] += to - from;
    let deepest = 0;
    for (let level = 1, sum = sums[0]; level < sums.length && (sum += sums[level]) <= most; level += 1) deepest = level;
    return data.runs.filter(([, , tile]) => !tile || tile.level <= deepest);
  };
  // As many points as all the map would show as densely as this view.
  const crowd = () => Math.min(total, own * 4 ** depth);
  const count = () => data.runs.reduce((sum, [from, to]) => sum + to - from, 0);
  const titles = () => data.titled + [...told].reduce((sum, tile) => sum + tile.count, 0);
  const words = () => `${english(total)} ${many}, ${levels && depth === levels.length ? "all of this view" : `1 in ${compact.format(total / crowd())}`} drawn`;
  const searched = () => `${english(count())} ${many} drawn, ${english(titles())} titles loaded`;
  return { soon, ask, askSoon, runs, crowd, words, searched };
};
