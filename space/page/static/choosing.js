// Targets chosen again with other settings, beside those that are there.

import { ask, of, post } from "./api.js";
import { button, el, refill, table } from "./dom.js";
import { STYLES, at } from "./maps.js";
import { nameOf } from "./targets.js";

const { L } = window;
const FIRST = ["target_list", "avoid_list", "target_score_threshold", "sparse_targets", "target_edge",
  "beam_margin", "max_targets", "extra_tracking"];

export class ChoosingAgain {
  constructor(view) {
    this.view = view;
    this.settings = null;
    this.changed = {}; // by name, as text or flag
    this.within = [];
    this.without = [];
    this.answer = null;
    this.shows = "both";
  }

  get hidesTargets() {
    return Boolean(this.answer) && this.shows === "proposal";
  }

  async prepare() {
    const { facts } = this.view;
    this.view.parts.again.hidden = !facts.labels || !facts.optics;
    if (this.view.parts.again.hidden) return;
    this.settings ??= await ask("/api/settings");
    this._draw();
  }

  drawOn(layer) {
    for (const corners of this.within) L.polygon(corners.map(at), STYLES.inside).addTo(layer);
    for (const corners of this.without) L.polygon(corners.map(at), STYLES.outside).addTo(layer);
    if (!this.answer || this.shows === "before") return;
    const { optics } = this.view.facts;
    const { areas } = this.answer.proposal;
    areas.forEach((area, a) => area.targets.forEach((target, t) => {
      L.polygon(optics.field_corners_px.map(([row, column]) => at([target.row + row, target.column + column])),
        STYLES.proposal).addTo(layer);
      const label = el("span", { class: "target proposed", "data-apart": "" }, nameOf({ area: a, target: t }, areas));
      this.view.map.handle([target.row, target.column], el("span", { class: "spot" }, label),
        { name: `Proposed target ${nameOf({ area: a, target: t }, areas)}`, interactive: false, zIndexOffset: -100 }).addTo(layer);
    }));
  }

  _draw() {
    const row = (one) => el("label", { class: "setting", title: withMicro(`${one.meaning}. Allowed: ${one.range || one.type}`) },
      el("span", {}, one.name.replaceAll("_", " "), one.unit ? withMicro(` (${one.unit})`) : ""), this._input(one));
    const first = FIRST.map((name) => this.settings.find((one) => one.name === name)).filter(Boolean);
    const others = this.settings.filter((one) => !FIRST.includes(one.name));
    const drawn = (list, text) => (list.length ? button(`Drop ${list.length} ${text}`, () => {
      list.length = 0;
      this._again();
    }) : null);
    refill(this.view.parts.again, el("details", { "data-keep": "again" },
      el("summary", {}, el("b", {}, "Choose again"), " with other settings"),
      el("div", { class: "settings" }, first.map(row)),
      el("details", { "data-keep": "more" }, el("summary", {}, "More settings"), el("div", { class: "settings" }, others.map(row))),
      el("div", { class: "buttons" },
        button("Only inside …", () => this._polygon(this.within), { title: "Draw where targets may be: click corners, then Enter" }),
        button("Never inside …", () => this._polygon(this.without), { title: "Draw where no target is wanted: click corners, then Enter" }),
        drawn(this.within, "inside"), drawn(this.without, "never inside")),
      el("div", { class: "buttons" },
        button("Choose", () => this.view.page.act(() => this.choose()), { class: "main", "data-focus": "choose" }),
        button("Usual settings", () => {
          this.changed = {};
          this._draw();
        }, { disabled: !Object.keys(this.changed).length })),
      el("p", { class: "quiet" }, "Targets that are fixed (▣) stay. Nothing is written before you save."),
      this._comparison()));
  }

  _input(one) {
    const value = this.changed[one.name] ?? shown(one);
    const about = { name: one.name, "data-focus": `setting ${one.name}` };
    if (one.type === "True or False") {
      return el("input", { type: "checkbox", checked: value === true, ...about,
        on: { change: (event) => { this.changed[one.name] = event.target.checked; } } });
    }
    return el("input", { type: "text", value, ...about, autocomplete: "off",
      on: { input: (event) => { this.changed[one.name] = event.target.value; } } });
  }

  _polygon(list) {
    const { view } = this;
    view.page.tell("Click the corners. Done (Enter) or a double click ends, Give up (Esc) leaves it.");
    view.map.drawPoints(true, (points) => {
      view.page.tell("");
      if (points) list.push(points);
      this._again();
    });
  }

  _again() {
    this._draw();
    this.view._draw();
  }

  _sent() {
    const settings = {};
    for (const [name, value] of Object.entries(this.changed)) {
      const one = this.settings.find((each) => each.name === name);
      const read = typeof value === "boolean" ? value : readValue(value, one);
      if (JSON.stringify(read) !== JSON.stringify(one.value)) settings[name] = read;
    }
    return settings;
  }

  async choose() {
    const { view } = this;
    const values = { settings: this._sent() };
    if (view.targets.hasFixed) values.areas = view.targets.areas;
    if (this.within.length) values.within_px = this.within;
    if (this.without.length) values.without_px = this.without;
    view.page.tell("Choosing …");
    this.answer = await post(`/api/choose_again/${of(view.grid, view.number)}`, values);
    view.page.tell("");
    this._again();
  }

  _comparison() {
    if (!this.answer) return null;
    const { proposal, before } = this.answer;
    const number = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));
    const radio = (value, text) => el("label", {}, el("input", {
      type: "radio", name: "shows", value, checked: this.shows === value,
      on: { change: () => {
        this.shows = value;
        this._again();
      } } }), text);
    return el("div", { class: "comparison" },
      table(["", "before", "proposal"], [
        ["targets", before.targets ?? "–", proposal.targets],
        ["total score by these settings", number(before.score), number(proposal.total_score)],
        ["total score as it was chosen", number(before.score_then), ""],
        ["beams that overlap", "", proposal.conflicts.length]]),
      proposal.warnings.map((text) => el("p", { class: "warning" }, "⚠ ", text)),
      el("fieldset", { class: "line" }, el("legend", {}, "Show"), radio("before", "before"), radio("proposal", "proposal"), radio("both", "both")),
      el("div", { class: "buttons" },
        this.view.mayChange ? button("Take the proposal", () => {
          const { areas } = this.answer.proposal;
          this.answer = null;
          this.view.takeProposal(areas);
          this._draw();
        }, { class: "main" }) : null,
        button("Drop the proposal", () => {
          this.answer = null;
          this._again();
        })));
  }
}

// In settings, units are written without letters that a keyboard lacks.
function withMicro(text) {
  return text.replace(/\bum\b/g, "µm");
}

// Lists and tables are shown and typed as "mitos, vesicles" and "mitos: 1, vesicles: 0.5".
function shown({ value }) {
  if (Array.isArray(value)) return value.join(", ");
  if (value !== null && typeof value === "object") {
    return Object.entries(value).map(([name, part]) => `${name}: ${part}`).join(", ");
  }
  return typeof value === "boolean" ? value : String(value);
}

function readValue(text, { type }) {
  const parts = text.split(",").map((part) => part.trim()).filter(Boolean);
  if (parts.length && parts.every((part) => part.includes(":"))) {
    return Object.fromEntries(parts.map((part) => {
      const cut = part.lastIndexOf(":");
      return [part.slice(0, cut).trim(), Number(part.slice(cut + 1))];
    }));
  }
  if (type.startsWith("list")) return parts;
  const number = Number(text);
  return text.trim() && Number.isFinite(number) ? number : text.trim();
}
