// Segment Anything: a left click says what is meant, a right click what is not; Enter takes it.

import { post } from "./api.js";
import { el, keyed } from "./dom.js";
import { withImage } from "./label_canvas.js";
import { from } from "./maps.js";
import { rounded } from "./shapes.js";

export const CLICK_KEYS = [["i", "Segment Anything: left click what is meant, right click what is not; Enter takes it, Esc discards it"]];

export class Clicks {
  // `address`: what is asked; `why_not`: why it cannot be; `take`: is given what is taken.
  constructor({ map, address, why_not: whyNot, changed, act, take }) {
    Object.assign(this, { map, address, whyNot, changed, act, take });
    this.isOn = false;
    this._clear();
    this._click = (event) => this._add(event, true);
    this._menu = (event) => {
      event.originalEvent.preventDefault();
      this._add(event, false);
    };
    map.leaflet.on("click", this._click).on("contextmenu", this._menu);
  }

  close() {
    this.isOn = false;
    this.map.leaflet.off("click", this._click).off("contextmenu", this._menu);
  }

  turn(isOn) {
    if (isOn && this.whyNot) throw new Error(this.whyNot);
    this.isOn = isOn;
    this.map.leaflet.getContainer().classList.toggle("clicking", isOn);
    this._clear();
  }

  _clear() {
    Object.assign(this, { points: [], inside: [], found: null, isLooking: false });
  }

  get marks() {
    return this.points.map((point, k) => ({ point, inside: this.inside[k] }));
  }

  _add(event, inside) {
    if (!this.isOn) return;
    const point = from(event.latlng).map((one) => rounded(one));
    if (!this.map.isInside(point)) return;
    if (!inside && !this.inside.includes(true)) {
      this.act(() => { throw new Error("First click what is meant, then what is not."); });
      return;
    }
    this.points = [...this.points, point];
    this.inside = [...this.inside, inside];
    this.act(() => this._look());
  }

  async _look() {
    const { points, inside } = this;
    this.isLooking = true;
    this.changed();
    try {
      const { mask, shown } = await post(this.address, { points, inside });
      const found = { mask, shown: await withImage(shown) };
      if (this.points === points) this.found = found; // else another click has come
    } catch (error) {
      if (this.points === points) this._clear();
      throw error;
    } finally {
      if (this.points === points) this.isLooking = false;
      this.changed();
    }
  }

  confirm() {
    const { found } = this;
    if (!found) return;
    this._clear();
    this.take(found);
  }

  discard() {
    this._clear();
    this.changed();
  }

  panel() {
    if (!this.isOn) return null;
    const words = this.isLooking ? "Looking … (the first look at a picture takes longest)"
      : this.found ? "Enter takes it for the class that is chosen. More clicks change it." : "Left click what is meant; right click what is not.";
    return [el("p", { class: "quiet", role: "status" }, words), this.points.length ? el("div", { class: "buttons" },
      keyed("Take", "⏎", () => this.confirm(), { class: "main", disabled: !this.found }), keyed("Discard", "Esc", () => this.discard())) : null];
  }

  key(key) {
    if (!this.isOn) return undefined;
    if (key === "Enter" && this.found) return () => this.confirm();
    if (key === "Escape" && this.points.length) return () => this.discard();
    return undefined;
  }
}
