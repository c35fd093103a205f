"use strict";

// The preview's own script, second part: what the reader does. `preview_cards.js` shows the cards.

// --- controls

function move(step) {
  const next = shown[(entries[current]?.position ?? -1) + step];
  if (next) select(next.index);
}

function nextFault() {
  if (!data.notes.some((note) => note.faults.length)) return;
  if (!shown.some((entry) => entry.note.faults.length)) clearAll();
  const start = (entries[current]?.position ?? -1) + 1;
  const next = [...shown.slice(start), ...shown.slice(0, start)].find((entry) => entry.note.faults.length);
  if (next) select(next.index);
}

function edge(last) {
  if (shown.length) select(shown[last ? shown.length - 1 : 0].index);
}

function flip() {
  if (!entries[current]?.card) return;
  answer = !answer;
  draw();
}

function setTheme(theme) {
  root.dataset.theme = theme;
  at("theme").textContent = `Theme: ${theme}`;
  chosen.set("theme", theme);
}

function setPhone(on) {
  at("phone").setAttribute("aria-pressed", String(on));
  at("card").classList.toggle("phone", on);
  chosen.set("phone", on ? "yes" : "");
}

function openList(open) {
  document.body.classList.toggle("list-open", open);
  at("open-list").setAttribute("aria-expanded", String(open));
}

function scroll(pages) {
  const view = at("frame").contentWindow;
  if (!view) return;
  const room = at("stage").scrollHeight > at("stage").clientHeight ? at("stage") : null;
  view.scrollBy({top: pages * 0.85 * view.innerHeight});
  room?.scrollBy({top: pages * 0.85 * room.clientHeight});
}

function clearAll() {
  at("find").reset();
  filter();
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  f: nextFault,
  t: () => at("theme").click(),
  p: () => at("phone").click(),
  "?": () => at("help").click(),
  "/": () => {
    openList(true);
    at("query").focus();
    at("query").select();
  },
};
const OTHER_KEYS = {
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  PageDown: () => scroll(1),
  PageUp: () => scroll(-1),
  " ": flip,
  Enter: () => (narrow.matches && document.body.classList.contains("list-open") ? openList(false) : flip()),
  Home: () => edge(false),
  End: () => edge(true),
};

// Keys that an element has a use for itself.
function isTaken(target, key) {
  const of = (selector) => target.closest?.(selector);
  if (of("select, dialog, audio")) return true;
  if (of("input[type=search]")) return !["ArrowDown", "ArrowUp"].includes(key) && key !== "Escape";
  if (of("button, a[href], summary, input")) return key === " " || key === "Enter";
  // Inside the card, keys that scroll do so.
  return target.ownerDocument !== document && /^(Arrow|Page|Home|End)/.test(key);
}

function onKey(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || at("keys").open) return;
  const {key, target} = event;
  if (isTaken(target, key)) return;
  let action = OTHER_KEYS[key] ?? (at("single").checked ? KEYS[key] : undefined);
  if (key === "Escape") action = escape;
  if (!action) return;
  event.preventDefault();
  action();
}

function escape() {
  if (narrow.matches && document.body.classList.contains("list-open")) openList(false);
  clearAll();
  at("list").focus();
}

function wire() {
  at("find").addEventListener("input", () => filter());
  at("find").addEventListener("submit", (event) => {
    event.preventDefault();
    at("list").focus();
  });
  at("find").addEventListener("reset", () => setTimeout(filter));
  at("clear").addEventListener("click", () => at("query").focus());
  at("list").addEventListener("click", (event) => {
    const row = event.target.closest("[role=option]");
    if (!row) return;
    select(Number(row.id.slice("entry-".length)));
    openList(false);
  });
  at("list").addEventListener("scroll", () => {
    const list = at("list");
    if (list.scrollTop + 3 * list.clientHeight > list.scrollHeight) growList(drawn + CHUNK);
  });
  at("problems").addEventListener("click", () => {
    openList(false);
    nextFault();
  });
  at("before").addEventListener("click", () => move(-1));
  at("after").addEventListener("click", () => move(1));
  at("flip").addEventListener("click", flip);
  at("phone").addEventListener("click", () => setPhone(!at("card").classList.contains("phone")));
  at("theme").addEventListener("click", () => {
    setTheme(THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length]);
    draw();
  });
  at("help").addEventListener("click", () => at("keys").showModal());
  at("open-list").addEventListener("click", () => openList(!document.body.classList.contains("list-open")));
  at("single").addEventListener("change", () => chosen.set("single", at("single").checked ? "yes" : ""));
  at("frame").addEventListener("load", onFrameLoad);
  systemDark.addEventListener("change", draw);
  document.addEventListener("keydown", onKey);
}

// --- `make-deck preview --serve`: the server tells when the notes were saved and read again

function follow() {
  const events = new EventSource("/events");
  events.addEventListener("message", async (event) => {
    const {version, state, text} = JSON.parse(event.data);
    tell(text, state);
    if (state !== "ready" || version === data.version) return;
    const fresh = await (await fetch("/data", {cache: "no-store"})).json();
    fresh.css ||= data.css; // a deck that cannot be read has none
    if (fresh.css !== data.css) return location.reload(); // the page's policy allows the old style only
    load(fresh);
  });
  events.addEventListener("error", () => tell("Not connected", "failed"));
}

function tell(text, state) {
  at("live").hidden = false;
  at("live").dataset.state = state;
  at("live").textContent = text;
}

setTheme(THEMES.includes(chosen.get("theme", "auto")) ? chosen.get("theme", "auto") : "auto");
setPhone(chosen.get("phone", "") === "yes");
at("single").checked = chosen.get("single", "yes") === "yes";
wire();
load(JSON.parse(at("data").textContent));
if (!data.ran) tell("Nothing was run", "ready");
if (root.dataset.live) follow();
