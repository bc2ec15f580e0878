// Areas by hand: split, merged, distributed anew, and PACEtomo's settings of each.

import { of, post } from "./api.js";
import { button, counted, el, keyed, refill } from "./dom.js";

export class AreasByHand {
  constructor(view) {
    this.view = view;
    this.typed = {}; // what is being typed, by field: the card may be drawn anew meanwhile
  }

  // The area of what is chosen, else the only one.
  get chosen() {
    const { selected, targets } = this.view;
    return selected?.area ?? (targets.areas.length === 1 ? 0 : null);
  }

  draw() {
    const { parts, targets, facts } = this.view;
    parts.areas.hidden = !targets.areas.length || !facts.optics || !facts.labels;
    if (parts.areas.hidden) return;
    const many = targets.areas.length > 1;
    refill(parts.areas, el("h3", {}, "Areas"),
      targets.areas.map((area, a) => this._ofArea(area, a)),
      this.view.mayChange ? el("div", { class: "buttons" },
        keyed("Redistribute", "r", () => this.view.page.act(() => this.redistribute()),
          { title: "All targets on the fewest areas that image shift reaches; targets stay where they are" }),
        many ? null : el("span", { class: "quiet" }, "One area holds all targets.")) : null);
  }

  _ofArea(area, a) {
    const own = Object.entries(area.pacetomo ?? {}).map(([name, value]) => `${name} ${value}°`).join(", ");
    const other = this._nearest(a);
    return el("details", { "data-keep": `area ${a}`, "data-area": a + 1 },
      el("summary", {}, `Area ${a + 1}: ${counted(area.targets.length, "target")}`, own ? `; ${own}` : ""),
      el("p", { class: "quiet" }, "PACEtomo's settings for these targets alone. Empty: as in its script."),
      el("div", { class: "settings" }, this.view.facts.series_settings.map((one) => this._setting(area, a, one))),
      this.view.mayChange ? el("div", { class: "buttons" },
        this._button(a, `Split area ${a + 1}`, "x", () => this.split(a), area.targets.length < 2),
        this._button(a, other === null ? "Merge" : `Merge areas ${Math.min(a, other) + 1} and ${Math.max(a, other) + 1}`,
          "j", () => this.merge(a), other === null)) : null);
  }

  // The key is that of the area of the chosen target.
  _button(a, text, key, does, disabled) {
    const act = () => this.view.page.act(does);
    return a === this.chosen ? keyed(text, key, act, { disabled }) : button(text, act, { disabled });
  }

  _setting(area, a, { name, range: [low, high], meaning }) {
    const field = `${a} ${name}`;
    const input = el("input", {
      type: "text", inputmode: "decimal", autocomplete: "off", name: `area ${a + 1} ${name}`, "data-focus": `area ${field}`,
      value: this.typed[field] ?? area.pacetomo?.[name] ?? "", disabled: !this.view.mayChange,
      on: {
        input: (event) => { this.typed[field] = event.target.value; },
        change: (event) => this._set(a, name, event.target.value, low, high),
      },
    });
    return el("label", { class: "setting", title: `${meaning}. Allowed: ${low} to ${high} degrees` },
      el("span", {}, `${name} (°)`), input);
  }

  _set(a, name, text, low, high) {
    delete this.typed[`${a} ${name}`];
    const value = text.trim() === "" ? null : Number(text);
    if (value !== null && !(value >= low && value <= high)) {
      this.view.page.tell(`${name} is ${text}. Allowed: a number from ${low} to ${high} degrees.`, "refused");
      this.draw();
      return;
    }
    this.view.page.tell("");
    this.view.targets.set(a, name, value);
    this.view._changed();
  }

  // The area whose tracking target is nearest; it is merged with that.
  _nearest(a) {
    const { areas } = this.view.targets;
    const [from] = areas[a].targets;
    const far = (b) => Math.hypot(areas[b].targets[0].row - from.row, areas[b].targets[0].column - from.column);
    const others = areas.map((_, b) => b).filter((b) => b !== a);
    return others.length ? others.reduce((best, b) => (far(b) < far(best) ? b : best)) : null;
  }

  async split(a = this.chosen) {
    await this._ask({ do: "split", area: this._needed(a) + 1 });
  }

  async merge(a = this.chosen) {
    const other = this._nearest(this._needed(a));
    if (other === null) throw new Error("There is no other area to merge with.");
    await this._ask({ do: "merge", area: Math.min(a, other) + 1, other: Math.max(a, other) + 1 });
  }

  async redistribute() {
    await this._ask({ do: "redistribute" });
  }

  async improve({ area, target }) {
    await this._ask({ do: "improve", area: area + 1, target: target + 1 }, true);
  }

  async tile({ area, target }, side) {
    await this._ask({ do: "tile", area: area + 1, target: target + 1, columns: side, rows: side, overlap: 0.1 });
  }

  _needed(a) {
    if (a === null) throw new Error("Choose a target of the area first.");
    return a;
  }

  async _ask(change, keepsChosen = false) {
    const { view } = this;
    if (!view.mayChange) throw new Error(view.whyNot);
    const { areas } = view.targets;
    const said = await post(`/api/areas/${of(view.grid, view.number)}`, { areas, ...change });
    if (view.targets.areas !== areas) return; // changed meanwhile: the answer is about others
    view.targets.rearrange(said.areas);
    if (!keepsChosen) view.selected = null;
    this.typed = {};
    view._changed();
    clearTimeout(view._timer); // the answer has judged them, and says what a check would not
    view.said = said;
    view._drawSide();
  }
}
