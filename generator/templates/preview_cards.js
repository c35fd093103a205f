"use strict";

// The preview's own script, first part: what is shown. `preview.js` is the second: what the reader does.
// Cards have no script: they are shown in a frame that runs none at all.

const VERDICTS = {
  "verified": ["✓", "Verified"],
  "failed": ["✗", "Failed"],
  "norun": ["–", "Never run"],
  "not-run": ["○", "Not run"],
  "out-of-range": ["○", "Out of range"],
  "no-code": ["·", "No code"],
  "no-card": ["✗", "No card"],
};
const KINDS = {question: "", predict: "Predict the output", bug: "Find the bug", cloze: ""};
const THEMES = ["auto", "light", "dark"];

const at = (id) => document.getElementById(id);
const root = document.documentElement;
const systemDark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 50rem)");

const CHUNK = 100; // rows that the list grows by

let data = null;
let entries = []; // {note, card, index, row, position}: all cards, and what has no card but faults
let shown = []; // those that match, in order
let drawn = 0; // how many of them have a row in the list
let current = -1; // index in `entries`
let answer = false;
let drawing = 0;

function make(tag, properties = {}, ...children) {
  const {role, ...rest} = properties;
  const node = Object.assign(document.createElement(tag), rest);
  if (role) node.setAttribute("role", role);
  node.append(...children);
  return node;
}

function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

// --- what the reader chose, kept in this browser where it lets us

const chosen = {
  get(name, fallback) {
    try {
      return localStorage.getItem(`make-deck.${name}`) ?? fallback;
    } catch {
      return fallback;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`make-deck.${name}`, value);
    } catch {
      // The page works without a memory.
    }
  },
};

// --- the list

function load(fresh) {
  const old = entries[current];
  data = fresh;
  at("title").textContent = data.title;
  document.title = `${data.title} – preview`;
  entries = [];
  for (const note of data.notes) {
    for (const card of note.cards.length ? note.cards : [null]) {
      entries.push({note, card, index: entries.length, row: null, position: -1});
    }
  }
  fillFilters();
  tellProblems();
  current = -1;
  filter(place(old));
}

// How much is wrong in all, for who looks at a note that is fine.
function tellProblems() {
  const faults = data.notes.flatMap((note) => note.faults);
  const errors = faults.filter((fault) => fault.severity === "error").length;
  const counts = [[errors, "error"], [faults.length - errors, "warning"]].filter(([number]) => number);
  at("problems").hidden = !faults.length;
  at("problems").classList.toggle("warning", !errors);
  at("problems").textContent = counts.map(([number, noun]) => count(number, noun)).join(", ");
}

// Gives the first `size` matches a row: two thousand at once would make every key stroke wait.
function growList(size) {
  const list = at("list");
  for (; drawn < Math.min(size, shown.length); drawn += 1) {
    const entry = shown[drawn];
    entry.row ??= makeRow(entry);
    entry.row.setAttribute("aria-posinset", drawn + 1);
    entry.row.setAttribute("aria-setsize", shown.length);
    if (drawn === 0 || shown[drawn - 1].note.deck !== entry.note.deck) list.append(makeGroup(entry));
    list.lastElementChild.firstElementChild.append(entry.row);
  }
}

function makeRow(entry) {
  const {note, card} = entry;
  const [mark, verdict] = VERDICTS[note.verdict];
  const words = [card && card.name, KINDS[note.kind], verdict];
  if (note.faults.length) words.push(count(note.faults.length, "problem"));
  const row = make("li", {role: "option", id: `entry-${entry.index}`, className: `row ${note.verdict}`},
    make("span", {className: "label", textContent: card ? card.label || note.id : note.title}),
    make("span", {className: "about"},
      make("span", {className: "mark", ariaHidden: "true", textContent: note.faults.length && card ? "!" : mark}),
      words.filter(Boolean).join(" · ")));
  if (note.faults.length) row.classList.add("faulty");
  row.ariaSelected = "false";
  return row;
}

function makeGroup({note, index}) {
  const name = note.deck.split("::").slice(1).join(" › ") || note.deck;
  const title = make("span", {className: "deck", id: `group-${index}`, textContent: name, role: "presentation"});
  const group = make("ul", {role: "group"}, title);
  group.setAttribute("aria-labelledby", title.id);
  return make("li", {role: "presentation"}, group);
}

