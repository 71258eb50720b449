"use strict";
// The data of the page, for the map and for the report's table. This script comes first, and defines
//   vidatlas.data   a promise of Data, fulfilled when the first points are there
//   vidatlas.state  the page's address: get(key); set({key: value or null}) keeps the keys of others
//   vidatlas.fold   a text without accents and capitals, as searches compare it
//   vidatlas.unpack, csv, save   bytes of an element; rows of cells as CSV; a text as a file
// Data: total (points), count (points read so far), titled (points of which more is known: the first ones),
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

  const load = async () => {
    const data = JSON.parse(new TextDecoder().decode(await unpack(document.getElementById("map-names"))));
    Object.assign(data, { count: 0, titled: data.ids.length, places: new Uint16Array(2 * data.total), codes: new Uint16Array(data.total) });
    data.take = async (element) => {
      const piece = new Uint16Array(await unpack(element));
      const more = piece.length / 3;
      for (let at = 0; at < more; at += 1) {
        data.places[2 * (data.count + at)] = piece[at];
        data.places[2 * (data.count + at) + 1] = piece[more + at];
      }
      data.codes.set(piece.subarray(2 * more), data.count);
      data.count += more;
      data.runs = [[0, data.count]];
      element.textContent = "";
    };
    await data.take(document.querySelector(".map-points"));
    const stored = sorted(data.codes.subarray(0, data.titled), data.subs.length);
    const ordered = (values) => (values.length ? Array.from(stored, (at) => values[at]) : []);
    for (const name of ["ids", "titles", "notes", "words", "links"]) data[name] = ordered(data[name]);
    for (const column of data.columns) column.values = ordered(column.values);
    data.link = linker(data);
    return data;
  };

  const decoded = (text) => { try { return decodeURIComponent(text); } catch { return text; } };
  const read = () => new Map(location.hash.slice(1).split("&").map((part) => [part, part.indexOf("=")]).filter(([, at]) => at > 0)
    .map(([part, at]) => [part.slice(0, at), part.slice(at + 1)].map((text) => decoded(text.replaceAll("+", " ")))));
  const plain = (text) => encodeURIComponent(text).replace(/%(2C|3A|2F|20)/g, (code) => (code === "%20" ? "+" : decodeURIComponent(code)));
  const state = {
    get: (key) => read().get(key) ?? null,
    set: (changes) => {
      const known = read();
      for (const [key, value] of Object.entries(changes)) {
        if (value === null || value === "") known.delete(key);
        else known.set(key, String(value));
      }
      const written = (values) => Array.from(values, ([key, value]) => `${plain(key)}=${plain(value)}`).join("&");
      const hash = written(known);
      if (hash === written(read())) return;  // an anchor of the report stays as it is
      // A page inside another one may have no address of its own.
      try { history.replaceState(history.state, "", hash ? `#${hash}` : location.href.split("#")[0]); } catch { /* then it has no links to views */ }
    },
  };
  window.vidatlas = { data: load(), state, fold, unpack, csv, save };
})();
