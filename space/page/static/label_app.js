// The labels of a data set: its pictures one after the other, in the editor of labels.

import { ask, post } from "./api.js";
import { button, el, fill, keyed, refill } from "./dom.js";
import { showHelp } from "./help.js";
import { CLICK_KEYS, Clicks } from "./label_clicks.js";
import { PROPOSAL_KEYS, Proposals } from "./label_proposals.js";
import { LABEL_KEYS, LabelEditor } from "./labels.js";
import { PixelMap } from "./maps.js";
import { NamedPoints } from "./points.js";

const find = (id) => document.getElementById(id);
const address = (stem, what = "labels") => `/api/${what}/${encodeURIComponent(stem)}`;

const SAVED_AFTER_MS = 15000;

let told = null;

function tell(text, kind = "said") {
  const place = find("told");
  clearTimeout(told);
  if (kind === "said") told = setTimeout(() => { place.hidden = true; }, 4000);
  place.hidden = !text;
  place.className = kind;
  fill(place, el("span", {}, text));
}

async function act(does) {
  try {
    tell("");
    return await does();
  } catch (error) {
    tell(error.message, "refused");
    return undefined;
  }
}

class LabelSetView {
  constructor() {
    this.help = [["n N", "next, previous picture; what was drawn is saved"], ["k Delete", "place named points; remove the chosen one"], ...PROPOSAL_KEYS, ...CLICK_KEYS, ...LABEL_KEYS.filter(([key]) => key !== "Esc")];
    this.explained = ["Choose a class, and draw. What was drawn is saved with S, when you go to another picture, and 15 s after you stop.",
      "A model proposes labels when you ask it. What it proposes is hatched, and is no label until you take it."];
    this.closing = "What the labels were before is kept in the folder corrections. docs/inspect.md tells more.";
    this.tools = el("div", { class: "buttons tools", role: "toolbar", "aria-label": "Tools" });
    this.canvas = el("div", { class: "map" });
    this.side = el("section", { class: "card labels" });
    this.proposal = el("section", { class: "card proposal" });
    this.pointed = el("section", { class: "card points" });
    this.list = el("section", { class: "card pictures" });
    fill(find("view"), this.tools, el("div", { class: "beside" }, this.canvas, el("div", { class: "side" }, this.side, this.proposal, this.pointed, this.list)));
  }

  async begin() {
    this.set = await ask("/api/set");
    find("title").textContent = this.set.name;
    document.title = `${this.set.name} – SPACEtomo labels`;
    find("read-only").hidden = !this.set.read_only;
    if (!this.set.classes.length) tell("This data set has no classes yet: add them to dataset.json.", "refused");
    this.proposals = new Proposals({ changed: () => this._draw(), act, take: (classes) => this._take(classes) });
    await this.proposals.begin();
    const wanted = decodeURIComponent(location.hash.slice(1));
    const first = this.set.pictures.findIndex((one) => one.stem === wanted);
    if (this.set.pictures.length) await this.open(Math.max(0, first));
  }

  get picture() {
    return this.set.pictures[this.index];
  }

  get isChanged() {
    return Boolean(this.editor) && (this.editor.strokes !== this.saved || this.points.points !== this.savedPoints);
  }

  async open(index) {
    if (this.isOpening) return;
    this.isOpening = true;
    try {
      await this.save();
      await this._open(index);
    } finally {
      this.isOpening = false;
    }
  }

