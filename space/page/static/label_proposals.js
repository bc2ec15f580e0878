// What a model proposes for a picture: shown hatched, taken as a whole or class by class, or discarded.
// It is no label until a person takes it.

import { ask, post } from "./api.js";
import { button, counted, el, keyed, percent } from "./dom.js";
import { withImage } from "./label_canvas.js";

const EVERY_MS = 1000;
const HASH = /[0-9a-f]{64}/g;

export const PROPOSAL_KEYS = [
  ["a", "ask the model for a proposal for this picture"],
  ["t x", "take what is ticked of a proposal; discard it"],
];

export class Proposals {
  // `changed`: is told of every change; `act`: runs what may fail, and says so; `take`: is given the
  // strokes that are taken.
  constructor({ changed, act, take }) {
    Object.assign(this, { changed, act, take });
    this.state = null;
    this.stem = "";
    this.shown = null; // of the picture `stem`
    this.left = new Set(); // classes that are not ticked
    this._timer = null;
  }

  async begin() {
    await this._got(await ask("/api/proposals"));
  }

  // Another picture is shown.
  async open(stem, isLabelled) {
    Object.assign(this, { stem, isLabelled, shown: null });
    this.left = new Set();
    if (this.state.ready.includes(stem)) await this._load();
  }

  async _load() {
    const { stem } = this;
    const found = await ask(`/api/proposal/${encodeURIComponent(stem)}`).catch((error) => {
      if (error.status === 404) return null; // it does not fit any more
      throw error;
    });
    const classes = await Promise.all((found?.classes ?? []).map(async (one) => ({ ...one, shown: await withImage(one.shown) })));
    if (this.stem !== stem) return;
    this.shown = found && { ...found, classes };
    // Where there are labels, what the model calls background would hide them.
    this.left = new Set(classes.filter((one) => one.is_ground && this.isLabelled).map((one) => one.name));
    this.changed();
  }

  async _got(state) {
    const before = this.state;
    this.state = state;
    clearTimeout(this._timer);
    if (state.working || state.waiting.length) this._timer = setTimeout(() => this.act(async () => this._got(await ask("/api/proposals"))), EVERY_MS);
    const isDone = (one) => one && one.working !== this.stem && !one.waiting.includes(this.stem) && one.ready.includes(this.stem);
    if (this.stem && isDone(state) && (!isDone(before) || this._isAwaited)) {
      this._isAwaited = false;
      await this._load();
    }
    this.changed();
  }

  get isBusy() {
    return this.state.working === this.stem || this.state.waiting.includes(this.stem);
  }

  async ask(stems) {
    this._isAwaited = this._isAwaited || stems.includes(this.stem);
    if (stems.includes(this.stem)) this.shown = null;
    await this._got(await post("/api/propose", { stems }));
  }

  // What is drawn hatched over the picture.
  get strokes() {
    return (this.shown?.classes ?? []).filter((one) => !one.is_ground && !this.left.has(one.name)).map((one) => ({ class: one.name, shown: one.shown }));
  }

  async taken() {
    const chosen = this.shown.classes.filter((one) => !this.left.has(one.name));
    if (!chosen.length) throw new Error("No class is ticked. Tick one, or discard the proposal.");
    await this.take(chosen);
    await this.discard();
  }

  async discard() {
    this.shown = null;
    await this._got(await post(`/api/proposal/${encodeURIComponent(this.stem)}/discard`, {}));
  }

  panel(pictures) {
    const { state, shown, stem } = this;
    if (!state) return [];
    if (state.why_no_model) return [el("details", { "data-keep": "no model" }, el("summary", {}, "No model proposes labels"), el("p", {}, state.why_no_model))];
    const without = pictures.filter((one) => !one.labelled && !state.ready.includes(one.stem)).map((one) => one.stem);
    const say = (does) => () => this.act(async () => does());
    const failed = state.failed[stem];
    return [
      el("h3", {}, "Proposal"),
      shown ? this._ofPicture(say) : el("p", { class: "quiet" }, this.isBusy ? `${state.model} looks at this picture …` : `${state.model} can propose labels. You take or discard them.`),
      failed ? el("p", { class: "warning" }, `⚠ ${failed}`) : null,
      el("div", { class: "buttons" },
        shown ? null : keyed("Propose", "a", say(() => this.ask([stem])), { disabled: this.isBusy, "data-focus": "propose" }),
        without.length > 1 ? button(`Propose for all ${without.length} without labels`, say(() => this.ask(without)), { "data-focus": "propose all" }) : null),
      state.working || state.waiting.length ? el("p", { class: "quiet", role: "status" }, `${counted(state.waiting.length + (state.working ? 1 : 0), "picture")} to go. `,
        state.waiting.length ? button("Stop", say(async () => this._got(await post("/api/propose/stop", {})))) : null) : null,
    ];
  }

  _ofPicture(say) {
    const { shown, left } = this;
    const tick = (one) => () => {
      left[left.has(one.name) ? "delete" : "add"](one.name);
      this.changed();
    };
    // Buttons, since keys go to an input that was clicked.
    const entry = (one) => el("button", {
      type: "button", role: "checkbox", class: "class", color: one.color, "aria-checked": String(!left.has(one.name)),
      "data-focus": `take ${one.name}`, "data-proposed": one.name, on: { click: tick(one) },
    }, el("span", { "aria-hidden": "true" }, left.has(one.name) ? "☐ " : "☑ "), el("span", { class: "swatch", "aria-hidden": "true" }), one.name,
    el("small", {}, one.share < 0.005 ? "< 1 %" : percent(one.share)));
    return [
      el("p", { class: "quiet" }, "Hatched: proposed, not yet labels."),
      el("fieldset", { class: "label-classes proposed" }, el("legend", {}, "Take"),
        shown.classes.map(entry)),
      shown.remarks.map((text) => el("p", { class: "quiet" }, text)),
      el("div", { class: "buttons" }, keyed("Take", "t", say(() => this.taken()), { class: "main", "data-focus": "proposal take" }),
        keyed("Discard", "x", say(() => this.discard()), { "data-focus": "proposal discard" })),
      el("p", { class: "quiet by" }, `By ${shown.by.replaceAll(HASH, (hash) => `${hash.slice(0, 12)}…`)}`),
    ];
  }

  key(key) {
    if (!this.state || this.state.why_no_model) return undefined;
    if (key === "a" && !this.shown && !this.isBusy) return () => this.ask([this.stem]);
    if (key === "t" && this.shown) return () => this.taken();
    if (key === "x" && this.shown) return () => this.discard();
    return undefined;
  }
}
