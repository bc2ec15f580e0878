// A volume: its sections along z, y or x, with labels or probabilities over them.

import { ask } from "./api.js";
import { el, fill, keyed, refill } from "./dom.js";
import { showHelp } from "./help.js";
import { OnePictureMap, oneTile } from "./one_picture.js";
import { rounded } from "./shapes.js";

const AXES = ["z", "y", "x"];
const MANY = 10;
const find = (id) => document.getElementById(id);

function tell(text) {
  const place = find("told");
  place.hidden = !text;
  place.className = "refused";
  fill(place, el("span", {}, text));
}

class VolumeView {
  constructor() {
    this.help = [["n N", "next, previous section (also PageDown, PageUp)"], ["j J", "ten sections further, back"],
      ["z y x", "sections along this axis"], ["o", "labels on or off"], ["w + -", "whole section; zoom"], ["← → ↑ ↓", "move"]];
    this.explained = ["Sections of a volume. The wheel zooms, and a drag moves the picture."];
    this.closing = "Nothing is changed here. docs/volumes.md tells more.";
    this.axis = 0;
    this.index = [0, 0, 0];
    this.opacity = 0.5;
    this.least = 128;
    this.isOver = true;
    this.tools = el("div", { class: "buttons tools", role: "toolbar", "aria-label": "Tools" });
    this.canvas = el("div", { class: "map" });
    this.side = el("section", { class: "card volume" });
    fill(find("view"), this.tools, el("div", { class: "beside" }, this.canvas, el("div", { class: "side" }, this.side)));
  }

  async begin() {
    this.facts = await ask("/api/volume");
    find("title").textContent = this.facts.name;
    document.title = `${this.facts.name} – SPACEtomo volume`;
    this.index = this.facts.shape.map((size) => Math.floor(size / 2));
    this.look(0);
  }

  get size() {
    return this.facts.shape[this.axis];
  }

  _url(what) {
    const at = `${AXES[this.axis]}/${this.index[this.axis]}`;
    return what === "over" ? `/over/${at}.png${this.facts.over === "shares" ? `?least=${this.least}` : ""}` : `/sections/${at}.jpg`;
  }

  // Look along an axis.
  look(axis) {
    this.axis = axis;
    this.map?.close();
    const shape = this.facts.sides_px.filter((_, at) => at !== axis);
    const tiles = oneTile(this._url("sections"), shape);
    this.map = new OnePictureMap(this.canvas, { tiles, pixel_um: this.facts.pixel_nm / 1000 }, `Sections along ${AXES[axis]}`);
    this.over = this.facts.over ? this.map.addTiles({ url: this._url("over") }, this.opacity).setZIndex(2) : null;
    this._draw();
    this.change();
  }

  go(index) {
    this.index[this.axis] = Math.min(Math.max(0, index), this.size - 1);
    this._draw();
    this.change();
  }

  // Show what is wanted; while it loads the last one stays, and of several wishes the last one counts.
  async change() {
    this.isWanted = true;
    if (this.isLoading) return;
    this.isLoading = true;
    try {
      while (this.isWanted) {
        this.isWanted = false;
        const { map, over } = this;
        const urls = [this._url("sections"), ...(over && this.isOver ? [this._url("over")] : [])];
        await Promise.all(urls.map((url) => Object.assign(new Image(), { src: url }).decode()));
        if (map === this.map) {
          for (const picture of map.pictures) picture.setUrl(urls[0]);
          if (urls[1]) over.setUrl(urls[1]);
          over?.setOpacity(this.isOver ? this.opacity : 0);
          tell("");
        }
      }
    } catch {
      tell("This section cannot be read. Is the file still there, and the program still running?");
    } finally {
      this.isLoading = false;
    }
  }

  _draw() {
    const { facts, axis } = this;
    const index = this.index[axis];
    const nm = facts.origin_nm[axis] + index * facts.voxel_nm[axis];
    find("doing").textContent = `${AXES[axis]} ${index} of ${this.size - 1}`;
    refill(this.tools,
      keyed("Previous", "N", () => this.go(index - 1), { "aria-label": "Previous section" }),
      keyed("Next", "n", () => this.go(index + 1), { "aria-label": "Next section" }),
      AXES.map((name, at) => keyed(`Along ${name}`, name, () => this.look(at), { "aria-pressed": String(at === axis), "data-focus": `axis ${name}` })),
      keyed("Whole", "w", () => this.map.whole()));
    const slider = (name, value, least, most, act) => el("label", { class: "line" }, name, el("input", {
      type: "range", min: least, max: most, value, "aria-label": name, "data-focus": name, on: { input: (event) => act(Number(event.target.value)) },
    }));
    refill(this.side,
      el("h2", {}, `Section ${index}`, el("small", {}, ` at ${AXES[axis]} = ${rounded(nm)} nm`)),
      slider("Section", index, 0, this.size - 1, (value) => this.go(value)),
      facts.over ? [
        el("h3", {}, facts.over_name),
        keyed(this.isOver ? "Hide" : "Show", "o", () => this.turn(), { "aria-pressed": String(this.isOver), "data-focus": "over" }),
        slider("Opacity", Math.round(100 * this.opacity), 5, 100, (value) => {
          this.opacity = value / 100;
          this.over.setOpacity(this.isOver ? this.opacity : 0);
        }),
        facts.over === "shares" ? slider("Least probability", this.least, 1, 255, (value) => {
          this.least = value;
          this._draw();
          this.change();
        }) : null,
        facts.over === "shares" ? el("p", { class: "quiet" }, `Coloured where it is at least ${rounded(this.least / 255)}.`) : null,
      ] : null,
      el("p", { class: "quiet" }, `${facts.shape.join(" × ")} voxels (z, y, x) of ${facts.voxel_nm.map((one) => rounded(one)).join(" × ")} nm`,
        facts.target ? `; target ${facts.target}` : "", `; handedness ${facts.handedness}.`));
  }

  turn() {
    this.isOver = !this.isOver;
    this._draw();
    this.change();
  }

  key(key) {
    if (!this.map) return undefined;
    const index = this.index[this.axis];
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
    if (step) return () => this.map.pan(step);
    return {
      n: () => this.go(index + 1), PageDown: () => this.go(index + 1),
      N: () => this.go(index - 1), PageUp: () => this.go(index - 1),
      j: () => this.go(index + MANY), J: () => this.go(index - MANY),
      z: () => this.look(0), y: () => this.look(1), x: () => this.look(2),
      o: this.facts.over ? () => this.turn() : undefined,
      w: () => this.map.whole(), "+": () => this.map.zoom(1), "-": () => this.map.zoom(-1),
    }[key];
  }
}

const view = new VolumeView();

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea, dialog[open]")) return;
  const does = event.key === "?" ? () => showHelp(find("help-text"), view) : view.key(event.key);
  if (!does) return;
  event.preventDefault();
  does();
});
find("help").addEventListener("click", () => showHelp(find("help-text"), view));
view.begin().catch((error) => tell(error.message));
