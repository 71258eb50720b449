// The card of one video, pinned by a click or a tap, and the tooltip of the one below the pointer.
const FIRST = ["channel", "published", "views", "likes", "duration"];

const homeOf = ({ groups, subs, codes }, at) => [groups.length > 1 && groups[subs[codes[at]].group].name, subs[codes[at]].name].filter(Boolean);
const titleOf = (data, at) => data.titles[at] || (data.ids[at] ? "(untitled)" : data.own ? "(the title is being loaded)" : "(title not on this page)");

const carding = ({ panel, pin, data, choose, closed }) => {
  const rank = ({ name }) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  let [current, before, pictures] = [-1, null, null];
  // The report's table holds pictures of examples; the other pages have none. It stands before the titles.
  const picture = async (at, place) => {
    if (!document.getElementById("table-data")) return;
    pictures ??= window.vidatlas.read("table-data").then(({ subs }) => new Map(subs.flatMap(({ examples, images = [] }) => examples.map((one, number) => [one, images[number]]))));
    const src = (await pictures).get(at) ?? "";
    if (src.startsWith("data:image/jpeg;base64,")) place.after(element("img", "", { src, alt: `Picture: ${titleOf(data, at)}` }));
  };
  const facts = (at) => {
    const table = element("dl");
    for (const { name, kind, values } of data.columns.toSorted((a, b) => rank(a) - rank(b))) {
      if ((values[at] ?? null) === null) continue;
      table.append(element("dt", titled(name)), textOf("dd", told(kind, values[at])));
    }
    return table;
  };
  const close = () => {
    if (current < 0) return;
    const held = panel.contains(document.activeElement);
    [current, panel.hidden, pin.hidden] = [-1, true, true];
    panel.replaceChildren();
    if (held && before?.isConnected) before.focus({ preventScroll: true });
    closed();
  };
  const show = (at, focus) => {
    if (focus || !panel.contains(document.activeElement)) before = document.activeElement;
    current = at;
    const heading = textOf("strong", titleOf(data, at));
    const shut = element("button", "×", { type: "button", ariaLabel: "Close", className: "shut" });
    shut.addEventListener("click", close);
    const parts = [shut, heading];
    if (data.notes[at]) parts.push(textOf("p", data.notes[at]));
    parts.push(facts(at));
    const home = element("p", "", { className: "home" });
    homeOf(data, at).forEach((name, index) => home.append(index ? " › " : "", element("bdi", name)));
    const actions = element("p", "", { className: "actions" });
    const address = data.link(at);
    if (address) actions.append(element("a", /youtube\.com|youtu\.be/.test(address) ? "Watch" : "Open", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }));
    const all = element("button", "Show the subcategory", { type: "button" });
    all.addEventListener("click", () => choose({ group: data.subs[data.codes[at]].group, sub: data.codes[at] }));
    actions.append(all);
    panel.replaceChildren(...parts, home, actions);
    panel.hidden = pin.hidden = false;
    panel.scrollTop = 0;
    if (data.titled) picture(at, shut);
    if (focus) panel.focus({ preventScroll: true });
  };
  return { show, close, at: () => current };
};

const tooltip = (tip, data) => ({
  hide: () => { tip.hidden = true; },
  show: (at, px, py, width, height) => {
    tip.replaceChildren(textOf("b", titleOf(data, at)), ...[data.notes[at], ...homeOf(data, at)].filter(Boolean).map((text) => textOf("span", text)));
    tip.hidden = false;
    const [wide, tall] = [tip.offsetWidth, tip.offsetHeight];
    // Beside the point, never over it.
    const left = px + 16 + wide < width ? px + 16 : Math.max(4, px - wide - 16);
    const over = left < px && left + wide > px;
    tip.style.transform = `translate(${left}px, ${py + tall + 20 > height || (over && py > tall + 24) ? py - tall - 14 : py + 16}px)`;
  },
});
