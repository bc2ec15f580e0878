// A grid: boxes of its lamellae on the map, and what is asked of the run about them.

import { ask, of } from "./api.js";
import { button, clock, el, fill, keyed, percent, refill, stateMark } from "./dom.js";
import { Fluorescence } from "./fluorescence.js";
import { PixelMap, at, from } from "./maps.js";
import { CLASS, Review, asAsked, standOf, words } from "./review.js";
import { around, boxPx, boxUm, isLight, rounded, toMap, toStage } from "./shapes.js";

const { L } = window;
const LEAST_UM = 0.5;
const MOST_UM = 500;
const SMALLEST_TO_RESIZE_PX = 30; // on the screen: handles would hide the box
const USUAL_COLOR = "#cccccc";
const um = (values) => values.map((value) => rounded(value, 3));

export class GridView {
  constructor(page, name) {
    this.page = page;
    this.name = name;
    this.review = new Review(name);
    this.selected = null;
    this.fluorescence = new Fluorescence(() => this._draw());
    this._help = [
      ["n p", "next, previous lamella"],
      ["1 … 9", "class of the chosen lamella"],
      ["v", "visit the chosen lamella, or not"],
      ["Delete", "remove the chosen lamella"],
      ["d", "draw a new lamella (drag; a click gives the usual size; Enter: in the middle of the view)"],
      ["↑ ↓ ← →", "move the chosen lamella by one pixel of the map; if none is chosen, the view"],
      ["u", "take the last change back (also Ctrl+Z)"],
      ["a", "approve the lamellae of this grid"],
      ["Enter", "open the map of the chosen lamella"],
      ["w + - z", "whole map; zoom; zoom to the chosen lamella"],
    ];
    this.explained = [
      "Drag the number of a lamella to move it, a corner of the chosen one to resize it around its middle. "
      + "Solid boxes are visited, dashed ones are not; dotted ones are as asked, and not done yet.",
    ];
  }

  get help() {
    return [...this._help, ...this.fluorescence.help];
  }

  async show(place) {
    this.side = el("div", { class: "side" });
    this.canvas = el("div", { class: "map" });
    this.tools = el("div", { class: "buttons tools", role: "toolbar", "aria-label": "Map" });
    this.heading = el("h2", {}, `Grid ${this.name}`);
    fill(place, this.heading, this.tools,
      el("div", { class: "beside" }, this.canvas, this.side));
    await this._load();
  }

  async _load() {
    const [facts] = await Promise.all([ask(`/api/grid/${of(this.name)}`), this.review.load()]);
    await this.map?.letGo();
    if (this.isClosed) return; // another view is shown: there is no map any more to draw on
    const isOther = this.facts?.map?.tiles.url !== facts.map?.tiles.url;
    this.facts = facts;
    if (isOther) {
      this.map?.close();
      this.map = null;
    }
    if (facts.map && !this.map) {
      this.map = new PixelMap(this.canvas, facts.map, `Map of grid ${this.name}`);
      this.layer = L.layerGroup().addTo(this.map.leaflet);
      this.map.leaflet.on("click", () => this._select(null));
      this.map.leaflet.on("zoomend", () => this.selected && !this.map.isHeld && this._draw());
      this.map.drawingChanged = () => this._showDrawing();
    } else if (!facts.map) {
      fill(this.canvas, el("p", { class: "empty" }, "There is no map of this grid yet."));
    }
    this.fluorescence.show(this.map, facts.fluorescence);
    this._draw();
  }

  async changed(topics) {
    if (topics && ![`grid:${this.name}`, `review:${this.name}`, "journal"].some((one) => topics.has(one))
      && ![...topics].some((one) => one.startsWith(`lamella:${this.name}:`))) return;
    await this._load();
  }

  close() {
    this.isClosed = true;
    this.map?.close();
  }

  // --- what may be done ----------------------------------------------------------------------

  get mayAsk() {
    return !this.page.isReadOnly && this.review.values !== null;
  }

  may(one, kind) {
    return this.mayAsk && one.number > 0 && !one.isDeleted && this.review.may(one.number, kind);
  }

  whyNot(one) {
    if (this.page.isReadOnly) return "This page only shows the session.";
    if (!this.review.values) return this.review.problem;
    if (!one.number) return one.state === "new" ? `The run adds it ${this.page.nextStep}.` : "It was left out.";
    const seen = this.review.lamella(one.number);
    if (!seen) return "It has no point in the Navigator.";
    if (seen.state === "exposed") return "Tilt series of it were begun: it stays as it is.";
    if (seen.state === "being acquired") return "It is being acquired now: it stays as it is.";
    return "";
  }

