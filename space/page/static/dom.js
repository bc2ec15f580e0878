// Elements made by script. All text goes in as text, never as HTML.

const PROPERTIES = new Set(["hidden", "disabled", "checked", "selected", "value", "open", "href"]);

// el("button", { class: "main", on: { click: f }, "aria-label": "x" }, "text", otherElement)
export function el(tag, about = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(about)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") {
      for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    } else if (name === "color") {
      made.style.setProperty("--color", value);
    } else if (PROPERTIES.has(name)) {
      made[name] = value;
    } else {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  made.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined)
    .map((one) => (one instanceof Node ? one : document.createTextNode(String(one)))));
  return made;
}

const KEYS = { Del: "Delete", Esc: "Escape", "⏎": "Enter" };

export function button(text, act, about = {}) {
  return el("button", { type: "button", "data-focus": `button ${text}`, ...about, on: { click: act } }, text);
}

// A key is shown on the button that does the same. A screen reader says it as the key of the button.
export function keyed(text, key, act, about = {}) {
  return el("button", {
    type: "button", "data-focus": `key ${key}`, "aria-keyshortcuts": KEYS[key] ?? key, ...about, on: { click: act },
  }, text, " ", el("kbd", { "aria-hidden": "true" }, key));
}

export function fill(place, ...children) {
  place.replaceChildren(...children.flat(Infinity).filter((one) => one !== null && one !== undefined));
}

// What a person opened, typed into or stands on stays when a part of the page is made anew.
export function refill(place, ...children) {
  const opened = new Set([...place.querySelectorAll("details[open][data-keep]")]
    .map((one) => one.dataset.keep));
  const closed = new Set([...place.querySelectorAll("details:not([open])[data-keep]")]
    .map((one) => one.dataset.keep));
  const here = document.activeElement;
  const focused = place.contains(here) ? here.dataset.focus : "";
  const caret = focused && here.type === "text" ? [here.selectionStart, here.selectionEnd] : null;
  fill(place, ...children);
  for (const one of place.querySelectorAll("details[data-keep]")) {
    if (opened.has(one.dataset.keep)) one.open = true;
    if (closed.has(one.dataset.keep)) one.open = false;
  }
  if (focused) {
    const again = [...place.querySelectorAll("[data-focus]")].find((o) => o.dataset.focus === focused);
    if (again) again.focus({ preventScroll: true });
    if (again && caret) again.setSelectionRange(...caret);
  }
}

export function percent(part) {
  return `${Math.round(100 * part)} %`;
}

export function clock(iso) {
  if (!iso) return "";
  const at = new Date(iso);
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? time : `${at.toLocaleDateString([], { day: "numeric", month: "short" })} ${time}`;
}

// A state has a shape, too: not everybody tells colours apart.
const SYMBOLS = {
  found: "○", excluded: "✕", mapped: "◔", segmenting: "◑", failed: "!", "no targets": "–",
  ready: "◕", begun: "▶", acquired: "●", new: "+",
};

export function counted(number, word) {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

export function stateMark(state) {
  return el("span", { class: "mark", "aria-hidden": "true" }, SYMBOLS[state] ?? "·");
}

export function table(heads, rows) {
  return el("div", { class: "scrolls" }, el("table", {},
    el("thead", {}, el("tr", {}, heads.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell)))))));
}
