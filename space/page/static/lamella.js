// A lamella: its map with segmentation and targets, which can be moved, added, removed and saved.

import { ask, of, post } from "./api.js";
import { AreasByHand } from "./areas.js";
import { ChoosingAgain } from "./choosing.js";
import { button, clock, counted, el, fill, keyed, percent, refill, stateMark } from "./dom.js";
import { Fluorescence } from "./fluorescence.js";
import { LamellaLabels } from "./lamella_labels.js";
import { PixelMap, STYLES, at, from } from "./maps.js";
import { savePicking, savePicture } from "./picture.js";
import { CLASS, Review, isOpen, standOf, words } from "./review.js";
import { conflicts, distanceUm, ellipse } from "./shapes.js";
import { Targets, nameOf } from "./targets.js";

const { L } = window;
const CHECK_MS = 700;
const MOST_CONFLICTS = 12;
export class LamellaView {
  constructor(page, grid, number) {
    Object.assign(this, { page, grid, number });
    this.review = new Review(grid);
    this.targets = new Targets([]);
    this.selected = null;
    this.overlay = { opacity: 0.45, isOn: true, classes: null };
    this.said = null; // what the server says of the targets as they are
    this.take = "all";
    this.again = new ChoosingAgain(this);
    this.byHand = new AreasByHand(this);
    this.labels = new LamellaLabels(this);
    this.fluorescence = new Fluorescence(() => this._drawSide());
    this._help = [
      ["n p", "next, previous lamella"],
      ["] [", "next, previous target"],
      ["↑ ↓ ← →", "move the chosen target by one pixel of the map (with Shift: by ten); if none is chosen, the view"],
      ["Delete", "remove the chosen target or geometry point"],
      ["f", "fix the chosen target: it stays when targets are chosen again"],
      ["k", "make the chosen target the tracking target of its area"],
      ["m", "move the chosen target to the best place near by where it does no harm"],
      ["x j r", "split the area of the chosen target; merge it with the nearest one; distribute all targets anew"],
      ["t g", "add a target, a geometry point: click where; Enter: in the middle of the view"],
      ["s", "save the targets"],
      ["u", "take the last change back (also Ctrl+Z)"],
      ["a", "approve the targets of this lamella"],
      ["o l", "segmentation on or off; correct its labels"],
      ["b", "back to the map of the grid"],
      ["w + - z", "whole map; zoom; zoom to the chosen target"],
    ];
    this.explained = [
      "Yellow: what a Record picture covers. Solid blue: the beam. Dashed blue: what the beam covers at the steepest "
      + "tilt. Red and an exclamation mark: beams that overlap there. The dotted circle is how far image shift reaches "
      + "from the tracking target (◎). Diamonds are geometry points, which measure the lamella's tilt.",
      "Drag a number to move its target. What was exposed already stays as it is.",
    ];
  }

  get help() {
    return this.labels.isOpen ? this.labels.help : [...this._help, ...this.fluorescence.help];
  }

  async show(place) {
    this.heading = el("h2", {});
    this.tools = el("div", { class: "buttons tools", role: "toolbar", "aria-label": "Map" });
    this.canvas = el("div", { class: "map" });
    this.parts = Object.fromEntries(["notes", "chosen", "summary", "areas", "save", "overlay", "fluorescence", "labels", "again", "edits", "legend"]
      .map((name) => [name, el("section", { class: `card ${name}` })]));
    fill(place, this.heading, this.tools,
      el("div", { class: "beside" }, this.canvas, el("div", { class: "side" }, Object.values(this.parts))));
    await this._load();
  }

  // --- what is there -------------------------------------------------------------------------

