// What was found, as a list and as files: the first 100 titles, ids to copy, a CSV to save.
const MOST_LISTED = 100;

const csvOf = ({ ids, titles, subs, groups, codes, columns, link }, members) => {
  const head = ["id", "title", "category", "subcategory", ...columns.map(({ name }) => name), "link"];
  const line = (at) => [ids[at], titles[at], groups[subs[codes[at]].group].name, subs[codes[at]].name,
    ...columns.map(({ kind, values }) => (kind === "date" && values[at] !== null ? isoDay(values[at]) : values[at])), link(at)];
  return window.vidatlas.csv([head, ...Array.from(members.filter((at) => ids[at]), line)]);
};

const copy = async (text) => {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* a frame may not */ }
  const area = element("textarea", "", { value: text, readOnly: true });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
};

const listing = ({ panel, data, open, say }) => {
  const find = (name) => panel.querySelector(name);
  const [list, note] = [find("ol"), find("p")];
  let members = new Uint32Array();
  const show = (found) => {
    members = found;
    const shown = Array.from(members.slice(0, MOST_LISTED).filter((at) => data.ids[at]));
    // The same list stays, and what has the focus in it: tiles come while it is read.
    if (shown.join() !== list.dataset.shown) list.replaceChildren(...shown.map((at) => {
      const [entry, button] = [element("li"), element("button", "", { type: "button" })];
      button.append(textOf("b", data.titles[at] || "(untitled)"), textOf("span", data.subs[data.codes[at]].name));
      button.addEventListener("click", () => open(at));
      entry.append(button);
      return entry;
    }));
    list.dataset.shown = shown.join();
    note.textContent = members.length > shown.length ? `The first ${english(shown.length)} of ${english(members.length)}.` : "";
  };
  const withTitles = () => members.filter((at) => data.ids[at]);
  find("[data-copy]").addEventListener("click", async () => {
    const ids = Array.from(withTitles(), (at) => data.ids[at]);
    say((await copy(ids.join("\n"))) ? `${english(ids.length)} ids copied` : "Copying is not allowed here");
  });
  find("[data-csv]").addEventListener("click", () => window.vidatlas.save("videos.csv", csvOf(data, members)));
  return { show };
};
