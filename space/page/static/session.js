// Where the session stands: what the run does, grids and lamellae, orders, queue, events.

import { ask, of, post } from "./api.js";
import { button, clock, counted, el, fill, percent, refill, stateMark, table } from "./dom.js";

const MOST_EVENTS = 60;
const MOST_CHIPS = 30;
const SURE_MS = 15_000; // after that an order that was not confirmed is asked for anew
const WARNS = new Set(["warning", "error", "lamella_skipped", "grid_skipped", "series_trouble"]);

export class SessionView {
  constructor(page) {
    this.page = page;
    this.help = [];
    this.explained = [
      "This view shows where the session stands. It changes by itself when the files of the session do.",
      "Orders are taken by the run between its steps. Choose a grid or lamella to see its map.",
    ];
    this._log = { grid: "", lines: [] };
    this._shown = {}; // what each part was made of
    this._sure = ""; // the order that is asked for a second time
    this._typed = "";
    this._given = 0;
    this._unanswered = null; // the order that the run has not answered yet
  }

  async show(place) {
    this.place = place;
    this.parts = Object.fromEntries(
      ["now", "attention", "orders", "grids", "plan", "jobs", "pictures", "events", "log"]
        .map((name) => [name, el("section", { class: `card ${name}` })]));
    fill(place, el("div", { class: "cards" }, Object.values(this.parts)));
    this._fill();
  }

  async changed() {
    this._fill();
    this._tellAnswer();
    if (this._log.grid) await this._loadLog(this._log.grid);
  }

  _fill() {
    const { state } = this.page;
    refill(this.parts.now, this._now(state));
    this.parts.attention.hidden = !state.attention.length;
    this._part("attention", state.attention, (all) => [el("h2", {}, "Needs you"),
      el("ul", {}, all.map((text) => el("li", {}, "⚠ ", text)))]);
    this._fillOrders();
    this._part("grids", state.grids, (grids) => [el("h2", {}, "Grids"), grids.map((grid) => this._grid(grid))]);
    this.parts.plan.hidden = !state.plan;
    if (state.plan) this._part("plan", state.plan, (plan) => this._plan(plan));
    this.parts.jobs.hidden = !state.jobs;
    if (state.jobs) this._part("jobs", state.jobs, (jobs) => this._jobs(jobs));
    this.parts.pictures.hidden = !state.pictures.length;
    this._part("pictures", state.pictures, (pictures) => this._pictures(pictures));
    this._part("events", state.events, (events) => this._events(events));
    this._part("log", [this._log, state.grids.map((grid) => grid.title)], () => this._logPart(state));
  }

  // A part is made anew only if what it shows has changed: nothing moves under a finger.
  _part(name, facts, make) {
    const text = JSON.stringify(facts);
    if (this._shown[name] === text) return;
    this._shown[name] = text;
    refill(this.parts[name], make(facts));
  }

  _fillOrders() {
    this._part("orders", [this.page.state.orders, this._sure, this._given], ([orders]) => this._orders(orders));
  }

  _now({ now, left, time_left: timeLeft }) {
    const series = now.series && el("p", {}, `Tilt series ${now.series.name}: `,
      counted(now.series.pictures, "picture"),
      now.series.tilt_deg === null ? "" : `, at ${now.series.tilt_deg.toFixed(1)}°`);
    return [
      el("h2", {}, "Now"),
      el("p", { class: "large" }, document.getElementById("doing").textContent),
      series,
      el("p", {}, `Time left: ${timeLeft}`),
      left.length ? el("ul", { class: "plain" }, left.map((one) => el("li", {}, `${one.count} × ${one.work}`,
        one.each_s === null ? "" : ` (${minutes(one.each_s)} each)`))) : null,
      now.last_event ? el("p", { class: "quiet" }, `Last news of the run: ${clock(now.last_event)}`) : null,
    ];
  }

  // --- orders --------------------------------------------------------------------------------