  async _load(isAnew = false) {
    const asked = ask(`/api/lamella/${of(this.grid, this.number)}`).then((facts) => this._showFirst(facts));
    const [facts] = await Promise.all([asked, this.review.load()]);
    await this.map?.letGo();
    if (this.isClosed) return; // another view is shown: there is no map any more to draw on
    const before = this._loaded;
    const isOther = before?.map?.tiles.url !== facts.map?.tiles.url;
    const isOtherLabels = JSON.stringify(before?.labels) !== JSON.stringify(facts.labels);
    this.facts = facts;
    this._loaded = facts;
    if (isOther && before) this._close();
    if (facts.map && !this.map) this._openMap();
    if (!facts.map) fill(this.canvas, el("p", { class: "empty" }, "There is no map of this lamella yet."));
    const stamp = JSON.stringify([this.review.lamella(this.number)?.choice ?? "", facts.choice]);
    this.isOutdated = this.isChanged && stamp !== this._seen && !isAnew;
    if (!this.isChanged || isAnew) {
      const isNew = stamp !== this._seen;
      this._seen = stamp;
      this._stamp = this.review.lamella(this.number)?.choice ?? "";
      if (isNew || isAnew) {
        this.targets = new Targets(facts.choice?.areas);
        this.said = null;
        if (this.selected && !this.targets.at(this.selected)) this.selected = null;
      }
    }
    this.overlay.classes ??= facts.labels && new Set(
      facts.labels.classes.filter((one) => one.wanted).map((one) => one.name));
    if (this.map && (isOther || isOtherLabels)) this._drawOverlay();
    this.fluorescence.show(this.map, facts.fluorescence);
    this._draw();
    await this.again.prepare();
  }

  // The map comes on its way before what may be done with it is known.
  _showFirst(facts) {
    if (!this.facts && facts.map) {
      this.facts = facts;
      this._openMap();
    }
    return facts;
  }

  _openMap() {
    this.map = new PixelMap(this.canvas, this.facts.map, `Map of lamella ${this.facts.label}`);
    this.labelLayers = L.layerGroup().addTo(this.map.leaflet);
    this.layer = L.layerGroup().addTo(this.map.leaflet);
    this.map.leaflet.on("click", () => !this.map.cancelDrawing && !this.labels.isOpen && this._select(null));
    this.map.drawingChanged = () => this._showDrawing();
  }

  async changed(topics) {
    const mine = [`lamella:${this.grid}:${this.number}`, `review:${this.grid}`, `grid:${this.grid}`];
    if (topics && !mine.some((one) => topics.has(one))) return;
    await this._load();
  }

  get isChanged() {
    return this.targets.isChanged;
  }

  mayLeave() {
    // eslint-disable-next-line no-alert
    return !(this.isChanged || this.labels.isChanged) || confirm("Something was changed and not saved. Leave it?");
  }

  _close() {
    clearTimeout(this._timer);
    this.labels.close();
    this.map?.close();
    this.map = null;
  }

  close() {
    this.isClosed = true;
    this.targets = new Targets([]);
    this._close();
  }

  // --- what may be done ----------------------------------------------------------------------

  get mayChange() {
    return !this.whyNot;
  }

  get whyNot() {
    const { facts, review } = this;
    if (facts.exposed || facts.begun) {
      return "Tilt series of this lamella were begun: its targets stay as they are, since what was exposed would be exposed again.";
    }
    if (this.page.isReadOnly) return "Read-only: this page only shows the session.";
    if (!review.values) return `Nothing can be changed here: ${review.problem}`;
    if (!facts.map) return "There is no map of this lamella yet.";
    const seen = review.lamella(this.number);
    if (!seen) return "This lamella has no point in the Navigator: nothing can be asked of the run.";
    if (!seen.may.includes("targets")) return `This lamella is ${seen.state}: its targets cannot be changed now.`;
    if (!facts.labels) return "Its map is not segmented: targets can be changed when it is.";
    return "";
  }

  // --- drawing -------------------------------------------------------------------------------

  _drawOverlay() {
    this.labelLayers.clearLayers();
    const { labels } = this.facts;
    if (!labels || !this.overlay.isOn || this.labels.isOpen) return;
    for (const one of labels.classes.filter((each) => this.overlay.classes.has(each.name))) {
      this.map.addTiles(labels.tiles, this.overlay.opacity, `&class=${encodeURIComponent(one.name)}`)
        .setZIndex(2).addTo(this.labelLayers);
    }
  }

