// An editor of labels on a map: brush, polygon, fill and eraser. It knows maps, classes and strokes,
// and nothing of sessions: who opens it says where strokes come from and what a fill covers.

import { el, keyed } from "./dom.js";
import { LabelCanvas, withImage } from "./label_canvas.js";
import { lengthText, rounded } from "./shapes.js";

const ERASER = "";
const GROWS = 1.25;
const THIN = 6; // a point of a path is kept when it lies a sixth of the radius from the last one
const TOOLS = [["brush", "Brush", "b"], ["polygon", "Polygon", "p"], ["fill", "Fill", "f"], ["move", "Move map", "m"]];

export const LABEL_KEYS = [
  ["1 … 9", "class, as numbered in the list"],
  [", .", "previous, next class"],
  ["e", "eraser: back to what was there before"],
  ["b p f m", "brush; polygon (click corners, Enter ends); fill (Enter: in the middle); move the map"],
  ["[ ]", "smaller, larger brush"],
  ["u r", "take the last stroke back; draw it again (also Ctrl+Z, Ctrl+Shift+Z)"],
  ["c", "show only what was changed"],
  ["s", "save"],
  ["Esc", "leave what was begun; close the labels"],
  ["o w + -", "labels on or off; whole map; zoom"],
];

export class LabelEditor {
  // `map`: a PixelMap; `facts`: { tiles, classes: [{ name, color, hint }], limits, pixel_um, before };
  // `fill`: asks what the last of some strokes covers; `changed`: is told of every change; `act`: runs
  // what may fail, and says so.
  constructor({ map, facts, strokes, fill, changed, act }) {
    Object.assign(this, { map, facts, fill, changed, act });
    this.strokes = strokes;
    this._past = [];
    this._future = [];
    this._masks = new WeakMap();
    this._pointers = new Set();
    this.category = (facts.classes.find((one) => !one.is_ground) ?? facts.classes[0])?.name ?? ERASER;
    this.radius = 12;
    this.tool = "";
    this._live = null;
    this._start = null;
    this._panned = null;
    this.isShown = true;
    this.keepsTool = false; // who draws otherwise says so
    const colors = Object.fromEntries(facts.classes.map((one) => [one.name, one.is_ground ? null : one.color]));
    this.canvas = new LabelCanvas(map, facts.tiles, colors, (stroke) => this._masks.get(stroke));
    this._listen();
    this.take("brush");
    this._show();
    this._askForFills();
  }

  close() {
    this.map.cancelDrawing?.();
    const place = this.map.leaflet.getContainer();
    for (const [event, act] of Object.entries(this._acts)) place.removeEventListener(event, act, true);
    place.classList.remove("labelling", "painting");
    this.map.leaflet.dragging.enable();
    this._isClosed = true;
    this.canvas.close();
  }

  // --- strokes -------------------------------------------------------------------------------

  get mayUndo() {
    return this.strokes.length > 0 || this._past.length > 0;
  }

  get mayRedo() {
    return this._future.length > 0;
  }

  get isFull() {
    const { limits } = this.facts;
    return this.strokes.length >= limits.strokes
      || this.strokes.reduce((sum, one) => sum + one.points.length, 0) >= limits.points;
  }

  _set(strokes, isNew = true) {
    if (isNew) {
      this._past.push(this.strokes);
      this._future = [];
    }
    this.strokes = strokes;
    this._show();
    this.changed();
  }

  _show() {
    this.canvas.live = this._live;
    this.canvas.show(this.strokes);
  }

  _add(stroke) {
    if (this.isFull) {
      this._show();
      throw new Error("These are as many strokes as can be kept. Save a part of the work, or undo some.");
    }
    this._set([...this.strokes, stroke]);
  }

  undo() {
    if (!this.mayUndo) return;
    this._future.push(this.strokes);
    this._set(this._past.length ? this._past.pop() : this.strokes.slice(0, -1), false);
  }