function fillFilters() {
  const decks = [...new Set(data.notes.map((note) => note.deck))];
  const tags = [...new Set(data.notes.flatMap((note) => note.tags))].sort();
  const verdicts = Object.keys(VERDICTS).filter((name) => data.notes.some((note) => note.verdict === name));
  const faulty = data.notes.filter((note) => note.faults.length).length;
  fillFilter("deck", "All", decks.map((name) => [name, name.split("::").slice(1).join("::") || name]));
  fillFilter("tag", "All", tags.map((name) => [name, name]));
  fillFilter("verdict", "All", [
    ...verdicts.map((name) => [name, VERDICTS[name][1]]),
    ...(faulty ? [["faulty", `With problems (${faulty})`]] : []),
  ]);
}

function fillFilter(id, all, choices) {
  const select = at(id);
  const value = select.value;
  select.replaceChildren(new Option(all, ""), ...choices.map(([name, label]) => new Option(label, name)));
  select.value = choices.some(([name]) => name === value) ? value : "";
}

// Shows the entries that match, and `wanted` among them where it is one.
function filter(wanted = current) {
  const words = at("query").value.normalize("NFC").toLowerCase().split(/\s+/).filter(Boolean);
  const [deck, tag, verdict] = ["deck", "tag", "verdict"].map((id) => at(id).value);
  const matches = new Map(data.notes.map((note) => [note,
    (!deck || note.deck === deck) &&
    (!tag || note.tags.includes(tag)) &&
    (!verdict || (verdict === "faulty" ? note.faults.length > 0 : note.verdict === verdict)) &&
    words.every((word) => note.text.includes(word))]));
  for (const entry of shown) entry.position = -1;
  shown = entries.filter((entry) => matches.get(entry.note));
  shown.forEach((entry, position) => {
    entry.position = position;
  });
  const found = shown.filter((entry) => entry.card).length;
  const all = entries.filter((entry) => entry.card).length;
  const narrowed = Boolean(words.length || deck || tag || verdict);
  at("count").textContent = narrowed ? `${found.toLocaleString("en")} of ${count(all, "card")}` : count(all, "card");
  at("clear").hidden = !narrowed;
  at("list").hidden = shown.length === 0;
  at("list").replaceChildren();
  drawn = 0;
  growList(CHUNK);
  select(shown.includes(entries[wanted]) ? wanted : shown[0]?.index ?? -1);
}

function place(old) {
  const {id, name} = old ? {id: old.note.id, name: old.card?.name} : fromAddress();
  const same = entries.filter((entry) => id && entry.note.id === id);
  return (same.find((entry) => entry.card?.name === name) ?? same[0] ?? entries[0])?.index ?? -1;
}

function fromAddress() {
  const [id, name] = decodeURIComponent(location.hash.slice(1)).split("/");
  return {id, name};
}

function select(index, side = false) {
  if (index !== current || entries[index] === undefined) answer = side;
  const old = entries[current];
  if (old?.row) old.row.ariaSelected = "false";
  current = index;
  const entry = entries[index];
  const list = at("list");
  if (entry) {
    growList(entry.position + CHUNK / 2);
    entry.row.ariaSelected = "true";
    list.setAttribute("aria-activedescendant", entry.row.id);
    entry.row.scrollIntoView({block: "nearest"});
    const name = entry.card?.name ? `/${entry.card.name}` : "";
    try {
      history.replaceState(null, "", `#${encodeURIComponent(entry.note.id)}${name}`);
    } catch {
      // Some browsers allow this for no local file.
    }
  } else {
    list.removeAttribute("aria-activedescendant");
  }
  // A frame takes longer than a key stroke: draw once, after the last of several.
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(draw);
}

// --- the card

function draw() {
  const entry = entries[current];
  for (const id of ["about", "card"]) at(id).hidden = !entry;
  at("nothing").hidden = Boolean(entry);
  at("nothing").textContent = data.notes.length ? "No card matches." : "There is no card yet.";
  at("before").disabled = !shown[(entry?.position ?? 0) - 1];
  at("after").disabled = !entry || !shown[entry.position + 1];
  at("flip").disabled = !entry?.card;
  at("flip").textContent = answer ? "Show question" : "Show answer";
  drawFaults(entry ? entry.note : {faults: []});
  if (!entry) return;
  const {note, card} = entry;
  at("name").textContent = note.id || note.title;
  at("facts").replaceChildren(...facts(note, card));
  at("card").hidden = !card;
  at("math").hidden = !note.math;
  if (card) drawCard(card);
}