  _draw() {
    this._drawMap();
    const { facts } = this;
    fill(this.heading, el("a", { href: `#/grid/${encodeURIComponent(this.grid)}` }, `Grid ${this.grid}`), " › ",
      stateMark(facts.state), ` ${facts.label} `, el("small", {}, `${facts.class} ${percent(facts.probability)} – ${facts.state}`));
    this._drawSide();
  }

  _drawSide() {
    refill(this.tools, this._tools());
    refill(this.parts.notes, this._notes());
    this.parts.notes.hidden = !this.parts.notes.childElementCount;
    refill(this.parts.chosen, this._ofChosen());
    refill(this.parts.summary, this._summary());
    this.byHand.draw();
    refill(this.parts.save, this._save());
    this.parts.save.hidden = !this.parts.save.childElementCount;
    refill(this.parts.overlay, this._overlayPart());
    this.parts.overlay.hidden = !this.facts.labels;
    refill(this.parts.fluorescence, this.fluorescence.part());
    this.parts.fluorescence.hidden = !this.fluorescence.isThere;
    refill(this.parts.legend, legend());
    this.labels.draw();
    refill(this.parts.edits, this._edits());
    this.parts.edits.hidden = !this.parts.edits.childElementCount;
  }

  _drawMap() {
    if (!this.map) return;
    this.map.redraw(this.layer, () => this._drawShapes());
  }

  _drawShapes() {
    this.drawn = [];
    const { optics, polygons } = this.facts;
    for (const corners of polygons) L.polygon(corners.map(at), STYLES.inside).addTo(this.layer);
    this.again.drawOn(this.layer);
    if (!this.again.hidesTargets) {
      this.targets.areas.forEach((area, a) => {
        const first = area.targets[0];
        if (optics && first) {
          L.polygon(ellipse([first.row, first.column], 2 * optics.image_shift_limit_px, 2 * optics.image_shift_limit_px, 0)
            .map(at), STYLES.shift).addTo(this.layer);
        }
        area.targets.forEach((target, t) => this._drawTarget({ area: a, target: t }, target));
        area.geometry_points.forEach((point, p) => this._drawPoint({ area: a, point: p }, point));
      });
    }
    this._restyle();
  }

  _drawTarget(what, target) {
    const { optics } = this.facts;
    const shapes = [];
    if (optics) {
      shapes.push(
        [L.polygon([], STYLES.ellipse), (p) => ellipse(p, optics.ellipse_px.along, optics.ellipse_px.across, optics.ellipse_px.angle_deg)],
        [L.polygon([], STYLES.beam), (p) => ellipse(p, optics.beam_diameter_px, optics.beam_diameter_px, 0)],
        [L.polygon([], STYLES.field), (p) => optics.field_corners_px.map(([row, column]) => [p[0] + row, p[1] + column])]);
    }
    const label = el("span", {
      class: `target${same(what, this.selected) ? " chosen" : ""}${target.fixed ? " fixed" : ""}${target.exposed ? " exposed" : ""}`,
      "data-apart": "", "data-target": nameOf(what, this.targets.areas),
    }, what.target === 0 ? "◎" : "", target.fixed ? "▣" : "", target.exposed ? "●" : "", nameOf(what, this.targets.areas));
    const marker = this._marker(what, target, el("span", { class: "spot", "data-handle": nameOf(what, this.targets.areas) }, label),
      `Target ${nameOf(what, this.targets.areas)}`);
    const place = (point) => shapes.forEach(([shape, corners]) => shape.setLatLngs(corners(point).map(at)));
    place([target.row, target.column]);
    shapes.forEach(([shape]) => shape.addTo(this.layer));
    this.drawn.push({ what, shapes, label, marker });
    marker.on("drag", () => {
      const point = from(marker.getLatLng());
      place(point);
      this._restyle({ what, point });
    });
  }

  _drawPoint(what, point) {
    const label = el("span", { class: `geometry${same(what, this.selected) ? " chosen" : ""}`,
      "data-point": nameOf(what, this.targets.areas) }, "◆");
    this._marker(what, point, label, `Geometry point ${nameOf(what, this.targets.areas)}`);
  }