  // Without saving what was drawn.
  async _open(index) {
    const { stem } = this.set.pictures[index];
    const table = await ask(address(stem));
    this.isOutdated = false;
    this.clicks?.close();
    this.editor?.close();
    this.points?.close();
    this.map?.close();
    this.index = index;
    location.hash = encodeURIComponent(stem);
    this.table = table;
    this.saved = table.strokes;
    this.map = new PixelMap(this.canvas, table.map, `Picture ${stem}`);
    this.map.drawingChanged = () => this._draw();
    Object.assign(this, { editor: null, points: null, clicks: null });
    const pixelUm = this.picture.pixel_nm ? table.map.pixel_um : 0;
    this.editor = new LabelEditor({
      map: this.map, facts: { ...table, pixel_um: pixelUm }, strokes: table.strokes,
      fill: (strokes) => post(address(stem, "fill"), { strokes }), changed: () => this._draw(), act,
    });
    this.savedPoints = table.points;
    this.points = new NamedPoints({
      map: this.map, points: table.points, names: table.point_names, mayChange: !this.set.read_only, changed: () => this._draw(),
    });
    this.clicks = new Clicks({
      map: this.map, address: address(stem, "clicks"), why_not: this.proposals.state.why_no_sam, changed: () => this._draw(), act,
      take: ({ mask, shown }) => this.editor.addMasks([{ class: this.editor.category, mask, shown }]),
    });
    if (this.set.read_only) this.editor.take("move");
    this._draw();
    await this.proposals.open(stem, this.picture.labelled);
    this._draw();
  }

  // What was proposed becomes strokes, and is saved at once.
  async _take(classes) {
    this.editor.addMasks(classes.map(({ name, mask, shown }) => ({ class: name, mask, shown })));
    await this.save();
  }

  _turnClicks() {
    const isOn = !this.clicks.isOn;
    this.clicks.turn(isOn);
    this.points.turn(false);
    this.editor.keepsTool = isOn; // while classes are chosen
    this.editor.take(isOn ? "move" : "brush");
  }

  _turnPoints() {
    if (this.points.isOn) this.editor.take("brush");
    else this.editor.take("move");
    this.points.turn(this.editor.tool === "move" && !this.points.isOn);
    this._draw();
  }

  async save() {
    const { editor } = this;
    if (!this.isChanged || this.set.read_only) return;
    const { strokes } = editor;
    const { points } = this.points;
    const { stem } = this.picture;
    try {
      if (strokes !== this.saved) {
        const { of, kind } = await post(address(stem), { of: this.table.of, strokes });
        this.table = { ...this.table, of };
        this.saved = strokes;
        Object.assign(this.picture, { labelled: true, kind });
      }
      if (points !== this.savedPoints) {
        const { of } = await post(address(stem, "points"), { of: this.table.points_of, points });
        this.table = { ...this.table, points_of: of };
        this.savedPoints = points;
      }
    } catch (error) {
      this.isOutdated = error.isStale;
      this._draw();
      throw error;
    }
    this._draw();
    tell("Saved.");
  }

  step(by) {
    const n = this.set.pictures.length;
    if (n > 1) return this.open((this.index + by + n) % n);
    return undefined;
  }

  _saveSoon() {
    clearTimeout(this._timer);
    if (this.isChanged && !this.isOutdated) this._timer = setTimeout(() => act(() => this.save()), SAVED_AFTER_MS);
  }

  _showProposed() {
    const { clicks, proposals } = this;
    const found = clicks.found ? [{ class: this.editor.category, shown: clicks.found.shown }] : [];
    this.editor.canvas.propose(clicks.isOn ? found : proposals.strokes, clicks.marks);
  }