  get shown() {
    const lamellae = this.facts.lamellae.map((one) => ({ ...one }));
    return asAsked(lamellae, this.review.edits);
  }

  get chosen() {
    return this.shown.find((one) => one.number && one.number === this.selected) ?? null;
  }

  // --- drawing -------------------------------------------------------------------------------

  _draw() {
    const shown = this.shown;
    this.map?.redraw(this.layer, () => shown.forEach((one) => this._drawBox(one)));
    refill(this.heading, this._heading());
    refill(this.tools, this._tools());
    refill(this.side, this._side(shown));
  }

  _color(one) {
    return this.facts.classes[one.class]?.color ?? USUAL_COLOR;
  }

  _drawBox(one) {
    const { map } = this.facts;
    const middle = toMap(map, one.center_um);
    const size = boxPx(map, one.box_um);
    const [top, left, bottom, right] = around(middle, size);
    const isChosen = one.number > 0 && one.number === this.selected;
    const isAsked = one.asked.length > 0;
    const color = this._color(one);
    const dashes = isAsked ? "2 5" : one.visit ? null : "9 6";
    const corners = [at([top, left]), at([bottom, right])];
    L.rectangle(corners, { color: "#000", weight: isChosen ? 7 : 4, fill: false, opacity: 0.6, interactive: false })
      .addTo(this.layer);
    const box = L.rectangle(corners, {
      color, weight: isChosen ? 4 : 2, dashArray: dashes, fill: true, fillOpacity: one.isDeleted ? 0.5 : 0.02,
    }).addTo(this.layer);
    box.on("click", (event) => {
      L.DomEvent.stopPropagation(event);
      if (one.number) this._select(one.number);
    });
    this._drawLabel(one, [top, left], middle, box, size);
    const isTiny = Math.min(...size) * this.map.scale < SMALLEST_TO_RESIZE_PX;
    if (isChosen && !isTiny && this.may(one, "resize_lamella")) {
      for (const corner of [[top, left], [top, right], [bottom, left], [bottom, right]]) {
        this._drawCorner(one, corner, middle, box);
      }
    }
  }

  _drawLabel(one, corner, middle, box, size) {
    const word = (kind, text) => (text ? el("span", { class: kind }, ` ${text}`) : null);
    const label = el("span", {
      "data-apart": "",
      class: `label${one.number === this.selected && one.number ? " chosen" : ""}${one.visit ? "" : " left-out"}`,
      color: this._color(one), "data-ink": isLight(this._color(one)) ? "dark" : "light", "data-lamella": one.number,
    }, stateMark(one.state), one.number || one.label, one.isDeleted ? "✕" : "", word("more", one.class),
    word("most", one.probability === null ? "" : percent(one.probability)));
    label.boxPx = size;
    const mayMove = this.may(one, "move_lamella");
    const marker = this.map.handle(corner, label, {
      name: `${one.label || "left out"} ${one.class}`, draggable: mayMove, size: [0, 0],
    }).addTo(this.layer);
    marker.on("click", (event) => {
      L.DomEvent.stopPropagation(event);
      if (one.number) this._select(one.number);
    });
    const offset = [middle[0] - corner[0], middle[1] - corner[1]];
    const moved = () => {
      const point = from(marker.getLatLng());
      return [point[0] + offset[0], point[1] + offset[1]];
    };
    marker.on("drag", () => {
      const [top, left, bottom, right] = around(moved(), size);
      box.setBounds([at([top, left]), at([bottom, right])]);
    });
    marker.on("dragend", () => {
      this.selected = one.number;
      this._move(one, moved());
    });
  }

  _drawCorner(one, corner, middle, box) {
    const marker = this.map.handle(corner, el("span", { class: "corner" }),
      { name: "Corner: drag to resize", draggable: true, size: [22, 22], zIndexOffset: 500 }).addTo(this.layer);
    const sized = () => {
      const point = from(marker.getLatLng());
      return [0, 1].map((k) => 2 * Math.abs(point[k] - middle[k]));
    };
    marker.on("drag", () => {
      const [top, left, bottom, right] = around(middle, boxPx(this.facts.map, this._boxUm(sized())));
      box.setBounds([at([top, left]), at([bottom, right])]);
    });
    marker.on("dragend", () => {
      this._resize(one, this._boxUm(sized()));
    });
  }