  redo() {
    if (!this.mayRedo) return;
    this._past.push(this.strokes);
    this._set(this._future.pop(), false);
  }

  clear() {
    if (this.strokes.length) this._set([]);
  }

  // Take other strokes over, as those of an earlier correction.
  replace(strokes) {
    this._set(strokes);
    this._askForFills();
  }

  // --- tools ---------------------------------------------------------------------------------

  take(tool) {
    if (this.tool === "polygon") {
      this.tool = "";
      this.map.cancelDrawing?.();
    }
    this.tool = tool;
    const place = this.map.leaflet.getContainer();
    place.classList.add("labelling");
    place.classList.toggle("painting", tool === "brush" || tool === "fill");
    this.map.leaflet.dragging[tool === "brush" || tool === "fill" ? "disable" : "enable"]();
    this.canvas.setRing(null);
    if (tool === "polygon") this._drawPolygon();
    this.changed();
  }

  _drawPolygon() {
    this.map.drawPoints(true, (points) => {
      if (this.tool !== "polygon" || this._isClosed) return;
      if (points) this.act(async () => this._add(this._stroke("polygon", points)));
      this._drawPolygon(); // the next one
    });
  }

  choose(category) {
    this.category = category;
    if (this.tool === "move" && !this.keepsTool) this.take("brush");
    this.changed();
  }

  size(radius) {
    const [least, most] = this.facts.limits.radius_px;
    this.radius = Math.min(most, Math.max(least, radius));
    if (this.canvas.ring) this.canvas.setRing({ ...this.canvas.ring, radius_px: this.radius });
    this.changed();
  }

  _stroke(kind, points) {
    const exact = points.map(([row, column]) => [rounded(row), rounded(column)]);
    return { kind, class: this.category || null, points: exact, ...(kind === "brush" ? { radius_px: rounded(this.radius) } : {}) };
  }

  // --- pointer -------------------------------------------------------------------------------

  _listen() {
    this._acts = {
      pointerdown: (event) => this._down(event),
      pointermove: (event) => this._move(event),
      pointerup: (event) => this._up(event),
      pointercancel: (event) => this._up(event, true),
      pointerleave: () => this.canvas.setRing(null),
      contextmenu: (event) => this.tool !== "move" && event.preventDefault(),
    };
    const place = this.map.leaflet.getContainer();
    for (const [event, act] of Object.entries(this._acts)) place.addEventListener(event, act, true);
  }

  _down(event) {
    this._pointers.add(event.pointerId);
    if (!["brush", "fill"].includes(this.tool) || event.target.closest(".leaflet-control")) return;
    if (this._pointers.size > 1) { // two fingers zoom and move the map
      this._giveUp();
      return;
    }
    if (event.pointerType === "mouse") event.preventDefault();
    if (event.button !== 0) {
      this._panned = event.button > 0 ? [event.clientX, event.clientY] : null;
      return;
    }
    event.stopPropagation();
    this._pointer = event.pointerId;
    const point = this.map.pointAt(event);
    if (this.tool === "fill") {
      this._start = { point, at: [event.clientX, event.clientY] };
      return;
    }
    this._live = this._stroke("brush", [point]);
    this.canvas.live = this._live;
    this.canvas.extend(this._live, 0);
  }