  _marker(what, point, label, name) {
    const mayMove = this.mayChange && !point.exposed;
    const marker = this.map.handle([point.row, point.column], label, { name, draggable: mayMove, size: [26, 26] })
      .addTo(this.layer);
    marker.on("click", (event) => {
      L.DomEvent.stopPropagation(event);
      this._select(what);
    });
    if (!mayMove) {
      label.title = point.exposed ? "Exposed: it stays where it is." : this.whyNot;
      return marker;
    }
    marker.on("dragend", () => this._move(what, from(marker.getLatLng())));
    return marker;
  }

  // The middle slice of what was made of its tilt series.
  _tomogram(series) {
    if (!series?.tomogram) return null;
    const address = `/tomograms/${of(this.grid, this.number)}/${this.selected.area + 1}/${series.target}?v=${encodeURIComponent(series.tomogram)}`;
    return el("figure", { class: "tomogram" },
      el("a", { href: address, target: "_blank" },
        el("img", { src: address, loading: "lazy", alt: `Middle slice: ${series.tomogram}` })),
      el("figcaption", {}, series.tomogram));
  }

  // What overlaps is red at once, also while a target is dragged.
  _restyle(dragged = null) {
    const areas = dragged ? structuredClone(this.targets.areas) : this.targets.areas;
    if (dragged) {
      const [row, column] = dragged.point;
      Object.assign(areas[dragged.what.area].targets[dragged.what.target], { row, column });
    }
    this.conflicts = conflicts(areas, this.facts.optics);
    const inConflict = new Set(this.conflicts.flatMap(([p, q]) => [p.join(), q.join()]));
    for (const { what, shapes, label } of this.drawn) {
      const isBad = inConflict.has([what.area, what.target].join());
      label.classList.toggle("conflict", isBad);
      const [tilted, beam] = shapes;
      tilted?.[0].setStyle(isBad ? STYLES.conflict : { ...STYLES.ellipse, dashArray: "6 5" });
      beam?.[0].setStyle(isBad ? { color: STYLES.conflict.color } : STYLES.beam);
    }
    if (dragged) refill(this.parts.summary, this._summary(areas));
  }

  _select(what) {
    this.selected = what;
    const target = this.targets.at(what);
    if (target && this.map) this.map.bringIntoView([target.row, target.column]);
    this._draw();
  }

  // --- beside the map ------------------------------------------------------------------------

  // How it ends stands above the map, which on a phone may be far up.
  _showDrawing() {
    refill(this.tools, this._tools());
    this.tools.scrollIntoView({ block: "nearest" });
  }

  _tools() {
    if (this.labels.isOpen) return this.labels.toolbar();
    const steps = this._there.length > 1 ? [
      keyed("Previous", "p", () => this._step(-1), { "aria-label": "Previous lamella" }),
      keyed("Next", "n", () => this._step(1), { "aria-label": "Next lamella" })] : [];
    if (!this.map) return steps;
    return [
      steps,
      keyed("Whole", "w", () => this.map.whole(), { "aria-label": "Whole map" }),
      this.map.finishDrawing ? keyed(this.map.finishWords, "⏎", () => this.map.finishDrawing()) : [],
      this.map.cancelDrawing ? keyed("Give up", "Esc", () => this.map.cancelDrawing()) : [],
      this.mayChange ? [
        this.map.cancelDrawing ? [] : [
          keyed("Add target", "t", () => this._adds("target")),
          keyed("Add geometry point", "g", () => this._adds("point")),
          button("Add area", () => this._adds("area"))],
        keyed("Undo", "u", () => this._undo(), { disabled: !this.isChanged })] : [],
      button("Save picture", () => this.page.act(() => savePicture(this)), { title: "The map with what is drawn on it, as PNG" }),
      button("Save for picking", () => this.page.act(() => savePicking(this)),
        { title: "The map with what is drawn on it, as a map for SerialEM's Navigator, to pick targets on by hand" }),
    ].flat(2);
  }