  _orders(orders) {
    const holds = [
      orders.pause && "The run pauses (or will, at its next step).",
      orders.stop && "The run stops at its next step.",
      orders.stop_after && `The run stops after ${orders.stop_after}.`,
      orders.skipped.length && `Skipped: ${orders.skipped.map((one) =>
        `${one.grid} L${String(one.number).padStart(2, "0")}`).join(", ")}.`,
      orders.skipped_grids.length && `Skipped grids: ${orders.skipped_grids.join(", ")}.`,
      orders.pinned.length && `First in the plan: ${orders.pinned.map((one) =>
        `${one.grid} L${String(one.number).padStart(2, "0")}`).join(", ")}.`,
      orders.pinned_grids.length && `Grids that come first in the plan: ${orders.pinned_grids.join(", ")}.`,
    ].filter(Boolean);
    return [
      el("h2", {}, "Orders"),
      holds.length ? el("ul", { class: "plain" }, holds.map((text) => el("li", {}, text)))
        : el("p", { class: "quiet" }, "No order holds."),
      this.page.isReadOnly ? el("p", { class: "quiet" }, "This page only shows the session.") : [
        el("div", { class: "buttons" },
          this._order("Pause", "pause"), this._order("Go on", "go on"),
          this._order("Stop after this grid", "stop after grid"), this._order("Stop", "stop", true)),
        this._anyOrder(orders.examples)],
      el("details", { "data-keep": "answers" }, el("summary", {}, "Answers to orders"),
        orders.answers.length ? el("ul", { class: "plain" }, orders.answers.toReversed().map((one) =>
          el("li", {}, el("time", {}, one.at.slice(11, 16)), ` ${one.order}: ${one.answer}`)))
          : el("p", { class: "quiet" }, "None yet.")),
    ];
  }

  _order(text, line, asksTwice = false) {
    return button(this._sure === line ? `${text}: sure?` : text, () => {
      if (asksTwice && this._sure !== line) {
        this._sure = line;
        this._fillOrders();
        setTimeout(() => {
          this._sure = "";
          this._fillOrders();
        }, SURE_MS);
        return undefined;
      }
      return this.give(line);
    }, { "data-order": line, "data-focus": `order ${line}`, class: asksTwice ? "grave" : "" });
  }

  _anyOrder(examples) {
    const input = el("input", {
      type: "text", name: "order", "aria-label": "Another order", placeholder: "skip L03",
      list: "orders-known", maxlength: "200", autocomplete: "off", "data-focus": "order",
      value: this._typed, on: { input: (event) => { this._typed = event.target.value; } },
    });
    return el("form", { class: "line", on: { submit: (event) => {
      event.preventDefault();
      if (input.value.trim()) this.give(input.value);
    } } }, input, el("datalist", { id: "orders-known" }, examples.map((one) => el("option", { value: one }))),
    el("button", {}, "Give"));
  }

  give(line) {
    return this.page.act(async () => {
      const { given } = await post("/api/orders", { line });
      this._typed = "";
      this._sure = "";
      this._given += 1;
      this._fillOrders();
      this._unanswered = { order: given, before: this._answerTo(given)?.at };
      this.page.tell(`Given: ${given}. The run takes it ${this.page.nextStep}, and its answer is told here.`);
    });
  }

  _answerTo(order) {
    return this.page.state.orders.answers.findLast((one) => one.order === order);
  }

  // What was given may be refused: what the run says of it is told when it comes.
  _tellAnswer() {
    if (!this._unanswered) return;
    const { order, before } = this._unanswered;
    const answer = this._answerTo(order);
    if (!answer || answer.at === before) return;
    this._unanswered = null;
    this.page.tell(`${order}: ${answer.answer}`);
  }

  // --- the plan of the night -----------------------------------------------------------------

  _plan({ summary, notes, entries, left_out: leftOut }) {
    const head = ["After", "What", "Series", "Value", "Why"];
    const rows = (all) => all.map((row) => row.slice(0, head.length));
    return [
      el("h2", {}, "Plan"), el("p", {}, `${summary}.`),
      entries.length ? table(head, rows(entries))
        : el("p", { class: "quiet" }, "Nothing is planned."),
      leftOut.length ? el("details", { "data-keep": "left out" },
        el("summary", {}, `${leftOut.length} left out`),
        table(head.slice(1), rows(leftOut).map((row) => row.slice(1)))) : null,
      el("p", { class: "quiet" }, notes.join("; ")),
    ];
  }

  // --- grids ---------------------------------------------------------------------------------

  _grid(grid) {
    const name = encodeURIComponent(grid.name);
    const { state } = this.page;
    const all = state.grids.reduce((sum, one) => sum + one.lamellae.length, 0);
    const chips = el("ul", { class: "chips" }, grid.lamellae.map((one) => this._chip(grid, one)));
    return el("article", {},
      el("h3", {}, grid.name ? el("a", { href: `#/grid/${name}`, "data-focus": `grid ${grid.name}` }, grid.title)
        : grid.title, grid.slot ? el("small", {}, ` slot ${grid.slot}`) : null, ` – ${grid.state}`),
      el("p", {}, [grid.counts, grid.next].filter(Boolean).join(" – ")),
      grid.problems.map((text) => el("p", { class: "warning" }, "⚠ ", text)),
      // Many are folded, so that the grids themselves are seen at a glance.
      all <= MOST_CHIPS || !grid.lamellae.length ? chips : el("details",
        { "data-keep": `chips ${grid.title}`, open: grid.name === state.now.grid },
        el("summary", {}, `${grid.lamellae.length} lamellae`), chips));
  }