  _move(event) {
    if (this._panned) {
      const [x, y] = this._panned;
      this.map.leaflet.panBy([x - event.clientX, y - event.clientY], { animate: false });
      this._panned = [event.clientX, event.clientY];
      return;
    }
    if (this.tool === "brush" && (this._live || event.pointerType === "mouse")) {
      this.canvas.setRing({ point: this.map.pointAt(event), radius_px: this.radius });
    }
    if (!this._live || event.pointerId !== this._pointer) return;
    const { points } = this._live;
    const before = points.length;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) this._lengthen(points, this.map.pointAt(one), this.radius / THIN);
    if (points.length > before) this.canvas.extend(this._live, before);
  }

  _lengthen(points, [row, column], step) {
    const last = points.at(-1);
    if (Math.hypot(row - last[0], column - last[1]) >= Math.max(1, step)) points.push([rounded(row), rounded(column)]);
  }

  _up(event, isGivenUp = false) {
    this._pointers.delete(event.pointerId);
    this._panned = null;
    if (event.pointerId !== this._pointer) return;
    this._pointer = null;
    const { _live: live, _start: start } = this;
    if (isGivenUp) {
      this._giveUp();
    } else if (live) {
      this._lengthen(live.points, this.map.pointAt(event), 0);
      this._live = null;
      this.act(async () => this._add(live));
    } else if (start) {
      this._start = null;
      const moved = Math.hypot(event.clientX - start.at[0], event.clientY - start.at[1]);
      if (moved < 8 && this.map.isInside(start.point)) this.act(() => this._addFill(start.point));
    }
    if (event.pointerType !== "mouse") this.canvas.setRing(null);
  }

  _giveUp() {
    this._live = null;
    this._start = null;
    this._show();
  }

  // --- fills ---------------------------------------------------------------------------------

  async _addFill(point) {
    const stroke = this._stroke("fill", [point]);
    if (this.strokes.filter((one) => one.kind === "fill").length >= this.facts.limits.fills) {
      throw new Error(`More than ${this.facts.limits.fills} fills cannot be kept. Use the brush or polygons.`);
    }
    this._add(stroke);
    try {
      await this._ask(this.strokes);
    } catch (error) {
      if (this.strokes.at(-1) === stroke) this.undo();
      throw error;
    }
  }

  async _ask(strokes) {
    const stroke = strokes.at(-1);
    this._masks.set(stroke, await withImage(await this.fill(strokes)));
    if (!this._isClosed) this._show();
  }

  // Take masks that were proposed: { class, mask, shown } each.
  addMasks(masks) {
    const strokes = masks.map((one) => ({ kind: "mask", class: one.class || null, points: [], mask: one.mask }));
    const there = this.strokes.filter((one) => one.kind === "mask").length;
    if (this.isFull || there + strokes.length > this.facts.limits.masks) {
      throw new Error(`More than ${this.facts.limits.masks} masks, or more strokes, cannot be kept. Undo some.`);
    }
    strokes.forEach((stroke, k) => this._masks.set(stroke, masks[k].shown));
    this._set([...this.strokes, ...strokes]);
  }

  // Strokes that were saved before: what their fills cover is asked for, one after the other.
  _askForFills() {
    const { strokes } = this;
    this.act(async () => {
      for (const [k, stroke] of strokes.entries()) {
        if (this._isClosed || this.strokes[k] !== stroke) return;
        if (["fill", "mask"].includes(stroke.kind) && !this._masks.has(stroke)) await this._ask(strokes.slice(0, k + 1));
      }
    });
  }

  // --- beside the map ------------------------------------------------------------------------

  toolbar() {
    return [
      TOOLS.map(([tool, text, key]) => keyed(text, key, () => this.take(tool),
        { "aria-pressed": String(this.tool === tool && !this.keepsTool), "data-focus": `tool ${tool}` })),
      keyed("Undo", "u", () => this.undo(), { disabled: !this.mayUndo, "data-focus": "label undo" }),
      keyed("Redo", "r", () => this.redo(), { disabled: !this.mayRedo, "data-focus": "label redo" }),
    ];
  }

  panel() {
    const { facts, radius } = this;
    const um = 2 * radius * (facts.pixel_um ?? 0);
    // Buttons, since keys go to an input that was clicked.
    const entry = (name, key, color, text, hint) => el("button", {
      type: "button", class: "class", color, "aria-pressed": String(this.category === name), "data-focus": `label ${name}`, "data-class": name,
      on: { click: () => this.choose(name) },
    }, el("kbd", {}, key), el("span", { class: "swatch", "aria-hidden": "true" }), text, hint ? el("small", {}, ` ${hint}`) : "");
    const letGo = (event) => event.target.blur();
    const size = el("input", {
      type: "range", min: "0", max: "100", value: String(this._slider(radius)), "aria-label": "Size of the brush", "data-focus": "label size",
      on: { input: (event) => this.size(this._radius(Number(event.target.value))), pointerup: letGo },
    });
    const opacity = el("input", {
      type: "range", min: "10", max: "100", value: String(100 * this.canvas.opacity), "aria-label": "Opacity of the labels", "data-focus": "label opacity",
      on: { input: (event) => {
        this.canvas.opacity = Number(event.target.value) / 100;
        this.canvas.redraw();
      }, pointerup: letGo },
    });
    return [
      el("p", { class: "quiet" }, {
        brush: "Draw on the map. Two fingers, the right mouse button or the wheel move it.",
        polygon: "Click corners; Enter, a double click or the first corner ends it.",
        fill: "Click a place: what hangs together there gets the class.",
        move: this.keepsTool ? "" : "Drag the map.",
      }[this.tool]),
      this.tool === "brush" ? el("div", { class: "line" }, keyed("−", "[", () => this.size(radius / GROWS), { "aria-label": "Smaller brush" }), size,
        keyed("+", "]", () => this.size(radius * GROWS), { "aria-label": "Larger brush" }),
        el("small", {}, `${(2 * radius).toFixed(0)} px${um ? `, ${lengthText(rounded(um, 3))}` : ""}`)) : null,
      el("fieldset", { class: "label-classes" }, el("legend", {}, "Class"),
        entry(ERASER, "e", "transparent", "eraser", facts.before ?? "as it was"),
        facts.classes.map((one, k) => entry(one.name, k < 9 ? String(k + 1) : "", one.color, one.name, one.hint))),
      el("div", { class: "line" }, keyed("Changes alone", "c", () => this._showChanges(), {
        "aria-pressed": String(!this.canvas.showsModel), "data-focus": "label changes", title: "Show only what was changed",
      }), opacity),
    ];
  }

  _slider(radius) {
    const [least, most] = this.facts.limits.radius_px;
    return (100 * Math.log(radius / least)) / Math.log(most / least);
  }

  _radius(slider) {
    const [least, most] = this.facts.limits.radius_px;
    return least * (most / least) ** (slider / 100);
  }

  _showChanges() {
    this.canvas.showsModel = !this.canvas.showsModel;
    this.canvas.redraw();
    this.changed();
  }

  _toggle() {
    this.isShown = !this.isShown;
    this.canvas.canvas.hidden = !this.isShown;
  }

  // What a key does; nothing if it is none of the editor's.
  key(key, event) {
    const { classes } = this.facts;
    if (/^[1-9]$/.test(key) && classes[Number(key) - 1]) return () => this.choose(classes[Number(key) - 1].name);
    const step = (by) => {
      const names = [ERASER, ...classes.map((one) => one.name)];
      this.choose(names[(names.indexOf(this.category) + by + names.length) % names.length]);
    };
    const tool = TOOLS.find(([, , one]) => one === key);
    if (tool) return () => this.take(tool[0]);
    return {
      e: () => this.choose(ERASER),
      ",": () => step(-1),
      ".": () => step(1),
      "[": () => this.size(this.radius / GROWS),
      "]": () => this.size(this.radius * GROWS),
      u: () => (event?.shiftKey ? this.redo() : this.undo()),
      r: () => this.redo(),
      c: () => this._showChanges(),
      o: () => this._toggle(),
      Enter: this.map.finishDrawing ? () => this.map.finishDrawing()
        : this.tool === "fill" ? () => this._addFill(this.map.middle) : null,
      Escape: this._live || this.map.cancelDrawing ? () => this._leave() : null,
    }[key];
  }

  _leave() {
    this._giveUp();
    if (this.tool === "polygon") this.take("brush");
  }
}