  _notes() {
    return [
      this.whyNot ? el("p", { class: "note", "data-why": "" }, this.whyNot) : null,
      this.isOutdated ? el("p", { class: "warning" },
        "⚠ The targets of this lamella were changed elsewhere since you began. They cannot be saved over that. ",
        button("Show what is there now", () => this.page.act(() => this._load(true)))) : null,
      this.facts.reason ? el("p", {}, this.facts.reason) : null,
      this.facts.problems.map((text) => el("p", { class: "warning" }, "⚠ ", text)),
    ].flat().filter(Boolean);
  }

  _ofChosen() {
    const target = this.targets.at(this.selected);
    if (!target) return el("p", { class: "quiet" }, "Choose a target on the map, or with ] and [.");
    const name = nameOf(this.selected, this.targets.areas);
    const isPoint = this.selected.target === undefined;
    const { optics } = this.facts;
    const tracking = this.targets.areas[this.selected.area].targets[0];
    const mayChange = this.mayChange && !target.exposed;
    const act = (does) => () => this.page.act(async () => does());
    const zoom = keyed("Zoom to it", "z", () => this._zoomTo(target));
    return [
      el("h3", {}, isPoint ? `Geometry point ${name}` : `Target ${name}`),
      isPoint ? null : el("p", {}, this.selected.target === 0 ? "◎ tracking target, " : "", target.fixed ? "▣ fixed, " : "",
        `score ${(target.score ?? 0).toFixed(2)}`,
        target.series ? `; series ${target.series.name}: ${counted(target.series.pictures, "picture")}` : ""),
      this._tomogram(target.series),
      optics && tracking ? el("p", { class: "quiet" },
        `Image shift ${distanceUm(target, tracking, optics.pixel_um).toFixed(2)} µm of ${optics.image_shift_limit_um} µm; `,
        `row ${target.row.toFixed(0)}, column ${target.column.toFixed(0)}`) : null,
      target.exposed ? el("p", { class: "note" }, "It was exposed: it cannot be moved or removed.") : null,
      mayChange ? el("div", { class: "buttons" },
        isPoint ? null : keyed(target.fixed ? "Free" : "Fix", "f", act(() => this._fix()), { "data-focus": "fix" }),
        isPoint || this.selected.target === 0 ? null : keyed("Track on it", "k", act(() => this._track())),
        isPoint ? null : keyed("Best place near by", "m", () => this.page.act(() => this._improve())),
        isPoint ? null : [2, 3].map((side) => button(`Montage ${side} × ${side}`,
          () => this.page.act(() => this.byHand.tile(this.selected, side)),
          { title: "Tilt series of tiles that overlap by a tenth, in place of this target" })),
        keyed("Remove", "Del", act(() => this._remove()), { class: "grave" }), zoom) : el("div", { class: "buttons" }, zoom),
    ];
  }

  _summary(areas = this.targets.areas) {
    const n = areas.reduce((sum, area) => sum + area.targets.length, 0);
    const points = areas.reduce((sum, area) => sum + area.geometry_points.length, 0);
    return [
      el("h3", {}, counted(n, "target"), areas.length > 1 ? ` in ${areas.length} areas` : "",
        this.isChanged ? el("em", {}, " changed, not saved") : null),
      el("p", { class: "quiet" }, counted(points, "geometry point"),
        this.said ? `; total score ${this.said.total_score.toFixed(2)}` : "",
        this.facts.optics ? `; beam ${this.facts.optics.beam_diameter_um} µm, up to ${this.facts.optics.steepest_tilt_deg}°` : ""),
      el("div", { "aria-live": "polite" },
        this.conflicts?.length ? el("ul", { class: "plain conflicts" }, this.conflicts.slice(0, MOST_CONFLICTS).map(([p, q, um]) =>
          el("li", { class: "refused" }, `✕ Beams of ${nameOf({ area: p[0], target: p[1] }, areas)} and `,
            `${nameOf({ area: q[0], target: q[1] }, areas)} overlap by ${um.toFixed(2)} µm`))) : null,
        this.conflicts?.length > MOST_CONFLICTS ? el("p", { class: "refused" }, `… and ${this.conflicts.length - MOST_CONFLICTS} more`) : null,
        // Beams that overlap are told above, at once, and need not be told again.
        (this.said?.warnings ?? []).filter((text) => !/^The beams of .* overlap/.test(text)).map((text) => el("p", { class: "warning" }, "⚠ ", text))),
    ];
  }