  _boxUm(sizePx) {
    return boxUm(this.facts.map, sizePx, LEAST_UM, MOST_UM);
  }

  _select(number) {
    this.selected = number;
    const one = this.chosen;
    if (one && this.map) this.map.bringIntoView(toMap(this.facts.map, one.center_um));
    this._draw();
  }

  // --- beside the map ------------------------------------------------------------------------

  _heading() {
    const known = this.page.grid(this.name);
    return [`Grid ${this.name} `, known ? el("small", {}, [known.state, known.next].filter(Boolean).join(" – ")) : null];
  }

  // How it ends stands above the map, which on a phone may be far up.
  _showDrawing() {
    refill(this.tools, this._tools());
    this.tools.scrollIntoView({ block: "nearest" });
  }

  _tools() {
    const { shown } = this;
    const last = this.review.lastToTakeBack();
    return [
      shown.some((one) => one.number) && [
        keyed("Previous", "p", () => this._step(-1), { "aria-label": "Previous lamella" }),
        keyed("Next", "n", () => this._step(1), { "aria-label": "Next lamella" })],
      this.map && [keyed("Whole", "w", () => this.map.whole(), { "aria-label": "Whole map" })],
      this.mayAsk && [
        this.map && keyed(this.map.cancelDrawing ? "Give up drawing" : "Draw lamella", "d", () => this._draws()),
        this.map?.finishDrawing && keyed(this.map.finishWords, "⏎", () => this.map.finishDrawing()),
        (this.map || last) && keyed("Undo", "u", () => this.page.act(() => this._undo()), { disabled: !last }),
      ],
    ].flat(2).filter(Boolean);
  }

  _side(shown) {
    const { values, problem } = this.review;
    return [
      this.page.isReadOnly ? el("p", { class: "note" }, "Read-only: this page only shows the session.") : null,
      !values && !this.page.isReadOnly ? el("p", { class: "note" }, `Nothing can be changed here: ${problem}`) : null,
      values ? this._inspectNote(values) : null,
      (values?.problems ?? []).map((text) => el("p", { class: "warning" }, "⚠ ", text)),
      this._approval(values),
      this._ofChosen(),
      this.fluorescence.isThere ? el("section", { class: "card fluorescence" }, this.fluorescence.part()) : null,
      this._list(shown),
      this._edits(values),
    ];
  }

  _inspectNote(values) {
    if (values.inspect === "no") {
      return el("p", { class: "note" }, 'The run does not look at corrections (inspect = "no" in its settings): ',
        "what you ask for here waits until a run does.");
    }
    if (values.acquiring) {
      return el("p", { class: "note" }, "Tilt series are being recorded: points stay as they are until SPACEtomo.py runs again.");
    }
    return null;
  }

  _approval(values) {
    if (!values || !this.facts.lamellae.length) return null;
    const isApproved = values.approved.lamellae;
    const waits = values.inspect === "wait";
    return el("section", { class: "card approval" },
      el("p", {}, isApproved ? "✓ The lamellae are approved."
        : values.approved.other_lamellae ? "Other lamellae than these were approved: look at them, and approve them again."
        : `The lamellae are not approved.${waits ? " The run waits for it." : ""}`),
      this.mayAsk ? keyed(isApproved ? "Withdraw approval" : "Approve lamellae", "a",
        () => this.page.act(() => this._approve()), { class: isApproved ? "" : "main", "data-focus": "approve" }) : null);
  }

