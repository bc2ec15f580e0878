// The page: which view is shown, what has changed, and the keyboard.

import { ask } from "./api.js";
import { clock, el, fill, refill, stateMark } from "./dom.js";
import { GridView } from "./grid.js";
import { showHelp } from "./help.js";
import { LamellaView } from "./lamella.js";
import { listen } from "./live.js";
import { SessionView } from "./session.js";

const MOST_PLACES = 40; // with more lamellae, those of the grid that is looked at are listed
const find = (id) => document.getElementById(id);
const RUNS = {
  running: "The run works",
  paused: "The run is paused",
  acquiring: "Tilt series are being recorded",
  ended: "The run has ended",
  unknown: "No run has begun",
};
const page = {
  state: null,
  view: null,
  get isReadOnly() { return this.state?.read_only ?? true; },
  grid(name) { return this.state?.grids.find((grid) => grid.name === name); },
  // When the run takes what is asked.
  get nextStep() {
    return ["ended", "unknown"].includes(this.state?.now.run) ? "when SPACEtomo.py runs again" : "at its next step";
  },
  go(address) { location.hash = address; },
  tell,
  async act(does) {
    try {
      tell("");
      return await does();
    } catch (error) {
      tell(error.message, "refused");
      return undefined;
    }
  },
};

function tell(text, kind = "said") {
  const place = find("told");
  place.hidden = !text;
  place.className = kind;
  fill(place, el("span", {}, text), el("button", {
    type: "button", "aria-label": "Close this message", on: { click: () => tell("") },
  }, "✕"));
}

// --- what is always shown ------------------------------------------------------------------------

function doingWords({ now }) {
  const where = [now.grid, now.lamella ? `lamella ${now.lamella}` : ""].filter(Boolean).join(" ");
  return [RUNS[now.run] ?? now.run, now.run === "ended" ? "" : where].filter(Boolean).join(": ");
}

function showFrame() {
  const { state } = page;
  find("title").textContent = state.session;
  document.title = `${state.session} – SPACEtomo`;
  find("doing").textContent = `${doingWords(state)}${state.level === null ? "" : ` · level ${state.level}`}`;
  find("left").textContent = `Left: ${state.time_left}`;
  find("read-only").hidden = !state.read_only;
  document.body.classList.toggle("read-only", state.read_only);
  showPlaces();
}

function showPlaces() {
  const here = location.hash || "#/";
  const link = (address, about, ...content) => el("a", {
    href: address, "data-focus": address, "aria-current": here === address ? "page" : undefined, ...about,
  }, ...content);
  const isNarrow = matchMedia("(max-width: 800px)").matches;
  const all = page.state.grids.flatMap((grid) => grid.lamellae).length;
  const [, , looked = page.state.now.grid] = here.split("/");
  const isOpen = (grid) => all <= MOST_PLACES || encodeURIComponent(grid.name) === looked || grid.name === looked;
  refill(find("places"), el("details", { "data-keep": "places", open: !isNarrow },
    el("summary", {}, "Grids and lamellae"),
    link("#/", { class: "place" }, "Session"),
    page.state.grids.map((grid) => [
      grid.name
        ? link(`#/grid/${encodeURIComponent(grid.name)}`, { class: "place grid" }, grid.title,
          el("small", {}, grid.state))
        : el("span", { class: "place grid" }, grid.title, el("small", {}, grid.state)),
      grid.lamellae.filter((one) => one.number && isOpen(grid)).map((one) =>
        link(`#/lamella/${encodeURIComponent(grid.name)}/${one.number}`, { class: "place lamella" },
          stateMark(one.state), el("span", {}, one.label), el("small", {}, one.state))),
    ])));
}

// --- views ---------------------------------------------------------------------------------------

function route() {
  const [, kind, grid, number] = (location.hash || "#/").split("/");
  try {
    if (kind === "grid") return new GridView(page, decodeURIComponent(grid));
    if (kind === "lamella") return new LamellaView(page, decodeURIComponent(grid), Number(number));
  } catch {
    // An address that somebody typed.
  }
  return new SessionView(page);
}

let shown = "";

function navigate() {
  if (page.view?.mayLeave && !page.view.mayLeave()) {
    history.replaceState(null, "", shown);
    return;
  }
  shown = location.hash || "#/";
  page.view?.close?.();
  tell("");
  fill(find("view"));
  page.view = route();
  if (matchMedia("(max-width: 800px)").matches) {
    const places = document.querySelector("#places details");
    if (places) places.open = false;
  }
  showPlaces();
  page.act(() => page.view.show(find("view")));
}

let waiting = new Set();
let timer = null;
let hadProblem = false;

function changed(topics) {
  for (const topic of topics) waiting.add(topic);
  timer ??= setTimeout(refresh, 250);
}

async function refresh() {
  const topics = waiting;
  waiting = new Set();
  try {
    page.state = await ask("/api/state");
    showFrame();
    if (page.state.problem) tell(`${page.state.problem} This is how it was last.`, "refused");
    else if (hadProblem) tell("");
    hadProblem = Boolean(page.state.problem);
    await page.view?.changed?.(topics.has("all") ? null : topics);
  } catch (error) {
    tell(error.message, "refused");
  } finally {
    timer = null;
    if (waiting.size) changed([]);
  }
}

function showLive(isLive) {
  const place = find("live");
  const text = isLive ? "live" : `not connected since ${clock(new Date().toISOString())}`;
  if (place.dataset.live === String(isLive)) return;
  place.dataset.live = String(isLive);
  fill(place, el("span", { class: "mark", "aria-hidden": "true" }, isLive ? "●" : "○"), ` ${text}`);
}

// --- keyboard ------------------------------------------------------------------------------------

function pressed(event) {
  if (event.altKey || event.target.closest("input, select, textarea, dialog[open]")) return;
  const isUndo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
  if ((event.ctrlKey || event.metaKey) && !isUndo) return;
  const key = isUndo ? "u" : event.key;
  if (key === "?") {
    event.preventDefault();
    showHelp(find("help-text"), page.view);
    return;
  }
  if (["Enter", " "].includes(key) && event.target.closest("button, a, summary")) return;
  const act = page.view?.key?.(key, event);
  if (!act) return;
  event.preventDefault();
  page.act(async () => act());
}

async function begin() {
  find("help").addEventListener("click", () => showHelp(find("help-text"), page.view));
  document.addEventListener("keydown", pressed);
  addEventListener("hashchange", navigate);
  addEventListener("beforeunload", (event) => {
    if (page.view?.isChanged) event.preventDefault();
  });
  try {
    page.state = await ask("/api/state");
  } catch (error) {
    tell(error.message, "refused");
    setTimeout(begin.again, 5000);
    return;
  }
  showFrame();
  navigate();
  listen(changed, showLive);
}
begin.again = () => location.reload();

begin();
