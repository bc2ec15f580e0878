// Channels of fluorescence over a map: which are shown, and how strongly. Of all maps a person says it once.

import { el, keyed } from "./dom.js";

const { L } = window;
const chosen = { isOn: true, opacity: 0.8, hidden: new Set() };

export class Fluorescence {
  // `redrawn` is called when the part beside the map has to be drawn anew.
  constructor(redrawn) {
    this.redrawn = redrawn;
    this.facts = null;
  }

  // Another map, or other channels of it.
  show(map, facts) {
    const isOther = map !== this.map || JSON.stringify(facts) !== JSON.stringify(this.facts);
    Object.assign(this, { map, facts });
    if (isOther) this._draw();
  }

  get isThere() {
    return Boolean(this.facts);
  }

  get help() {
    return this.isThere ? [["c", "fluorescence on or off"]] : [];
  }

  _draw() {
    this.layers?.remove();
    this.layers = null;
    if (!this.map || !this.facts || !chosen.isOn) return;
    this.layers = L.layerGroup().addTo(this.map.leaflet);
    for (const one of this.facts.channels.filter((each) => !chosen.hidden.has(each.name))) {
      this.map.addTiles(one.tiles, chosen.opacity).setZIndex(3).addTo(this.layers);
    }
  }

  toggle() {
    chosen.isOn = !chosen.isOn;
    this._draw();
    this.redrawn();
  }

  part() {
    const { facts } = this;
    if (!facts) return [];
    const slider = el("input", { type: "range", min: "0", max: "100", value: 100 * chosen.opacity,
      "aria-label": "Opacity of the fluorescence", on: { input: (event) => {
        chosen.opacity = Number(event.target.value) / 100;
        this.layers?.eachLayer((layer) => layer.setOpacity(chosen.opacity));
      } } });
    const toggle = (one) => el("label", { class: "class", color: one.color }, el("input", {
      type: "checkbox", checked: !chosen.hidden.has(one.name), on: { change: (event) => {
        chosen.hidden[event.target.checked ? "delete" : "add"](one.name);
        chosen.isOn = true;
        this._draw();
        this.redrawn();
      } },
    }), el("span", { class: "swatch", "aria-hidden": "true" }), one.name);
    return [
      el("div", { class: "line" }, el("h3", {}, "Fluorescence"), slider,
        keyed(chosen.isOn ? "Hide" : "Show", "c", () => this.toggle(), { "aria-label": "Fluorescence on or off" })),
      el("div", { class: "classes" }, facts.channels.map(toggle)),
      facts.error_um === null ? null
        : el("p", { class: "quiet" }, `${facts.source}: lies right to ${facts.error_um.toFixed(2)} µm along each axis.`),
      facts.warnings.map((text) => el("p", { class: "warning" }, "⚠ ", text)),
    ];
  }
}