  _ofChosen() {
    const one = this.chosen;
    if (!one) return el("section", { class: "card" }, el("p", { class: "quiet" }, "Choose a lamella on the map or in the list."));
    const why = this.whyNot(one);
    const classes = this.review.values?.classes ?? [];
    const act = (does) => () => this.page.act(does);
    return el("section", { class: "card chosen", "aria-label": `Lamella ${one.label}` },
      el("h3", {}, stateMark(one.state), `${one.label} – ${one.class} ${one.probability === null ? "" : percent(one.probability)}`),
      el("p", {}, one.state, one.reason ? `: ${one.reason}` : "", one.by_hand ? ", added by hand" : ""),
      el("p", { class: "quiet" }, `Stage ${one.stage_um.map((v) => v.toFixed(1)).join(", ")} µm; box `,
        `${one.box_um.map((v) => v.toFixed(1)).join(" × ")} µm`),
      one.asked.length ? el("p", {}, `Asked: ${one.asked.map(words).join("; ")}`) : null,
      why ? el("p", { class: "note" }, why) : null,
      this.may(one, "class") ? el("div", { class: "buttons", role: "group", "aria-label": "Class" },
        classes.map((name, k) => keyed(name, k < 9 ? String(k + 1) : "", act(() => this._class(one, name)),
          { "aria-pressed": String(name === one.class), "data-class": name, "data-focus": `class ${name}` }))) : null,
      el("div", { class: "buttons" },
        this.may(one, "visit") ? keyed(one.visit ? "Do not visit" : "Visit", "v", act(() => this._visit(one)), { "data-focus": "visit" }) : null,
        this.may(one, "delete_lamella") ? keyed("Remove", "Del", act(() => this._delete(one)), { class: "grave" }) : null,
        this.map ? keyed("Zoom to it", "z", () => this._zoomTo(one)) : null,
        this.page.grid(this.name)?.lamellae.some((each) => each.number === one.number && each.has_map)
          ? keyed("Open its map", "⏎", () => this._open(one)) : null));
  }

  _list(shown) {
    const visited = shown.filter((one) => one.number);
    const others = shown.length - visited.length;
    const step = (one, by, text) => button(text, () => this.page.act(() => this._reorder(visited, one, by)),
      { "aria-label": `${one.label} ${by < 0 ? "earlier" : "later"}`, "data-focus": `${by} ${one.number}` });
    return el("section", { class: "card" }, el("h3", {}, "In the order of the work"),
      el("ol", { class: "lamellae" }, visited.map((one) => el("li", {}, el("span", {},
        el("button", {
          type: "button", class: "row", "aria-pressed": String(one.number === this.selected),
          "data-focus": `row ${one.number}`, on: { click: () => this._select(one.number) },
        }, stateMark(one.state), el("b", {}, one.label), ` ${one.class} `,
        one.visit ? "" : "(not visited) ", one.isDeleted ? "(to be removed) " : "",
        one.asked.length ? el("em", {}, "asked") : ""),
        this.mayAsk ? [step(one, -1, "↑"), step(one, 1, "↓")] : null)))),
      others ? el("p", { class: "quiet" }, `${others} on the map without a number: new, or left out.`) : null);
  }

  _edits(values) {
    if (!values?.edits.length) return null;
    return el("section", { class: "card edits", "aria-live": "polite" }, el("h3", {}, "Asked, and what became of it"),
      el("ul", { class: "plain" }, values.edits.toReversed().map((edit) => {
        const stand = standOf(edit);
        return el("li", { "data-stand": stand, "data-edit": edit.id },
          el("span", { class: "stand" }, { applied: "✓ ", refused: "✕ ", waits: "… ", waiting: "○ " }[stand], CLASS[stand]),
          ` ${words(edit)}`, edit.at ? el("small", {}, ` ${clock(edit.at)}`) : null,
          edit.answer?.why ? el("p", {}, edit.answer.why) : null,
          this.mayAsk && this.review.wayBack(edit) ? button("Take back", () => this.page.act(() => this._takeBack(edit)),
            { "aria-label": `Take back: ${words(edit)}` }) : null);
      })));
  }

  // --- asking --------------------------------------------------------------------------------

  async _ask(edit) {
    try {
      await this.review.add(edit);
    } finally {
      this._draw();
    }
  }

  _of(one, kind, values) {
    if (!this.may(one, kind)) {
      this.page.tell(this.whyNot(one) || "This cannot be done to it.", "refused");
      this._draw();
      return undefined;
    }
    return this._ask({ kind, number: one.number, of: this.review.lamella(one.number).stamp, ...values });
  }

  _move(one, point) {
    return this.page.act(() => {
      if (!this.map.isInside(point)) {
        this._draw();
        throw new Error("This place lies outside the map.");
      }
      return this._of(one, "move_lamella", { center_um: um(toStage(this.facts.map, point)) });
    });
  }

  // Keys come faster than answers: each step begins where the one before has ended.
  _stepBy(number, [down, across]) {
    const kind = "move_lamella";
    return this.page.act(() => this._ask(() => {
      const one = this.shown.find((each) => each.number === number);
      if (!one || !this.may(one, kind)) throw new Error((one && this.whyNot(one)) || "This cannot be done to it.");
      const [row, column] = toMap(this.facts.map, one.center_um);
      const point = [row + down, column + across];
      if (!this.map.isInside(point)) throw new Error("This place lies outside the map.");
      return { kind, number, of: this.review.lamella(number).stamp, center_um: um(toStage(this.facts.map, point)) };
    }));
  }

