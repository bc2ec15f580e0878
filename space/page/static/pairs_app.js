// Pairs of points: the same thing in a fluorescence picture and on a map, clicked in one and then in the other.

import { ask, post } from "./api.js";
import { el, fill, keyed, refill } from "./dom.js";
import { showHelp } from "./help.js";
import { from } from "./maps.js";
import { OnePictureMap, oneTile } from "./one_picture.js";
import { rounded } from "./shapes.js";

const { L } = window;
const SIDES = ["fm", "map"];
const LEAST = 3;
const find = (id) => document.getElementById(id);

function tell(text, kind = "refused") {
  const place = find("told");
  place.hidden = !text;
  place.className = kind;
  fill(place, el("span", {}, text));
}

async function act(does) {
  try {
    tell("");
    return await does();
  } catch (error) {
    tell(error.message);
    return undefined;
  }
}

class PairsView {
  constructor() {
    this.help = [["click", "a point; then the same one in the other picture"], ["Delete", "remove the chosen pair, or the point that waits"],
      ["u", "take the last step back"], ["s", "save"], ["w", "whole pictures"]];
    this.explained = ["Click a thing that both pictures show, in either, and then in the other. From three pairs on, the pictures are laid on each other, and the place of the next point is shown.",
      "Four pairs or more, far apart, are better than three: only then a wrong one is noticed. Points can be dragged."];
    this.closing = "docs/clem.md tells more.";
    this.tools = el("div", { class: "buttons tools", role: "toolbar", "aria-label": "Tools" });
    this.places = { fm: el("div", { class: "map" }), map: el("div", { class: "map" }) };
    this.side = el("section", { class: "card pairs" });
    fill(find("view"), this.tools, el("div", { class: "beside" },
      el("div", { class: "two-maps" }, this.places.fm, this.places.map), el("div", { class: "side" }, this.side)));
    this.past = [];
    this.pairs = [];
    this.waiting = null; // { side, point }
    this.chosen = -1;
    this.fit = null;
    this.problem = "";
    this.asked = 0;
  }

  async begin() {
    this.facts = await ask("/api/pairs");
    find("doing").textContent = `${this.facts.fm.name} on ${this.facts.map.name}`;
    this.maps = {};
    this.layers = {};
    for (const side of SIDES) {
      const { shape_px: shape, pixel_um: pixelUm } = this.facts[side];
      const map = new OnePictureMap(this.places[side], { tiles: oneTile(`pictures/${side}.jpg`, shape), pixel_um: pixelUm },
        side === "fm" ? "Fluorescence" : "Map");
      this.maps[side] = map;
      this.layers[side] = L.layerGroup().addTo(map.leaflet);
      map.leaflet.on("click", (event) => this._clicked(side, from(event.latlng)));
    }
    this.pairs = this.facts.pairs.map(([a, b, c, d]) => ({ fm: [a, b], map: [c, d] }));
    this.saved = this.pairs;
    await this._changed();
  }

  get isChanged() {
    return this.pairs !== this.saved;
  }

  _set(pairs, { waiting = null, chosen = -1 } = {}) {
    this.past.push({ pairs: this.pairs, waiting: this.waiting });
    Object.assign(this, { pairs, waiting, chosen });
    act(() => this._changed());
  }

  _clicked(side, point) {
    if (!this.maps[side].isInside(point)) return;
    const exact = point.map((one) => rounded(one));
    if (!this.waiting || this.waiting.side === side) {
      if (!this.waiting && this.pairs.length >= this.facts.most) tell(`More than ${this.facts.most} pairs cannot be kept.`);
      else this._set(this.pairs, { waiting: { side, point: exact } });
      return;
    }
    const pair = { [side]: exact, [this.waiting.side]: this.waiting.point };
    this._set([...this.pairs, pair], { chosen: this.pairs.length });
  }

  // Where a point of one side is on the other one, by the fit.
  _expected({ side, point: [row, column] }) {
    if (!this.fit) return null;
    const [[a, b, p], [c, d, q]] = this.fit.matrix;
    if (side === "fm") return [a * row + b * column + p, c * row + d * column + q];
    const [y, x, size] = [row - p, column - q, a * d - b * c];
    return [(d * y - b * x) / size, (a * x - c * y) / size];
  }

  async _changed() {
    this._draw();
    this.asked += 1;
    const { asked } = this;
    const answer = await post("/api/fit", { pairs: this._plain() });
    if (asked !== this.asked) return; // something was changed meanwhile
    this.fit = answer.fit;
    this.problem = answer.problem;
    this._draw();
    if (!this.waiting) return;
    const there = this._expected(this.waiting);
    const other = this.maps[this.waiting.side === "fm" ? "map" : "fm"];
    if (there && other.isInside(there)) other.bringIntoView(there);
  }

  _plain() {
    return this.pairs.map((pair) => [...pair.fm, ...pair.map]);
  }

