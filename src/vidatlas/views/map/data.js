"use strict";
// The data of the page, for the map and for the report's table. This script comes first, and defines
//   vidatlas.data   a promise of Data, fulfilled when the first points are there, before anything is known of them
//   vidatlas.known  a promise of the same Data, fulfilled when its ids, titles, notes, words and columns are there
//   vidatlas.state  the page's address: get(key); set({key: value or null}) keeps the keys of others
//   vidatlas.fold   a text without accents and capitals, as searches compare it
//   vidatlas.read, csv, save     data of an element; rows of cells as CSV; a text as a file
// Data: total (points), count (points read so far), titled (points of which more is known: the first ones; 0 at first),
//   groups   [{name, size, light, dark}]                             categories, largest first
//   subs     [{group, number, name, size, silhouette?}]              subcategories, largest first
//   regions  [{level, name, x, y, size, group, share}]               x, y from -1 to 1, y upwards; group -1: no majority
//   land     [[[x, y, x, y, …]]]                                     by level; in the steps of places
//   palette, ramp, grey                                              colours {light, dark}: strong ones, from low to high, of nothing
//   columns  [{name, kind, values}]    kind is number, duration (seconds), date (days since 1970) or text; null: missing
//   ids, titles, notes, words          one text per titled point; notes and words may be empty lists
//   runs     [[from, to]]              where in places and codes the points are that the map shows
//   places   Uint16Array [2 × total]   x, y from 0 to 65,535, y upwards
//   codes    Uint16Array [total]       the index in subs of every point
//   link(at) the address of a titled point, or ""
//   take(element)                      read one more chunk of points
(() => {
  const [LAND_STEP, FIRST_SIGN] = [16, 93];  // steps of places; the character of the first word
  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  const unpack = async (element) => {
    const text = element.textContent.trim();
    const bytes = Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  };

  // A text that a spreadsheet could take for a formula gets a quote in front.
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    const text = typeof value === "string" ? value.replace(/^(?=[=+\-@\t\r])/, "'") : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csv = (rows) => rows.map((cells) => `${cells.map(cell).join(",")}\r\n`).join("");
  const save = (name, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv;charset=utf-8" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  // What is known of videos is stored by subcategory, in each in the order of the points.
  const sorted = (codes, kinds) => {
    const next = new Uint32Array(kinds + 1);
    for (const code of codes) next[code + 1] += 1;
    for (let at = 0; at < kinds; at += 1) next[at + 1] += next[at];
    const stored = new Uint32Array(codes.length);
    codes.forEach((code, at) => { stored[at] = next[code]; next[code] += 1; });
    return stored;
  };

  const encoded = (id) => encodeURIComponent(id.toWellFormed?.() ?? id).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
  const linker = ({ address, links, ids }) => (at) => {
    const link = at >= ids.length ? "" : links.length ? links[at] : address.join(encoded(ids[at]));
    return /^https?:\/\/[^/]/i.test(link) ? link : "";
  };

  const read = async (name) => JSON.parse(new TextDecoder().decode(await unpack(document.getElementById(name))));
  // Corners are stored as steps from one to the next.
  const outline = (steps) => {
    for (let at = 2; at < steps.length; at += 1) steps[at] += steps[at - 2];
    return steps.map((step) => LAND_STEP * step);
  };
  const load = async () => {
    const data = await read("map-names");
    const total = Number(document.getElementById("map").dataset.total);
    Object.assign(data, { total, count: 0, titled: 0, places: new Uint16Array(2 * total), codes: new Uint16Array(total), link: () => "" });
    for (const name of ["ids", "titles", "notes", "words", "columns"]) data[name] = [];
    data.land = data.land.map((level) => level.map(outline));
    data.take = async (element) => {
      // Six planes of bytes: the low and the high ones of x, y and code.
      const bytes = new Uint8Array(await unpack(element));
      const more = bytes.length / 6;
      for (let at = 0, to = data.count; at < more; at += 1, to += 1) {
        data.places[2 * to] = bytes[at] | (bytes[more + at] << 8);
        data.places[2 * to + 1] = bytes[2 * more + at] | (bytes[3 * more + at] << 8);
        data.codes[to] = bytes[4 * more + at] | (bytes[5 * more + at] << 8);
      }
      data.count += more;
      data.runs = [[0, data.count]];
      element.textContent = "";
    };
    await data.take(document.querySelector(".map-points"));
    return data;
  };

  // They stand behind the scripts, so that the first frame need not wait until the parser has passed them.
  const parsed = async (name) => {
    while (!document.getElementById(name)?.nextSibling && document.readyState === "loading") await new Promise((go) => setTimeout(go, 20));
    return name;
  };
  const learn = async (data) => {
    const found = await read(await parsed("map-titles"));
    const { width, text } = found.ids;
    if (width) found.ids = text.match(new RegExp(`[^]{${width}}`, "g")).map((id) => id.replace(/\0+$/, ""));
    // One character for each word of a video, in the order of the vocabulary.
    const vocabulary = found.vocabulary.split(" ");
    const word = (sign) => vocabulary[sign.codePointAt() - FIRST_SIGN - (sign > "\ud7ff" ? 0x800 : 0)];
    found.words = found.vocabulary ? found.words.split(" ").map((signs) => Array.from(signs, word).join(" ")) : [];
    const stored = sorted(data.codes.subarray(0, found.ids.length), data.subs.length);
    const ordered = (values) => (values.length ? Array.from(stored, (at) => values[at]) : []);
    for (const name of ["ids", "titles", "notes", "words", "links"]) found[name] = ordered(found[name]);
    for (const column of found.columns) column.values = ordered(column.values);
    Object.assign(data, found, { titled: found.ids.length, link: linker(found) });
    return data;
  };

  const decoded = (text) => { try { return decodeURIComponent(text); } catch { return text; } };
  const keys = () => new Map(location.hash.slice(1).split("&").map((part) => [part, part.indexOf("=")]).filter(([, at]) => at > 0)
    .map(([part, at]) => [part.slice(0, at), part.slice(at + 1)].map((text) => decoded(text.replaceAll("+", " ")))));
  const plain = (text) => encodeURIComponent(text).replace(/%(2C|3A|2F|20)/g, (code) => (code === "%20" ? "+" : decodeURIComponent(code)));
  const state = {
    get: (key) => keys().get(key) ?? null,
    set: (changes) => {
      const known = keys();
      for (const [key, value] of Object.entries(changes)) {
        if (value === null || value === "") known.delete(key);
        else known.set(key, String(value));
      }
      const written = (values) => Array.from(values, ([key, value]) => `${plain(key)}=${plain(value)}`).join("&");
      const hash = written(known);
      if (hash === written(keys())) return;  // an anchor of the report stays as it is
      // A page inside another one may have no address of its own.
      try { history.replaceState(history.state, "", hash ? `#${hash}` : location.href.split("#")[0]); } catch { /* then it has no links to views */ }
    },
  };
  // The other scripts of the page are compressed; its policy knows their hashes.
  const run = async () => {
    for (const element of document.querySelectorAll(".code")) {
      const script = document.createElement("script");
      script.textContent = new TextDecoder().decode(await unpack(element));
      element.replaceWith(script);
    }
  };
  const data = load();
  window.vidatlas = { data, known: data.then(learn), state, fold, read, csv, save };
  run();
})();
