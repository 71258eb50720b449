"use strict";
// The table of subcategories: rows made when they are first shown, sorted, filtered, opened. Everything from data enters
// the page as textContent, or as the address of a link, or as an image that is a data: URI. It needs `vidatlas` (data.js).
(() => {
  const table = document.getElementById("table");
  if (!table) return;
  const [head, body] = [table.tHead.rows[0], table.tBodies[0]];
  const tools = document.querySelector(".tools");
  const [input, output, clear, group, order] = ["input", "output", ".clear", "#group", "#order"].map((one) => tools.querySelector(one));
  const none = document.querySelector(".none");
  const number = (value) => value.toLocaleString("en");
  const percent = (part, whole) => (part > 0 && part < 0.001 * whole ? "<0.1%" : `${((100 * part) / Math.max(whole, 1)).toFixed(1)}%`);
  const { state, fold, read, csv, save } = window.vidatlas;  // data.js: every report has a map
  const STEP = 200;  // rows to show at once: a page of thousands would be slow, and end nowhere
  const UNKNOWN = "–";
  const SVG = "http://www.w3.org/2000/svg";

  const make = (kind, text = "", name = "") => {
    const node = document.createElement(kind);
    if (text) node.textContent = text;
    if (name) node.className = name;
    return node;
  };
  const titled = (title, ...nodes) => {
    const part = make("section");
    part.append(make("h3", title), ...nodes);
    return part;
  };

  const start = async () => {
    const page = await read("table-data");
    const [one, many] = page.nouns;
    const records = (count) => `${number(count)} ${count === 1 ? one : many}`;
    const subs = page.subs.map((sub, at) => {
      const [rank, place] = sub.key.split("-").map(Number);
      const inName = new Set(sub.name.split(/: | · /));
      const words = sub.terms.map(([term]) => term);
      const further = words.filter((term) => !inName.has(term)).slice(0, page.shown_terms);
      return { ...sub, rank, place, at, further, group: page.groups[rank - 1], open: false, text: fold([sub.name, ...words].join(" ")) };
    });
    const byKey = new Map(subs.map((sub) => [sub.key, sub]));
    const first = order.querySelector("[value=topic]") ? "topic" : "size";
    let [sorted, ordered, chosen, room] = [first, subs, null, STEP];
    const further = make("button");
    further.type = "button";
    further.className = "further";
    table.parentElement.after(further);

    // ── A row: its cells, with a line per month ──
    const short = (value) => {
      if ((value ?? null) === null) return UNKNOWN;
      const [unit, size] = [["B", 1e9], ["M", 1e6], ["k", 1e3]].find(([, least]) => value >= 0.9995 * least) ?? ["", 1];
      return unit ? `${value / size < 9.95 ? (value / size).toFixed(1) : number(Math.round(value / size))}${unit}` : String(value);
    };
    const change = (value) => {
      if (value === undefined) return UNKNOWN;
      return value >= 9.995 ? `×${number(Math.round(value + 1))}` : `${value < 0 ? "−" : "+"}${Math.round(100 * Math.abs(value))}%`;
    };
    const line = (digits) => {
      const [svg, path] = ["svg", "path"].map((kind) => document.createElementNS(SVG, kind));
      const heights = Array.from(digits, (digit) => parseInt(digit, 36));
      svg.setAttribute("viewBox", `0 0 ${Math.max(heights.length - 1, 1)} 36`);
      svg.setAttribute("preserveAspectRatio", "none");
      svg.setAttribute("class", "line");
      svg.setAttribute("aria-hidden", "true");
      path.setAttribute("d", heights.map((height, at) => `${at ? "L" : "M"}${at} ${36 - height}`).join(""));
      svg.append(path);
      return svg;
    };
    const growth = (sub) => (page.window ? change(sub.growth) : "");
    const dot = (colours) => {
      const node = make("i", "", "dot");
      for (const ground of ["light", "dark"]) node.style.setProperty(`--${ground}`, colours[ground]);
      return node;
    };
    const button = (sub) => Object.assign(make("button"), { type: "button", ariaExpanded: "false" });
    const CELLS = {
      name: (sub) => {
        sub.button = button(sub);
        sub.button.append(make("bdi", sub.name));
        if (sub.above === undefined) return [sub.button];
        sub.heading = make("small", "", "above");
        sub.heading.append(make("bdi", sub.above));
        return [sub.heading, sub.button];
      },
      group: (sub) => [dot(sub.group), make("bdi", sub.group.name)],
      size: (sub) => [number(sub.size)],
      fits: (sub) => [sub.fits === undefined ? UNKNOWN : `${Math.round(100 * sub.fits)}%`],
      views: (sub) => [short(sub.views)],
      date: (sub) => [sub.date ?? UNKNOWN],
      growth: (sub) => (sub.line ? [line(sub.line), make("span", growth(sub), sub.growth === undefined ? "no" : "")] : [growth(sub)]),
      quality: (sub) => [sub.clarity],
      terms: (sub) => sub.further.flatMap((term, at) => [at ? " · " : "", make("bdi", term)]),
    };
    const keys = Array.from(head.cells, (cell) => cell.className);
    // With roles, which a row that is a grid would lose.
    const row = (sub) => {
      if (sub.node) return sub.node;
      sub.node = Object.assign(make("tr", "", "sub"), { id: `c${sub.key}`, role: "row" });
      for (const key of keys) {
        const cell = Object.assign(make(key === "name" ? "th" : "td", "", key), { role: key === "name" ? "rowheader" : "cell" });
        cell.append(...CELLS[key](sub));
        sub.node.append(cell);
      }
      return sub.node;
    };

    // ── Sorting ──
    const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
    const TEXTS = { name: (sub) => sub.name, group: (sub) => sub.group.name, terms: (sub) => sub.further.join(" ") };
    const NUMBERS = { size: (sub) => sub.size, fits: (sub) => sub.fits, views: (sub) => sub.views, growth: (sub) => sub.growth };
    NUMBERS.quality = (sub) => sub.quality;
    NUMBERS.topic = (sub) => -sub.at;  // rows come in the order of their topics
    NUMBERS.date = (sub) => sub.date && Number(sub.date.replace("-", ""));
    const compare = (key) => {
      if (TEXTS[key]) return (one, other) => collator.compare(TEXTS[key](one), TEXTS[key](other)) || other.size - one.size;
      return (one, other) => (NUMBERS[key](other) ?? -Infinity) - (NUMBERS[key](one) ?? -Infinity) || other.size - one.size;
    };
    const sort = (wanted) => {
      const key = wanted.replace("-", "");
      if (!order.querySelector(`[value="${CSS.escape(key)}"]`) && !head.querySelector(`.${CSS.escape(key)}`)) return;
      if (!TEXTS[key] && !NUMBERS[key]) return;
      sorted = wanted;
      // What has no value stays last in both directions.
      const [known, unknown] = [[], []];
      for (const sub of subs) (NUMBERS[key] && (NUMBERS[key](sub) ?? null) === null ? unknown : known).push(sub);
      known.sort(compare(key));
      if (wanted.startsWith("-")) known.reverse();
      ordered = [...known, ...unknown];
      for (const cell of head.cells) {
        if (cell.className === key) cell.setAttribute("aria-sort", Boolean(TEXTS[key]) === wanted.startsWith("-") ? "descending" : "ascending");
        else cell.removeAttribute("aria-sort");
      }
      order.value = key;
    };
    const heads = () => {
      for (const cell of head.cells) {
        const button = make("button", cell.textContent);
        button.type = "button";
        button.addEventListener("click", () => {
          const key = cell.className;
          sort(sorted === key ? `-${key}` : key);
          filter();
          state.set({ sort: sorted === first ? null : sorted });
        });
        cell.replaceChildren(button);
      }
    };

    // ── Filtering: by words, by category, and by what was chosen on the map ──
    const filter = () => {
      const words = fold(input.value).split(/\s+/).filter(Boolean);
      const rank = Number(group?.value ?? 0);
      const within = (sub) => (!rank || sub.rank === rank) && (!chosen || (chosen.key ? sub.key === chosen.key : sub.rank === chosen.rank));
      const found = ordered.filter((sub) => within(sub) && words.every((word) => sub.text.includes(word)));
      const shown = found.length;
      body.replaceChildren(...found.slice(0, room).flatMap((sub) => (sub.open ? [row(sub), sub.panel] : [row(sub)])));
      let before = null;
      for (const sub of found.slice(0, room)) {  // what it stands under: once, above the first
        if (sub.heading) sub.heading.hidden = sorted !== "topic" || (before?.above === sub.above && before.rank === sub.rank);
        before = sub;
      }
      const all = !words.length && !rank && !chosen;
      none.hidden = shown > 0;
      further.hidden = shown <= room;
      further.textContent = `Show ${number(Math.min(STEP, shown - room))} more of ${number(shown)}`;
      clear.hidden = all;
      output.textContent = all ? "" : `${number(shown)} of ${number(subs.length)}${chosen ? ", chosen on the map" : ""}`;
    };
    const remember = () => state.set({ f: input.value.trim() || null, g: group?.value || null });
    const showAll = () => {
      input.value = "";
      if (group) group.value = "";
      chosen = null;
      filter();
    };

    // ── What a row opens to ──
    const titles = (sub) => {
      const list = make("ul", "", "titles");
      // An example is a point of the map, or a title and a link.
      window.vidatlas.known.then((data) => sub.examples.forEach((example, at) => {
        const item = make("li");
        const [title, link] = Number.isInteger(example) ? [data.titles[example], data.link(example)] : example;
        const text = make(/^https?:\/\//.test(link) ? "a" : "bdi", title);
        if (text.localName === "a") Object.assign(text, { href: link, target: "_blank", rel: "noopener noreferrer nofollow", dir: "auto" });
        const image = sub.images?.[at] ?? "";
        if (image.startsWith("data:image/jpeg;base64,")) item.append(Object.assign(make("img"), { src: image, alt: "", loading: "lazy", decoding: "async" }));
        item.append(text);
        list.append(item);
      }));
      return list;
    };
    const terms = (sub) => {
      const list = make("ul", "", "words");
      for (const [term, score] of sub.terms) {
        const item = make("li");
        item.append(make("bdi", term), " ", make("small", page.members ? `×${number(score)}` : score.toFixed(2)));
        list.append(item);
      }
      if (sub.unlisted) list.append(make("li", `and ${number(sub.unlisted)} more that ${sub.unlisted === 1 ? "is" : "are"} not listed here`));
      return list;
    };
    const figures = (sub) => {
      const list = make("dl", "", "exact");
      const add = (name, text) => {
        const pair = make("div");
        pair.append(make("dt", name), make("dd", text));
        list.append(pair);
      };
      const inGroup = page.groups.length > 1 ? `, ${percent(sub.size, sub.group.size)} of ${sub.group.name}` : "";
      add("Size", `${records(sub.size)}: ${percent(sub.size, page.kept)} of all${inGroup}`);
      if (sub.viewed) add("Views", `median ${number(sub.views ?? 0)}, total ${number(sub.total ?? 0)}${sub.viewed < sub.size ? `, of ${records(sub.viewed)} with known views` : ""}`);
      if (sub.dated) add("Dates", `${sub.from} to ${sub.to}, median ${sub.date}${sub.dated < sub.size ? `, of ${records(sub.dated)} with a date` : ""}`);
      if (page.window && sub.growth !== undefined) add("Growth", `${growth(sub)} ${many} in the last ${page.window} months, against the ${page.window} before`);
      if (sub.line) add("Per month", `at most ${number(sub.peak ?? 0)}, from ${page.span[0]} to ${page.span[1]}`);
      if (sub.peripheral) add("Peripheral", `${records(sub.peripheral)}, farther from its centre than its core: three quarters of them`);
      if (sub.fits !== undefined) add("Name", `a term of it is in ${Math.round(100 * sub.fits)}% of its ${many}`);
      if (sub.quality !== undefined) add("Silhouette", `${sub.quality.toFixed(2).replace("-", "−")}: ${sub.clarity}`);
      if (sub.distance !== undefined) add("Distance", `${sub.distance.toFixed(2)} on average from its centre`);
      return list;
    };
    const act = (text, action) => {
      const button = make("button", text);
      button.type = "button";
      button.addEventListener("click", () => action(button));
      return button;
    };
    const actions = (sub) => {
      const acts = make("div", "", "acts");
      const copy = act("Copy link", async (button) => {
        const address = `${location.href.split("#")[0]}#c${sub.key}`;
        try {
          await navigator.clipboard.writeText(address);
          button.textContent = "Copied";
        } catch {
          history.replaceState(null, "", `#c${sub.key}`);
          button.textContent = "The link is in the address bar";
        }
      });
      acts.append(copy);
      window.vidatlas.known.then((data) => offer(sub, data, acts));
      return acts;
    };

    // ── All videos of a subcategory, from the data of the map ──
    const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
    const offer = (sub, data, acts) => {
      const code = data.subs.findIndex((found) => found.group === sub.rank - 1 && found.number === sub.place);
      const rows = [];
      for (let at = 0; at < data.ids.length; at += 1) if (code >= 0 && data.codes[at] === code) rows.push(at);
      if (rows.length) {
        const which = rows.length >= sub.size ? `all ${records(sub.size)}` : `${number(rows.length)} of ${records(sub.size)}`;
        acts.prepend(act(`Save ${which} as CSV`, () => saveRows(sub, data, rows)));
      }
      if (code >= 0) acts.append(act("Show on the map", () => {
        dispatchEvent(new CustomEvent("vidatlas:show", { detail: { sub: code } }));
        document.getElementById("map")?.scrollIntoView({ block: "center" });
      }));
      if (rows.length < sub.size) {
        const note = make("p", `This page holds a sample of the ${many}. For all of them: `);
        note.append(make("code", `vidatlas list ATLAS --group ${quoted(sub.group.name)} --subcategory ${sub.place} --csv`));
        acts.append(note);
      }
    };
    const saveRows = (sub, data, rows) => {
      const linked = Boolean(rows.length && data.link(rows[0]));
      const typed = ({ kind, values }, at) => (kind === "date" && values[at] !== null ? new Date(values[at] * 864e5).toISOString().slice(0, 10) : values[at]);
      const lines = [["id", "title", ...data.columns.map(({ name }) => name), ...(linked ? ["link"] : [])]];
      for (const at of rows) lines.push([data.ids[at], data.titles[at], ...data.columns.map((column) => typed(column, at)), ...(linked ? [data.link(at)] : [])]);
      save(`subcategory-${sub.key}.csv`, csv(lines));
    };

    const open = (sub, wanted) => {
      sub.open = wanted;
      row(sub);
      sub.button.ariaExpanded = String(wanted);
      sub.node.classList.toggle("open", wanted);
      if (wanted && !sub.panel) {
        sub.panel = make("tr", "", "more");
        sub.panel.setAttribute("role", "row");
        const [box, inside] = [make("td"), make("div", "", "opened")];
        box.setAttribute("role", "cell");
        box.colSpan = head.cells.length;
        const [left, right] = [make("div"), make("div")];  // what it holds, what it measures
        if (sub.examples.length) left.append(titled(`Example ${many}, ${page.nearest}`, titles(sub)));
        if (sub.terms.length) right.append(titled(page.members ? `Its ${many}, and how often each occurs` : "Typical terms, with their scores", terms(sub)));
        right.append(titled("Figures", figures(sub)));
        left.append(actions(sub));
        inside.append(left, right);
        box.append(inside);
        sub.panel.append(box);
      }
      if (wanted) sub.node.after(sub.panel);
      else sub.panel?.remove();
    };
    const toggle = (sub) => {
      open(sub, !sub.open);
      state.set({ s: sub.open ? sub.key : null });
    };
    const reveal = (sub) => {
      if (!sub.node?.isConnected) {
        room = Math.max(room, ordered.indexOf(sub) + 1);
        showAll();
      }
      open(sub, true);
      sub.node.scrollIntoView({ block: "start" });
      sub.button.focus({ preventScroll: true });
    };

    const restore = () => {
      const old = /^#c(\d+)(?:-([\d,]+))?$/.exec(location.hash);  // the address of a row or a category
      if (group) group.value = (old && !old[2] ? old[1] : state.get("g")) ?? "";
      if (group && group.selectedIndex < 0) group.value = "";
      input.value = state.get("f") ?? "";
      sort(state.get("sort") ?? first);
      filter();
      const sub = byKey.get(old?.[2] ? `${old[1]}-${old[2].replaceAll(",", "")}` : state.get("s"));
      if (sub) reveal(sub);
      else if (old) document.getElementById("subcategories").scrollIntoView();
    };

    body.addEventListener("click", ({ target }) => {
      const row = target.closest("tr.sub");
      if (row && !target.closest("a") && !String(getSelection())) toggle(byKey.get(row.id.slice(1)));
    });
    body.addEventListener("keydown", (event) => {
      const row = event.target.closest("tr");
      const own = row?.classList.contains("more") ? row.previousElementSibling : row;
      if (event.key === "Escape" && own?.classList.contains("open")) {
        toggle(byKey.get(own.id.slice(1)));
        own.querySelector("button").focus();
      }
      const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
      if (!step || !event.target.matches("tr.sub > .name > button")) return;
      let next = row[step];
      while (next && !next.classList.contains("sub")) next = next[step];
      next?.querySelector("button").focus();
      event.preventDefault();
    });
    let pending = 0;
    input.addEventListener("input", () => {
      cancelAnimationFrame(pending);
      pending = requestAnimationFrame(() => { filter(); remember(); });
    });
    group?.addEventListener("change", () => { chosen = null; filter(); remember(); });
    order.addEventListener("change", () => { sort(order.value); filter(); state.set({ sort: sorted === first ? null : sorted }); });
    further.addEventListener("click", () => { room += STEP; filter(); });
    addEventListener("beforeprint", () => { room = Infinity; filter(); });
    clear.addEventListener("click", () => {
      if (chosen) dispatchEvent(new CustomEvent("vidatlas:show", { detail: null }));
      showAll();
      remember();
    });
    addEventListener("vidatlas:choose", ({ detail }) => {
      showAll();
      chosen = detail && (detail.number === null ? { rank: detail.group + 1 } : { key: `${detail.group + 1}-${detail.number}` });
      filter();
    });
    addEventListener("hashchange", () => {
      const linked = /^#(c\d|g=)/.test(location.hash);
      if (linked || location.hash.includes("=")) restore();
      if (location.hash.startsWith("#g=")) document.getElementById("subcategories").scrollIntoView();
    });

    heads();
    document.querySelector(".plain").remove();
    table.hidden = tools.hidden = false;
    new ResizeObserver(() => table.style.setProperty("--below", `${tools.offsetHeight}px`)).observe(tools);
    restore();
    table.dataset.state = "ready";
  };
  start();
})();
