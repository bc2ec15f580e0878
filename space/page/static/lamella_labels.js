// The labels of a lamella's map corrected: the editor of labels, its strokes saved, targets chosen anew.

import { ask, of, post } from "./api.js";
import { button, clock, el, keyed, refill } from "./dom.js";
import { LABEL_KEYS, LabelEditor } from "./labels.js";

export class LamellaLabels {
  constructor(view) {
    this.view = view;
    this.editor = null;
    this.notes = [];
  }

  get isOpen() {
    return this.editor !== null;
  }

  get isChanged() {
    return this.isOpen && this.editor.strokes !== this.saved;
  }

  get mayOpen() {
    return Boolean(this.view.map && this.view.facts?.labels && !this.view.page.isReadOnly);
  }

  get help() {
    return LABEL_KEYS;
  }

  get _address() {
    return `/api/labels/${of(this.view.grid, this.view.number)}`;
  }

  get _kept() {
    return `labels ${this.view.page.state.directory} ${this.view.grid} ${this.view.number}`;
  }

  // --- opening -------------------------------------------------------------------------------

  async open() {
    const { view } = this;
    if (!this.mayOpen || this.isOpen) return;
    const table = await ask(this._address);
    if (this.isOpen || !this.mayOpen) return;
    this.table = table;
    this.notes = table.problem ? [`⚠ ${table.problem}`] : [];
    this.saved = table.strokes;
    const facts = { ...table, classes: this._ordered(table.classes), pixel_um: view.facts.map.pixel_um, before: "as the model had it" };
    this.isOpening = true;
    this.editor = new LabelEditor({
      map: view.map, facts, strokes: this._withUnsaved(table),
      fill: (strokes) => post(`/api/fill/${of(view.grid, view.number)}`, { strokes }),
      changed: () => this._changed(),
      act: (does) => view.page.act(does),
    });
    this.isOpening = false;
    view.labelsOpened();
  }

  // What targets are chosen by comes first: those have the number keys.
  _ordered(classes) {
    const about = new Map(this.view.facts.labels.classes.map((one) => [one.name, one]));
    const rank = (one) => (about.get(one.name)?.wanted ? 0 : about.get(one.name)?.avoided ? 1 : one.name === "lamella" ? 2 : 3);
    return classes.map((one) => ({ ...one, hint: ["wanted", "avoided"][rank(one)] ?? "" }))
      .sort((a, b) => rank(a) - rank(b));
  }

  close() {
    this.editor?.close();
    this.editor = null;
  }

  leave() {
    // eslint-disable-next-line no-alert
    if (this.isChanged && !confirm("Labels were changed and not saved. Leave them? They are kept in this browser.")) return;
    this.close();
    this.view.labelsOpened();
  }

  // --- what is not saved is kept in the browser -------------------------------------------------

  _withUnsaved(table) {
    let kept = null;
    try {
      kept = JSON.parse(localStorage.getItem(this._kept));
    } catch {
      // Something else has written there, or nothing may be kept.
    }
    if (!Array.isArray(kept?.strokes) || kept.of !== table.of || kept.revision !== table.revision) return table.strokes;
    const names = new Set(table.classes.map((one) => one.name));
    if (!kept.strokes.every((one) => Array.isArray(one?.points) && (one.class === null || names.has(one.class)))) return table.strokes;
    this.notes.push(`Strokes that were not saved are back (${clock(kept.at)}).`);
    return kept.strokes;
  }

  _keep() {
    try {
      if (!this.isChanged) localStorage.removeItem(this._kept);
      else {
        localStorage.setItem(this._kept, JSON.stringify({
          of: this.table.of, revision: this.table.revision, strokes: this.editor.strokes, at: new Date().toISOString(),
        }));
      }
    } catch {
      // The browser keeps nothing, or no more.
    }
  }

  _changed() {
    if (this.isOpening) return;
    this._keep();
    this.draw();
  }

  // --- saving --------------------------------------------------------------------------------