function facts(note, card) {
  const [mark, verdict] = VERDICTS[note.verdict];
  const ran = note.pythons.length ? ` on Python ${note.pythons.join(", ")}` : "";
  const shown = [make("li", {className: `chip ${note.verdict}`, textContent: `${mark} ${verdict}${ran}`})];
  if (card?.name) shown.push(make("li", {className: "chip", textContent: card.name}));
  if (KINDS[note.kind]) shown.push(make("li", {className: "chip", textContent: KINDS[note.kind]}));
  if (!note.stamped) shown.push(make("li", {className: "chip", textContent: "Draft without id"}));
  for (const tag of note.tags) shown.push(make("li", {className: "tag", textContent: `#${tag}`}));
  shown.push(make("li", {className: "place", textContent: note.place}));
  return shown;
}

function drawCard(card) {
  const frame = at("frame");
  const side = answer ? "Answer" : "Question";
  frame.title = `${side} of the card`;
  frame.dataset.side = side.toLowerCase();
  const dark = isDark();
  at("card").classList.toggle("dark", dark);
  const style = `<style>${data.css}</style>`;
  const scheme = `<meta name="color-scheme" content="${dark ? "dark" : "light"}">`;
  const head = `<meta charset="utf-8"><title>${side}</title><base target="_blank">${scheme}${style}`;
  const classes = `card card${card.number}${dark ? " nightMode" : ""}`;
  const markup = withMedia(answer ? card.back : card.front);
  frame.srcdoc = `<!doctype html><html lang="en"><head>${head}</head><body class="${classes}"><div id="qa">${markup}</div></body></html>`;
}

// The card's HTML, its pictures and sounds taken from the page.
function withMedia(markup) {
  if (!Object.keys(data.media).some((name) => markup.includes(name))) return markup;
  const parsed = new DOMParser().parseFromString(markup, "text/html");
  for (const node of parsed.querySelectorAll("[src]")) {
    const content = data.media[node.getAttribute("src")];
    if (content) node.setAttribute("src", content);
  }
  return parsed.body.innerHTML;
}

function onFrameLoad() {
  const inside = at("frame").contentDocument;
  if (!inside) return;
  inside.addEventListener("keydown", onKey);
  // The page's style cannot see where the focus is inside a frame.
  const screen = at("frame").parentElement;
  screen.classList.toggle("focused", document.activeElement === at("frame"));
  inside.defaultView.addEventListener("focus", () => screen.classList.add("focused"));
  inside.defaultView.addEventListener("blur", () => screen.classList.remove("focused"));
  if (answer) inside.getElementById("answer")?.scrollIntoView({block: "nearest"});
}

function isDark() {
  return root.dataset.theme === "auto" ? systemDark.matches : root.dataset.theme === "dark";
}

// --- what is wrong

function drawFaults(note) {
  const section = at("faults");
  section.hidden = note.faults.length === 0;
  section.replaceChildren(make("h3", {textContent: count(note.faults.length, "problem")}), ...note.faults.map(makeFault));
}

function makeFault(fault) {
  const node = make("article", {className: `fault ${fault.severity}`},
    make("p", {className: "message"},
      make("strong", {textContent: `${fault.severity === "error" ? "Error" : "Warning"} ${fault.code}`}), " ", ...withCode(fault.message)),
    ...makeExcerpt(fault));
  for (const other of fault.related) node.append(...makeExcerpt(other));
  if (fault.hint) node.append(make("p", {className: "hint"}, ...withCode(fault.hint)));
  return node;
}

// Text whose parts in backticks are code.
function withCode(text) {
  return text.split(/(`[^`\n]+`)/).map((part, index) => (index % 2 ? make("code", {textContent: part.slice(1, -1)}) : part));
}

function makeExcerpt({place, lines}) {
  const parts = [make("p", {className: "place", textContent: place})];
  if (lines.length) {
    const shown = lines.map(([number, before, marked, after]) => make("span", {className: "source-line"},
      make("span", {className: "number", textContent: String(number)}),
      before, ...(marked ? [make("mark", {textContent: marked})] : []), after, "\n"));
    parts.push(make("pre", {}, make("code", {}, ...shown)));
  }
  return parts;
}