  _save() {
    const { values } = this.review;
    const isApproved = Boolean(values) && this.number in values.approved.targets;
    // Targets that nobody has seen yet cannot be approved.
    const hasChoice = isApproved || Boolean(this.facts.choice?.stamp);
    const approve = values && !this.page.isReadOnly && hasChoice ? [
      el("p", {}, isApproved ? "✓ The targets are approved."
        : values.approved.of_others.includes(this.number) ? "Other targets than these were approved: look at them, and approve them again."
          : "The targets are not approved.",
        !isApproved && values.inspect === "wait" ? " The run waits for it." : ""),
      keyed(isApproved ? "Withdraw approval" : "Approve targets", "a", () => this.page.act(() => this._approve()),
        { class: isApproved || this.isChanged ? "" : "main", "data-focus": "approve" })] : [];
    if (!this.mayChange) return approve;
    const radio = (value, text) => el("label", {}, el("input", {
      type: "radio", name: "take", value, checked: this.take === value,
      on: { change: () => { this.take = value; } },
    }), text);
    return [
      el("fieldset", {}, el("legend", {}, "The run takes"),
        radio("all", "exactly these targets"), radio("fixed", "the fixed ones (▣), and chooses others around them")),
      el("div", { class: "buttons" },
        keyed("Save", "s", () => this.page.act(() => this._saveNow()), { class: this.isChanged ? "main" : "", "data-focus": "save" }),
        button("Drop changes", () => this.page.act(() => this._load(true)), { disabled: !this.isChanged })),
      this.facts.areas.length ? el("p", { class: "quiet" }, "They are set up already: saved ones are set up anew.") : null,
      ...approve,
    ];
  }

  _overlayPart() {
    const { labels } = this.facts;
    if (!labels) return [];
    const slider = el("input", { type: "range", min: "0", max: "100", value: 100 * this.overlay.opacity,
      "aria-label": "Opacity of the segmentation", on: { input: (event) => {
        this.overlay.opacity = Number(event.target.value) / 100;
        this.labelLayers.eachLayer((layer) => layer.setOpacity(this.overlay.opacity));
      } } });
    const toggle = (one) => el("label", { class: "class", color: one.color }, el("input", {
      type: "checkbox", checked: this.overlay.classes.has(one.name), on: { change: (event) => {
        this.overlay.classes[event.target.checked ? "add" : "delete"](one.name);
        this.overlay.isOn = true;
        this._drawOverlay();
      } },
    }), el("span", { class: "swatch", "aria-hidden": "true" }), one.name,
    one.wanted ? el("small", {}, " wanted") : one.avoided ? el("small", {}, " avoided") : "");
    return [
      el("div", { class: "line" }, el("h3", {}, "Segmentation"), slider,
        keyed(this.overlay.isOn ? "Hide" : "Show", "o", () => this._toggleOverlay())),
      el("details", { "data-keep": "classes" }, el("summary", {}, "Classes"),
        el("div", { class: "classes" }, labels.classes.map(toggle))),
    ];
  }

  _edits() {
    const mine = this.review.edits.filter((edit) => edit.number === this.number);
    if (!mine.length) return [];
    return [el("h3", {}, "Asked, and what became of it"), el("ul", { class: "plain" }, mine.toReversed().map((edit) =>
      el("li", { "data-stand": standOf(edit) }, el("b", {}, CLASS[standOf(edit)]), ` ${words(edit)}`,
        edit.at ? el("small", {}, ` ${clock(edit.at)}`) : null, edit.answer?.why ? el("p", {}, edit.answer.why) : null,
        !this.page.isReadOnly && isOpen(edit) ? button("Take back", () => this.page.act(async () => {
          await this.review.takeBack(edit);
          this._drawSide();
        })) : null)))];
  }