  _draw() {
    for (const side of SIDES) this._drawSide(side);
    const n = this.pairs.length;
    refill(this.tools,
      keyed("Undo", "u", () => this.undo(), { disabled: !this.past.length }),
      keyed("Remove", "Del", () => this.remove(), { disabled: this.chosen < 0 && !this.waiting }),
      keyed("Whole", "w", () => this.whole()),
      keyed("Save", "s", () => act(() => this.save()), { class: this.isChanged && this.fit ? "main" : "", disabled: !this.fit || !this.isChanged }));
    const { fit } = this;
    refill(this.side,
      el("h2", {}, `${n} pair${n === 1 ? "" : "s"}`, this.isChanged ? el("em", {}, " changed, not saved") : null),
      el("p", { class: "quiet" }, this.waiting ? `Now click the same thing ${this.waiting.side === "fm" ? "on the map" : "in the fluorescence"}.`
        : n < LEAST ? `${LEAST - n} more ${LEAST - n === 1 ? "is" : "are"} needed. Choose things far apart.` : "More pairs make it surer."),
      this.problem ? el("p", { class: "warning" }, `⚠ ${this.problem}`) : null,
      fit ? el("p", {}, `Error at the pairs: ${rounded(fit.error_um)} µm along each axis. Turned ${rounded(fit.turned_deg, 1)}°, ${fit.is_flipped ? "mirrored, " : ""}pixels of ${rounded(fit.pixel_um, 4)} µm.`) : null,
      fit?.warnings.map((text) => el("p", { class: "warning" }, `⚠ ${text}`)),
      el("ol", { class: "plain" }, this.pairs.map((_, k) => el("li", {}, el("button", {
        type: "button", class: "row", "aria-pressed": String(k === this.chosen), "data-focus": `pair ${k}`, on: { click: () => this.choose(k) },
      }, `Pair ${k + 1}`, el("small", {}, this._words(k)))))));
  }

  _words(k) {
    const { fit } = this;
    if (!fit || fit.residuals_um.length <= k) return "";
    if (!fit.kept[k]) return ` left out: ${rounded(fit.residuals_um[k])} µm off`;
    const alone = fit.left_out_um[k];
    return ` ${rounded(fit.residuals_um[k])} µm off${alone === null ? "" : `, ${rounded(alone)} µm from where the others put it`}`;
  }

  _drawSide(side) {
    const layer = this.layers[side];
    layer.clearLayers();
    const mark = (point, text, kind, draggable) => this.maps[side].handle(point,
      el("span", { class: `point ${kind}`, "data-pair": text }, el("span", { class: "cross", "aria-hidden": "true" }, "+"), el("span", { class: "name" }, text)),
      { name: `Point ${text}`, draggable, size: [26, 26] }).addTo(layer);
    this.pairs.forEach((pair, k) => {
      const marker = mark(pair[side], String(k + 1), k === this.chosen ? "chosen" : "", true);
      marker.on("click", (event) => {
        L.DomEvent.stopPropagation(event);
        this.choose(k);
      });
      marker.on("dragend", () => {
        const moved = from(marker.getLatLng()).map((one) => rounded(one));
        if (this.maps[side].isInside(moved)) this._set(this.pairs.map((one, at) => (at === k ? { ...one, [side]: moved } : one)), { chosen: k });
        else this._draw();
      });
    });
    if (!this.waiting) return;
    if (this.waiting.side === side) mark(this.waiting.point, "?", "chosen", false);
    else {
      const there = this._expected(this.waiting);
      if (there) L.circleMarker(L.latLng(-there[0], there[1]), { radius: 12, color: "#ffe93b", fill: false, dashArray: "4 3", interactive: false }).addTo(layer);
    }
  }

  choose(k) {
    this.chosen = k;
    for (const side of SIDES) this.maps[side].bringIntoView(this.pairs[k][side]);
    this._draw();
  }

  remove() {
    if (this.waiting) this._set(this.pairs);
    else if (this.chosen >= 0) this._set(this.pairs.filter((_, k) => k !== this.chosen));
  }

  undo() {
    const last = this.past.pop();
    if (!last) return;
    Object.assign(this, { ...last, chosen: -1 });
    act(() => this._changed());
  }

  whole() {
    for (const side of SIDES) this.maps[side].whole();
  }

  async save() {
    if (!this.fit || !this.isChanged) return;
    const { pairs } = this;
    const { told } = await post("/api/save", { pairs: this._plain() });
    this.saved = pairs;
    this._draw();
    tell(told.join(" "), "said");
  }

  key(key) {
    if (!this.maps) return undefined;
    return { u: () => this.undo(), Delete: () => this.remove(), Escape: this.waiting ? () => this.remove() : undefined,
      s: () => this.save(), w: () => this.whole() }[key];
  }
}

const view = new PairsView();

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea, dialog[open]")) return;
  const does = event.key === "?" ? () => showHelp(find("help-text"), view) : view.key(event.key);
  if (!does) return;
  event.preventDefault();
  act(async () => does());
});
addEventListener("beforeunload", (event) => {
  if (view.isChanged) event.preventDefault();
});
find("help").addEventListener("click", () => showHelp(find("help-text"), view));
act(() => view.begin());