  async save() {
    const { view, editor, table } = this;
    if (!editor) return;
    const { strokes } = editor;
    view.page.tell("Saving …");
    let answer;
    try {
      answer = await post(this._address, { of: table.of, revision: table.revision, strokes });
    } catch (error) {
      this.isOutdated = error.isStale;
      this.draw();
      throw error;
    }
    this.isOutdated = false;
    this.saved = strokes;
    this.table = { ...table, revision: answer.revision };
    this._keep();
    if (answer.review) view.review.values = answer.review;
    if (this.isChanged) { // somebody went on drawing meanwhile
      this.draw();
      return;
    }
    this.close();
    await view.labelsSaved();
    if (answer.not_asked) {
      view.page.tell(`The labels are saved, for models to learn from. ${answer.not_asked}`);
      return;
    }
    if (view.facts.optics) {
      await view.again.choose();
      const comparison = view.parts.again.querySelector("details");
      if (comparison) comparison.open = true;
      view.page.tell(`Saved. Targets on these labels are shown as a proposal; the run chooses them ${view.page.nextStep}.`);
    } else {
      view.page.tell("Saved. The run chooses targets on these labels.");
    }
  }

  async _showTheirs() {
    this.saved = this.editor.strokes;
    this._keep();
    this.isOutdated = false;
    this.close();
    await this.view.labelsSaved();
    await this.open();
  }

  async _saveMine() {
    const now = await ask(this._address);
    this.table = { ...this.table, of: now.of, revision: now.revision };
    await this.save();
  }

  // --- beside the map ------------------------------------------------------------------------

  toolbar() {
    const { map } = this.view;
    return [
      keyed("Whole", "w", () => map.whole(), { "aria-label": "Whole map" }),
      this.editor.toolbar(),
      map.finishDrawing ? keyed("Done", "⏎", () => map.finishDrawing()) : [],
      map.cancelDrawing ? keyed("Give up", "Esc", () => map.cancelDrawing()) : [],
    ].flat(2);
  }

  draw() {
    const place = this.view.parts.labels;
    if (this.isOpen) refill(this.view.tools, this.toolbar());
    place.hidden = !this.mayOpen;
    if (place.hidden) return;
    if (!this.isOpen) {
      const { corrected } = this.view.facts.labels;
      refill(place, el("div", { class: "line" }, el("h3", {}, corrected ? "Labels corrected by hand" : "Labels"),
        keyed("Correct labels", "l", () => this.view.page.act(() => this.open()), { "data-focus": "labels" })));
      return;
    }
    const { editor, table } = this;
    const act = (does) => () => this.view.page.act(async () => does());
    const n = editor.strokes.length;
    refill(place,
      el("h3", {}, "Correct labels", this.isChanged ? el("em", {}, " changed, not saved") : null),
      this.notes.map((text) => el("p", { class: "note" }, text)),
      table.outdated.length && !n ? el("p", { class: "note" },
        "There are corrections of an earlier segmentation of this map. ",
        button("Draw them again", act(() => editor.replace(this._known(table.outdated))))) : null,
      editor.panel(),
      el("p", { class: "quiet" }, `${n} stroke${n === 1 ? "" : "s"}. The labels of the model are kept.`),
      this.isOutdated ? el("p", { class: "warning" }, "⚠ The labels were changed elsewhere since you began. ",
        button("Show what is there now", act(() => this._showTheirs())), " ", button("Save mine", act(() => this._saveMine()))) : null,
      el("div", { class: "buttons" },
        keyed("Save and choose targets", "s", act(() => this.save()), { class: this.isChanged ? "main" : "", disabled: !this.isChanged, "data-focus": "label save" }),
        keyed("Close", "Esc", () => this.leave(), { "data-focus": "label close" }),
        button("All back", () => editor.clear(), { disabled: !n, title: "All as the model found it; this can be undone" })));
  }

  _known(strokes) {
    const names = new Set(this.table.classes.map((one) => one.name));
    return strokes.filter((one) => one.class === null || names.has(one.class));
  }

  key(key, event) {
    if (!this.isOpen) return key === "l" && this.mayOpen ? () => this.open() : undefined;
    return this.editor.key(key, event) ?? {
      s: () => this.save(),
      Escape: () => this.leave(),
      w: () => this.view.map.whole(),
      "+": () => this.view.map.zoom(1),
      "-": () => this.view.map.zoom(-1),
    }[key] ?? (() => {}); // other keys of the view change targets
  }
}