  // --- changing ------------------------------------------------------------------------------

  _changed() {
    this._draw();
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this._check(), CHECK_MS);
  }

  // One after the other: the server looks at one lamella at a time.
  async _check() {
    const { targets } = this;
    const { areas } = targets;
    if (!areas.length) {
      this.said = null;
      return;
    }
    if (this._isChecking) {
      this._timer = setTimeout(() => this._check(), CHECK_MS);
      return;
    }
    this._isChecking = true;
    try {
      const said = await post(`/api/check/${of(this.grid, this.number)}`, { areas });
      if (targets !== this.targets || targets.areas !== areas) return;
      this.said = said;
      targets.score(said.areas);
      refill(this.parts.chosen, this._ofChosen());
      refill(this.parts.summary, this._summary());
    } catch (error) {
      this.page.tell(error.message, "refused");
    } finally {
      this._isChecking = false;
    }
  }

  _move(what, point) {
    this.selected = what;
    if (this.map.isInside(point)) {
      this.targets.move(what, point);
    } else {
      this.page.tell("This place lies outside the map.", "refused");
    }
    this._changed();
  }

  _adds(kind) {
    const area = this.selected?.area;
    this.map.drawPoints(false, (points) => {
      if (points && this.map.isInside(points[0])) {
        const add = { target: "add", point: "addPoint", area: "addArea" }[kind];
        this.selected = this.targets[add](points[0], area);
        this._changed();
      } else {
        this._draw();
      }
    });
  }

  _ifFree(does) {
    const target = this.targets.at(this.selected);
    if (!target) return;
    if (!this.mayChange || target.exposed) {
      this.page.tell(target.exposed ? "It was exposed: it cannot be changed." : this.whyNot, "refused");
      return;
    }
    does(target);
    this._changed();
  }

  _fix() {
    if (this.selected?.target !== undefined) this._ifFree((target) => this.targets.fix(this.selected, !target.fixed));
  }

  _track() {
    if (this.selected?.target > 0) this._ifFree(() => { this.selected = this.targets.track(this.selected); });
  }

  async _improve() {
    if (this.selected?.target === undefined || !this.targets.at(this.selected)) return;
    await this.byHand.improve(this.selected);
  }

  _remove() {
    this._ifFree(() => {
      this.targets.remove(this.selected);
      this.selected = null;
    });
  }

  _undo() {
    if (!this.targets.undo()) return;
    if (!this.targets.at(this.selected)) this.selected = null;
    this._changed();
  }

  takeProposal(areas) {
    this.targets.take(areas);
    this.selected = null;
    this._changed();
  }

  // --- asking --------------------------------------------------------------------------------

  async _saveNow() {
    if (!this.mayChange) throw new Error(this.whyNot);
    try {
      const { areas, removed } = this.targets;
      const saved = await post(`/api/choice/${of(this.grid, this.number)}`,
        { of: this._stamp, areas, removed, take: this.take, redo: true });
      this.review.values = saved.review;
      await this._load(true);
      this.said = saved;
      this._drawSide();
      this.page.tell(`Saved. The run takes these targets ${this.page.nextStep}.`);
    } catch (error) {
      if (error.isStale) await this._load();
      throw error;
    }
  }

  async _approve() {
    if (this.isChanged) throw new Error("Save the targets first: what is approved is what is saved.");
    // Approved is what stands here: of others the run would not take it.
    const { [this.number]: before, ...approved } = this.review.values.approved.targets;
    if (before === undefined) approved[this.number] = this.facts.choice?.stamp ?? "";
    try {
      await this.review.approve({ targets: approved });
    } catch (error) {
      if (error.isStale) await this._load();
      throw error;
    } finally {
      this._drawSide();
    }
  }

  _toggleOverlay() {
    this.overlay.isOn = !this.overlay.isOn;
    this._drawOverlay();
    this._drawSide();
  }

  labelsOpened() {
    this.parts.labels.parentElement.classList.toggle("labels-open", this.labels.isOpen);
    this._drawOverlay();
    this._draw();
  }

  async labelsSaved() {
    this.said = null;
    await this._load();
    this.labelsOpened();
  }

  // --- keyboard ------------------------------------------------------------------------------

  key(key, event) {
    if (!this.facts) return null; // not here yet, or it could not be had
    const ofLabels = this.labels.key(key, event);
    if (ofLabels) return ofLabels;
    const target = this.targets.at(this.selected);
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
    if (step && target) {
      const by = event.shiftKey ? 10 : 1;
      return () => this._ifFree(() => this.targets.move(this.selected, [target.row + by * step[0], target.column + by * step[1]]));
    }
    const { map, mayChange } = this;
    if (step && map) return () => map.pan(step);
    return {
      n: () => this._step(1),
      p: () => this._step(-1),
      "]": () => this._nextTarget(1),
      "[": () => this._nextTarget(-1),
      Delete: () => this._remove(),
      Backspace: () => this._remove(),
      f: () => this._fix(),
      k: () => this._track(),
      m: mayChange ? () => this._improve() : null,
      x: mayChange ? () => this.byHand.split() : null,
      j: mayChange ? () => this.byHand.merge() : null,
      r: mayChange ? () => this.byHand.redistribute() : null,
      t: mayChange && map ? () => this._adds("target") : null,
      g: mayChange && map ? () => this._adds("point") : null,
      s: () => this._saveNow(),
      u: mayChange ? () => this._undo() : null,
      a: this.review.values && !this.page.isReadOnly ? () => this._approve() : null,
      o: map && this.facts.labels ? () => this._toggleOverlay() : null,
      c: map && this.fluorescence.isThere ? () => this.fluorescence.toggle() : null,
      b: () => this.page.go(`#/grid/${encodeURIComponent(this.grid)}`),
      Enter: map?.finishDrawing ? () => map.finishDrawing() : null,
      Escape: () => (map?.cancelDrawing ? map.cancelDrawing() : this._select(null)),
      w: () => map?.whole(),
      z: target && map ? () => this._zoomTo(target) : null,
      "+": () => map?.zoom(1),
      "-": () => map?.zoom(-1),
    }[key];
  }

  _zoomTo({ row, column }) {
    this.map.show([row, column], 4 * (this.facts.optics?.beam_diameter_px ?? 100));
  }

  get _there() {
    return this.page.grid(this.grid)?.lamellae.filter((one) => one.number).map((one) => one.number) ?? [];
  }

  _step(by) {
    const there = this._there;
    const index = there.indexOf(this.number);
    if (there.length > 1) {
      this.page.go(`#/lamella/${encodeURIComponent(this.grid)}/${there[(index + by + there.length) % there.length]}`);
    }
  }

  _nextTarget(by) {
    const all = this.targets.areas.flatMap((area, a) => area.targets.map((_, t) => ({ area: a, target: t })));
    if (!all.length) return;
    const index = all.findIndex((one) => same(one, this.selected));
    this._select(all[index < 0 ? (by > 0 ? 0 : all.length - 1) : (index + by + all.length) % all.length]);
  }
}

const LEGEND = [
  ["field", "what a Record picture covers"], ["beam", "the beam"],
  ["ellipse", "the beam at the steepest tilt"], ["conflict", "beams that overlap there"],
  ["shift", "how far image shift reaches"], ["◆", "geometry point"], ["◎", "tracking target"],
  ["▣", "fixed"], ["●", "exposed already"],
];

function legend() {
  return el("details", { "data-keep": "legend" }, el("summary", {}, "What is drawn"),
    el("ul", { class: "signs" }, LEGEND.map(([sign, text]) => el("li", {},
      STYLES[sign] ? el("span", { class: `sign ${sign}` }) : el("span", { class: "sign" }, sign), text))));
}

function same(what, other) {
  return Boolean(other) && what.area === other.area && what.target === other.target && what.point === other.point;
}