  _chip(grid, one) {
    const series = one.series.length ? `, ${one.series.length} of ${one.targets || one.series.length} series` : "";
    const targets = !one.series.length && one.targets ? `, ${one.targets} targets` : "";
    const content = [stateMark(one.state), el("b", {}, one.label || "left out"), " ",
      `${one.class} ${percent(one.probability)} – ${one.state}${series}${targets}`];
    const about = { "data-state": one.state, title: one.reason || this.page.state.states[one.state] };
    return el("li", {}, one.number
      ? el("a", { href: `#/lamella/${encodeURIComponent(grid.name)}/${one.number}`, class: "chip",
        "data-focus": `chip ${grid.name} ${one.number}`, ...about }, content)
      : el("span", { class: "chip", ...about }, content));
  }

  // --- the rest ------------------------------------------------------------------------------

  _jobs(jobs) {
    return [
      el("h2", {}, "Segmentation"),
      el("p", {}, jobs.text),
      jobs.problems.map((one) => el("p", { class: "warning" }, "⚠ ", [one.what, one.do].filter(Boolean).join(" "))),
      jobs.maps.length ? table(["map", "state", "worker", ""], jobs.maps.map((map) => [
        map.name, map.state, map.worker || "–",
        map.share ? el("progress", { value: map.share, max: "1", "aria-label": "done" }) : map.reason])) : null,
      jobs.workers.length ? table(["worker", "device", "life", "works on"], jobs.workers.map((one) => [
        `${one.name} on ${one.machine}`, one.device, one.life, one.map_name])) : null,
    ];
  }

  _pictures(pictures) {
    // They are large: fetched only when somebody wants to see them.
    const details = el("details", { "data-keep": "pictures", on: { toggle: () => {
      if (details.open && !details.querySelector("figure")) {
        details.append(...pictures.slice(0, 12).map((one) => el("figure", {},
          el("a", { href: `/pictures/${encodeURIComponent(one.name)}?v=${one.mark}`, target: "_blank" },
            el("img", { src: `/pictures/${encodeURIComponent(one.name)}?v=${one.mark}`, loading: "lazy",
              alt: `${one.shows}: ${one.name}` })),
          el("figcaption", {}, `${one.name} (${clock(one.at)})`))));
      }
    } } }, el("summary", {}, counted(pictures.length, "picture")));
    return [el("h2", {}, "Last pictures"), details];
  }

  _events(events) {
    const last = events.slice(-MOST_EVENTS).reverse();
    return [el("h2", {}, "What happened"), last.length ? el("ol", { class: "timeline" }, last.map((one) =>
      el("li", { class: WARNS.has(one.kind) ? "warning" : "" }, el("time", { datetime: one.at }, clock(one.at)), " ",
        WARNS.has(one.kind) ? "⚠ " : "", eventWords(one)))) : el("p", { class: "quiet" }, "Nothing yet.")];
  }

  _logPart(state) {
    const lines = el("pre", { tabindex: "0", "aria-label": "Log" }, this._log.lines.join("\n"));
    const details = el("details", { "data-keep": "log", on: { toggle: () => {
      const first = state.now.grid || state.grids.find((grid) => grid.name)?.name;
      if (details.open && !this._log.grid && first) this.page.act(() => this._loadLog(first));
    } } }, el("summary", {}, "Log of a grid"),
    el("div", { class: "buttons" }, state.grids.filter((grid) => grid.name).map((grid) =>
      button(grid.title, () => this.page.act(() => this._loadLog(grid.name)),
        { "aria-pressed": String(grid.name === this._log.grid), "data-focus": `log ${grid.name}` }))), lines);
    return [details];
  }

  async _loadLog(grid) {
    const { lines } = await ask(`/api/log/${of(grid)}`);
    this._log = { grid, lines };
    const before = this.parts.log.querySelector("pre");
    const isAtEnd = before.scrollTop + before.clientHeight >= before.scrollHeight - 20;
    const { scrollTop } = before;
    this._part("log", [this._log, this.page.state.grids.map((one) => one.title)], () => this._logPart(this.page.state));
    const pre = this.parts.log.querySelector("pre");
    pre.scrollTop = isAtEnd ? pre.scrollHeight : scrollTop; // who reads further up is left there
  }

  key() {
    return null;
  }
}

function eventWords(one) {
  const where = [one.grid, one.lamella ? `L${String(one.lamella).padStart(2, "0")}` : ""].filter(Boolean).join(" ");
  const numbers = Object.entries(one.numbers)
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${Number.isInteger(value) ? value : value.toFixed(2)}`);
  return [where, one.text || one.kind.replaceAll("_", " "), numbers.length ? `(${numbers.join(", ")})` : ""]
    .filter(Boolean).join(" ");
}

function minutes(seconds) {
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
