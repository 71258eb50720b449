// Words for values: numbers, dates and durations as people read them, and elements that hold text.
const english = (value) => value.toLocaleString("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 2 });
const DAY = 86400000;
const isoDay = (days) => new Date(days * DAY).toISOString().slice(0, 10);
const clock = (seconds) => {
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.round(seconds) % 60];
  return `${hours ? `${hours}:${String(minutes).padStart(2, "0")}` : minutes}:${String(rest).padStart(2, "0")}`;
};
const told = (kind, value, short = false) => {
  if (kind === "date") return isoDay(value);
  if (kind === "duration") return clock(value);
  return typeof value === "number" ? (short ? compact.format(value) : english(value)) : value;
};
const titled = (name) => (name.charAt(0).toUpperCase() + name.slice(1)).replaceAll("_", " ");

const element = (kind, text = "", parts = {}) => Object.assign(document.createElement(kind), text === "" ? {} : { textContent: text }, parts);
const textOf = (kind, text) => element(kind, text, { dir: "auto" });