  _draw() {
    if (!this.editor || !this.points || !this.clicks) return;
    if (this.editor.tool !== "move") { // another tool was taken
      if (this.points.isOn) this.points.turn(false);
      if (this.clicks.isOn) this.clicks.turn(false);
      this.editor.keepsTool = false;
    }
    this._saveSoon();
    this._showProposed();
    const { pictures } = this.set;
    const { map, picture } = this;
    const say = (does) => () => act(async () => does());
    find("doing").textContent = `${this.index + 1} of ${pictures.length}; ${pictures.filter((one) => one.labelled).length} labelled`;
    refill(this.tools, [
      keyed("Previous", "N", say(() => this.step(-1)), { "aria-label": "Previous picture" }), keyed("Next", "n", say(() => this.step(1)), { "aria-label": "Next picture" }),
      keyed("Whole", "w", () => map.whole()), this.set.read_only ? [] : [this.editor.toolbar(),
        keyed("Click", "i", say(() => this._turnClicks()), { "aria-pressed": String(this.clicks.isOn), "data-focus": "tool clicks", title: "Segment Anything" }),
        keyed("Points", "k", () => this._turnPoints(), { "aria-pressed": String(this.points.isOn), "data-focus": "tool points" })],
      map.finishDrawing ? keyed("Done", "⏎", () => map.finishDrawing()) : [],
      map.cancelDrawing ? keyed("Give up", "Esc", () => map.cancelDrawing()) : [],
    ].flat(3));
    refill(this.pointed, this.points.panel());
    this.pointed.hidden = !this.points.isOn && !this.points.points.length;
    refill(this.proposal, this.set.read_only ? [] : this.proposals.panel(pictures));
    this.proposal.hidden = this.set.read_only || !this.proposals.state;
    const n = this.editor.strokes.length;
    refill(this.side, el("h2", {}, picture.file, this.isChanged ? el("em", {}, " changed, not saved") : null),
      this.clicks.panel(),
      this.editor.panel(),
      el("p", { class: "quiet" }, `${n} stroke${n === 1 ? "" : "s"}. What the labels were before is kept.`),
      this.isOutdated ? el("p", { class: "warning" }, "⚠ They were changed elsewhere since you began. ",
        button("Show what is there now", say(() => this._open(this.index)))) : null,
      this.set.read_only ? null : el("div", { class: "buttons" },
        keyed("Save", "s", say(() => this.save()), { class: this.isChanged ? "main" : "", disabled: !this.isChanged, "data-focus": "label save" })));
    const proposed = new Set(this.proposals.state.ready);
    refill(this.list, el("details", { "data-keep": "pictures", open: true }, el("summary", {}, "Pictures"), el("ul", { class: "plain" }, pictures.map((one, k) =>
      el("li", {}, el("button", { type: "button", class: "row", "aria-pressed": String(k === this.index), "data-focus": `picture ${one.stem}`, on: { click: say(() => this.open(k)) } },
        one.labelled ? "● " : proposed.has(one.stem) ? "◇ " : "○ ", one.stem, el("small", {}, ` ${[one.labelled ? one.kind || "labelled" : proposed.has(one.stem) ? "proposed" : "no labels", one.split].filter(Boolean).join(", ")}`)))))));
  }

  key(key, event) {
    if (!this.editor || !this.points || !this.clicks) return undefined;
    const { points } = this;
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
    if (step) return () => this.map.pan(step);
    const helps = this.set.read_only ? undefined : this.clicks.key(key) ?? this.proposals.key(key);
    if (helps) return helps;
    const own = {
      i: this.set.read_only ? undefined : () => this._turnClicks(),
      k: this.set.read_only ? undefined : () => this._turnPoints(),
      Delete: () => points.remove(),
      u: points.isOn ? () => points.undo() : undefined,
      n: () => this.step(1),
      N: () => this.step(-1),
      s: () => this.save(),
      w: () => this.map.whole(),
      "+": () => this.map.zoom(1),
      "-": () => this.map.zoom(-1),
    }[key];
    return own ?? (this.set.read_only ? undefined : this.editor.key(key, event));
  }
}

const view = new LabelSetView();

function pressed(event) {
  if (event.altKey || event.target.closest("input, select, textarea, dialog[open]")) return;
  const isUndo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
  if ((event.ctrlKey || event.metaKey) && !isUndo) return;
  const key = isUndo ? "u" : event.key;
  if (["Enter", " "].includes(key) && event.target.closest("button, a, summary")) return;
  const does = key === "?" ? () => showHelp(find("help-text"), view) : view.key(key, event);
  if (!does) return;
  event.preventDefault();
  act(async () => does());
}

find("help").addEventListener("click", () => showHelp(find("help-text"), view));
document.addEventListener("keydown", pressed);
addEventListener("beforeunload", (event) => {
  if (view.isChanged) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden && view.isChanged && !view.isOutdated) act(() => view.save());
});
act(() => view.begin());
