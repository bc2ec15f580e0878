// Named points on a map: placed by a click, dragged, named anew, removed. Rows and columns as elsewhere.

import { button, el, keyed } from "./dom.js";
import { from } from "./maps.js";
import { rounded } from "./shapes.js";

const { L } = window;

export class NamedPoints {
  // `points`: [{ name, row, column }]; `names`: those that are in use; `changed`: is told of changes.
  constructor({ map, points, names, mayChange, changed }) {
    Object.assign(this, { map, points, mayChange, changed });
    this.names = new Set(names);
    this.name = names[0] ?? "centre";
    this.chosen = -1;
    this.isOn = false;
    this._past = [];
    this.layer = L.layerGroup().addTo(map.leaflet);
    this._click = (event) => this.isOn && this._add(from(event.latlng));
    map.leaflet.on("click", this._click);
    this.draw();
  }

  close() {
    this.map.leaflet.off("click", this._click);
    this.layer.remove();
  }

  turn(isOn) {
    this.isOn = isOn && this.mayChange;
    this.map.leaflet.getContainer().classList.toggle("pointing", this.isOn);
    this.draw();
  }

  _set(points, chosen = this.chosen) {
    this._past.push(this.points);
    this.points = points;
    this.chosen = chosen;
    this.draw();
    this.changed();
  }

  _add(point) {
    if (!this.map.isInside(point) || !this.name) return;
    const [row, column] = point.map((one) => rounded(one));
    this.names.add(this.name);
    this._set([...this.points, { name: this.name, row, column }], this.points.length);
  }

  _move(index, point) {
    if (!this.map.isInside(point)) {
      this.draw();
      return;
    }
    const [row, column] = point.map((one) => rounded(one));
    this._set(this.points.map((one, k) => (k === index ? { ...one, row, column } : one)), index);
  }

  remove() {
    if (this.chosen >= 0 && this.mayChange) this._set(this.points.filter((_, k) => k !== this.chosen), -1);
  }

  undo() {
    if (!this._past.length) return false;
    this.points = this._past.pop();
    this.chosen = -1;
    this.draw();
    this.changed();
    return true;
  }

  choose(index) {
    this.chosen = index;
    this.draw();
    this.changed();
  }

  draw() {
    this.layer.clearLayers();
    this.points.forEach((one, k) => {
      const mark = el("span", { class: `point${k === this.chosen ? " chosen" : ""}`, "data-point": k },
        el("span", { class: "cross", "aria-hidden": "true" }, "+"), el("span", { class: "name" }, one.name));
      const marker = this.map.handle([one.row, one.column], mark, { name: `Point ${one.name}`, draggable: this.isOn, size: [26, 26] })
        .addTo(this.layer);
      marker.on("click", (event) => {
        L.DomEvent.stopPropagation(event);
        this.choose(k);
      });
      marker.on("dragend", () => this._move(k, from(marker.getLatLng())));
    });
  }

  panel() {
    const name = el("input", { type: "text", value: this.name, list: "point-names", "aria-label": "Name of the next point", "data-focus": "point name",
      maxlength: "100", autocomplete: "off", on: { input: (event) => { this.name = event.target.value.trim(); } } });
    return [
      el("div", { class: "line" }, el("h3", {}, `${this.points.length} point${this.points.length === 1 ? "" : "s"}`),
        this.mayChange ? name : null, el("datalist", { id: "point-names" }, [...this.names].map((one) => el("option", { value: one })))),
      this.isOn ? el("p", { class: "quiet" }, "Click on the map to place a point of this name; drag it to move it.") : null,
      el("ul", { class: "plain" }, this.points.map((one, k) => el("li", {}, button(
        `${one.name}: row ${one.row.toFixed(0)}, column ${one.column.toFixed(0)}`, () => this.choose(k),
        { class: "row", "aria-pressed": String(k === this.chosen), "data-focus": `point ${k}` })))),
      this.mayChange && this.chosen >= 0 ? keyed("Remove", "Del", () => this.remove(), { class: "grave" }) : null,
    ];
  }
}