  _resize(one, boxUmNow) {
    return this.page.act(() => this._of(one, "resize_lamella", { box_um: um(boxUmNow) }));
  }

  _class(one, name) {
    if (name === one.class) return undefined;
    return this._of(one, "class", { class: name });
  }

  _visit(one) {
    return this._of(one, "visit", { visit: !one.visit });
  }

  _delete(one) {
    return this._of(one, "delete_lamella", {});
  }

  _reorder(visited, one, by) {
    const numbers = visited.map((each) => each.number);
    const index = numbers.indexOf(one.number);
    if (index + by < 0 || index + by >= numbers.length) return undefined;
    numbers.splice(index + by, 0, ...numbers.splice(index, 1));
    return this._ask({ kind: "order", of: this.review.values.stamp, numbers });
  }

  _draws() {
    if (this.map.cancelDrawing) {
      this.map.cancelDrawing();
      return;
    }
    const classes = this.review.values.classes;
    const kind = classes.includes("good") ? "good" : classes[0];
    this.map.drawBox(boxPx(this.facts.map, this.facts.default_box_um), (drawn) => {
      if (!drawn) {
        this._draw();
        return;
      }
      this.page.act(() => {
        if (!this.map.isInside(drawn.point)) throw new Error("This place lies outside the map.");
        return this._ask({
          kind: "add_lamella", of: this.review.values.stamp, class: kind,
          center_um: um(toStage(this.facts.map, drawn.point)), box_um: um(this._boxUm(drawn.size)),
        });
      });
    });
  }

  async _takeBack(edit) {
    try {
      await this.review.takeBack(edit);
    } finally {
      this._draw();
    }
  }

  async _undo() {
    const last = this.review.lastToTakeBack();
    if (last) await this._takeBack(last);
    else this.page.tell("There is nothing to take back.");
  }

  async _approve() {
    try {
      const { approved, lamellae } = this.review.values;
      const shown = Object.fromEntries(Object.entries(lamellae).map(([number, one]) => [number, one.stamp]));
      await this.review.approve({ lamellae: approved.lamellae ? false : shown });
    } finally {
      this._draw();
    }
  }

  _open(one) {
    this.page.go(`#/lamella/${encodeURIComponent(this.name)}/${one.number}`);
  }

  // --- keyboard ------------------------------------------------------------------------------

  key(key) {
    if (!this.facts) return null; // not here yet, or it could not be had
    const one = this.chosen;
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
    if (step && one && this.map) return () => this._stepBy(one.number, step);
    if (step && this.map) return () => this.map.pan(step);
    if (/^[1-9]$/.test(key) && one) {
      const name = this.review.values?.classes[Number(key) - 1];
      return name ? () => this._class(one, name) : null;
    }
    if (key === "Enter" && this.map?.finishDrawing) return () => this.map.finishDrawing();
    const ofChosen = one && {
      v: () => this._visit(one),
      Delete: () => this._delete(one),
      Backspace: () => this._delete(one),
      Enter: () => this._open(one),
    }[key];
    if (ofChosen) return ofChosen;
    return {
      n: () => this._step(1),
      p: () => this._step(-1),
      Escape: () => (this.map?.cancelDrawing ? this.map.cancelDrawing() : this._select(null)),
      w: () => this.map?.whole(),
      z: one && this.map ? () => this._zoomTo(one) : null,
      "+": () => this.map?.zoom(1),
      "-": () => this.map?.zoom(-1),
      c: this.map && this.fluorescence.isThere ? () => this.fluorescence.toggle() : null,
      d: this.mayAsk && this.map ? () => this._draws() : null,
      u: this.mayAsk ? () => this._undo() : null,
      a: this.mayAsk ? () => this._approve() : null,
    }[key];
  }

  _zoomTo(one) {
    this.map.show(toMap(this.facts.map, one.center_um), 2 * Math.max(...boxPx(this.facts.map, one.box_um)));
  }

  _step(by) {
    const numbers = this.shown.map((one) => one.number).filter(Boolean);
    if (!numbers.length) return;
    const index = numbers.indexOf(this.selected);
    this._select(numbers[index < 0 ? (by > 0 ? 0 : numbers.length - 1) : (index + by + numbers.length) % numbers.length]);
  }
}
