// A map from tiles, with a scale bar. Points are [row, column] in its pixels; Leaflet's y points up.

import { apart } from "./apart.js";
import { el, fill } from "./dom.js";
import { lengthText, roundLength } from "./shapes.js";

const { L } = window;

export const STYLES = {
  field: { color: "#ffe93b", weight: 2, fill: false, interactive: false },
  beam: { color: "#b4d8f6", weight: 1.5, fill: false, interactive: false },
  ellipse: { color: "#b4d8f6", weight: 1.5, dashArray: "6 5", fill: false, interactive: false },
  conflict: { color: "#ff4d42", weight: 3.5, fill: true, fillColor: "#ff4d42", fillOpacity: 0.18 },
  shift: { color: "#ffffff", weight: 1, dashArray: "2 6", fill: false, interactive: false },
  proposal: { color: "#5ad1ff", weight: 2, dashArray: "4 3", fill: false, interactive: false },
  inside: { color: "#36c383", weight: 2, fill: false, interactive: false },
  outside: { color: "#ff9f57", weight: 2, dashArray: "8 4", fillOpacity: 0.25, interactive: false },
};

export const at = ([row, column]) => L.latLng(-row, column);
export const from = (latlng) => [-latlng.lat, latlng.lng];

const light = { brightness: 1, contrast: 1 }; // of all maps; a person sets it once
const DRAWN_PX = 9; // half of what a label names, on the screen, where nothing else is known
const SHORTEST_LEAD_PX = 10;
const PAN_PX = 80;
const IN_THE_MIDDLE = "In the middle of the view";
const MOST_WORDS = 2; // of a label: number, class, probability

export class PixelMap {
  constructor(place, facts, label) {
    const { tiles, pixel_um: pixelUm } = facts;
    const scale = 1 / 2 ** tiles.max_zoom;
    const crs = L.extend({}, L.CRS.Simple, { transformation: new L.Transformation(scale, 0, -scale, 0) });
    this.shape = tiles.shape_px;
    this.tiles = tiles;
    this.bounds = L.latLngBounds(at([0, 0]), at(this.shape));
    this.leaflet = L.map(place, {
      crs,
      attributionControl: false,
      zoomSnap: 0.25,
      zoomDelta: 0.5,
      wheelPxPerZoomLevel: 120,
      minZoom: -2,
      maxZoom: tiles.max_zoom + 3,
      doubleClickZoom: false,
      keyboard: false,
      zoomAnimation: false,
      fadeAnimation: false,
      inertia: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      maxBounds: this.bounds.pad(0.5),
    });
    place.setAttribute("role", "application");
    place.setAttribute("aria-label", label);
    // The whole map, coarse, is below: it is there at once, and shows where two tiles do not quite meet.
    this.pictures = [
      this.addTiles(tiles, 1, "", { maxNativeZoom: 0, maxZoom: tiles.max_zoom }).setZIndex(0),
      this.addTiles(tiles, 1).setZIndex(1)];
    if (pixelUm) this._addScale(pixelUm);
    this._addLight();
    this._minds = new AbortController();
    this._mindHandles(place);
    this.leads = this.leaflet.createPane("leads"); // below the labels, above what they name
    this.note = el("p", { class: "map-note", role: "status", hidden: true });
    place.append(this.note);
    this.whole();
    this._shine();
    this.leaflet.on("zoomend resize", () => this.placeLabels());
    // The place may have got its size only now, or get another one when a phone is turned.
    this._sizes = new ResizeObserver(() => this.leaflet.invalidateSize({ animate: false }));
    this._sizes.observe(place);
  }

  addTiles(tiles, opacity, query = "", rest = {}) {
    return L.tileLayer(`/${tiles.url}${query}`, {
      bounds: this.bounds, opacity, minZoom: -2, minNativeZoom: 0, maxNativeZoom: tiles.max_zoom,
      maxZoom: tiles.max_zoom + 3, noWrap: true, tileSize: tiles.tile_px, ...rest,
    }).addTo(this.leaflet);
  }

  // Pixels of the screen for a pixel of the map.
  get scale() {
    return 2 ** (this.leaflet.getZoom() - this.tiles.max_zoom);
  }

  whole() {
    this.leaflet.fitBounds(this.bounds, { animate: false });
  }

  show([row, column], halfPx) {
    this.leaflet.fitBounds(
      L.latLngBounds(at([row - halfPx, column - halfPx]), at([row + halfPx, column + halfPx])),
      { animate: false });
  }

  bringIntoView(point) {
    if (!this.leaflet.getBounds().contains(at(point))) this.leaflet.panTo(at(point), { animate: false });
  }

  zoom(step) {
    this.leaflet.setZoom(this.leaflet.getZoom() + step);
  }

  pan([down, across]) {
    this.leaflet.panBy([PAN_PX * across, PAN_PX * down], { animate: false });
  }

  pointAt(event) {
    return from(this.leaflet.mouseEventToLatLng(event));
  }

  // Of what is seen: whoever has no mouse puts things there, and moves them from there.
  get middle() {
    return from(this.leaflet.getCenter());
  }

  isInside([row, column]) {
    return row >= 0 && column >= 0 && row <= this.shape[0] && column <= this.shape[1];
  }

  _addScale(pixelUm) {
    const bar = el("div", { class: "bar" });
    const text = el("span", {});
    const control = L.control({ position: "bottomleft" });
    control.onAdd = () => el("div", { class: "scale" }, text, bar);
    control.addTo(this.leaflet);
    const update = () => {
      const pxPerUm = this.scale / pixelUm;
      const um = roundLength(130 / pxPerUm);
      bar.style.width = `${um * pxPerUm}px`;
      text.textContent = lengthText(um);
    };
    this.leaflet.on("zoomend", update);
    this.leaflet.whenReady(update);
  }

  _addLight() {
    const slider = (name) => el("label", {}, name, el("input", {
      type: "range", min: "0.25", max: "4", step: "0.05", value: light[name], "aria-label": name,
      on: { input: (event) => {
        light[name] = Number(event.target.value);
        this._shine();
      } },
    }));
    const sliders = Object.keys(light).map(slider);
    const usual = el("button", { type: "button", on: { click: () => {
      for (const one of sliders) one.querySelector("input").value = 1;
      Object.assign(light, { brightness: 1, contrast: 1 });
      this._shine();
    } } }, "Reset");
    const control = L.control({ position: "topright" });
    control.onAdd = () => {
      const made = el("details", { class: "light" },
        el("summary", { title: "Brightness and contrast", "aria-label": "Brightness and contrast" }, "◐"), sliders, usual);
      L.DomEvent.disableClickPropagation(made);
      L.DomEvent.disableScrollPropagation(made);
      return made;
    };
    control.addTo(this.leaflet);
  }

  get filter() {
    return light.brightness === 1 && light.contrast === 1 ? "none"
      : `brightness(${light.brightness}) contrast(${light.contrast})`;
  }

  _shine() {
    for (const one of this.pictures) one.getContainer().style.filter = this.filter;
  }

  // Draw the handles and shapes of a layer anew; what has the keyboard keeps it.
  redraw(layer, draws) {
    const here = document.activeElement;
    const focused = this.leaflet.getContainer().contains(here) ? here.dataset.focus : undefined;
    layer.clearLayers();
    draws();
    this.placeLabels();
    if (focused === undefined || document.activeElement === here) return;
    [...this.leaflet.getContainer().querySelectorAll("[data-focus]")]
      .find((one) => one.dataset.focus === focused)?.focus({ preventScroll: true });
  }

  // Put each label where it covers no other one, with as many words as fit.
  placeLabels() {
    const place = this.leaflet.getContainer();
    const all = [...place.querySelectorAll(".leaflet-marker-pane .handle")].map((handle) => {
      const { x, y } = L.DomUtil.getPosition(handle);
      const label = handle.querySelector("[data-apart]");
      const [rows, columns] = label?.boxPx ?? [0, 0];
      const thing = label?.boxPx
        ? { left: x, top: y, right: x + columns * this.scale, bottom: y + rows * this.scale }
        : { left: x - DRAWN_PX, top: y - DRAWN_PX, right: x + DRAWN_PX, bottom: y + DRAWN_PX };
      return { label, thing, x, y };
    });
    const named = all.filter((one) => one.label);
    named.sort((p, q) => q.label.classList.contains("chosen") - p.label.classList.contains("chosen"));
    const others = all.filter((one) => !one.label).map((one) => one.thing);
    for (const { label } of named) label.hidden = false;
    let places = [];
    for (let words = MOST_WORDS; words >= 0; words -= 1) {
      place.dataset.words = words;
      for (const one of named) one.size = [one.label.offsetWidth, one.label.offsetHeight];
      places = apart(named, others, words ? 1 : undefined);
      if (places.every(Boolean)) break;
    }
    named.forEach(({ label, x, y }, k) => putLabel(label, places[k], x, y));
    fill(this.leads, named.map((one, k) => places[k] && lead(one, places[k])));
    const hidden = places.filter((one) => !one).length;
    this.note.hidden = !hidden;
    this.note.textContent = hidden ? `${hidden} of ${places.length} numbers are hidden: zoom in to see them.` : "";
  }

  // A handle that is drawn anew is lost to the finger that holds it: what comes from the server meanwhile
  // is shown when it has let go. `letGo` waits for that.
  _mindHandles(place) {
    this.isHeld = false;
    this._waiting = [];
    const options = { capture: true, signal: this._minds.signal };
    place.addEventListener("pointerdown", (event) => {
      this.isHeld = event.target.closest(".handle") !== null;
    }, options);
    const ends = () => setTimeout(() => { // after Leaflet has told where it was let go
      this.isHeld = false;
      this._waiting.splice(0).forEach((goOn) => goOn());
    });
    for (const kind of ["pointerup", "pointercancel", "blur"]) window.addEventListener(kind, ends, options);
  }

  letGo() {
    return this.isHeld ? new Promise((goOn) => { this._waiting.push(goOn); }) : Promise.resolve();
  }

  // A handle that can be dragged, also by a finger; it can be reached by the keyboard.
  handle(point, content, { name, draggable = false, size = [28, 28], ...rest } = {}) {
    const marker = L.marker(at(point), {
      draggable,
      keyboard: true,
      icon: L.divIcon({ html: content, className: "handle", iconSize: size }),
      autoPanOnFocus: false,
      ...rest,
    });
    marker.on("dragstart", () => fill(this.leads));
    marker.on("add", () => {
      marker.getElement()?.setAttribute("aria-label", name ?? "");
      marker.getElement()?.setAttribute("data-focus", `map ${name}`);
      // Leaflet lets handles be reached by Tab, and does nothing when they are pressed.
      marker.getElement()?.addEventListener("keydown", (event) => {
        if ((event.key !== "Enter" && event.key !== " ") || this.finishDrawing) return;
        event.preventDefault();
        event.stopPropagation();
        marker.fire("click", { originalEvent: event });
      });
    });
    return marker;
  }

  // What a person began to draw and may end or give up; a view shows it.
  drawingChanged() {}

  // Draw a box by dragging; a click gives the usual size. `done` gets null when it was given up.
  drawBox(usualPx, done) {
    const place = this.leaflet.getContainer();
    let start = null;
    let shown = null;
    const leave = (result) => {
      for (const [event, act] of Object.entries(acts)) place.removeEventListener(event, act, true);
      place.classList.remove("drawing");
      shown?.remove();
      this.leaflet.dragging.enable();
      this.cancelDrawing = null;
      this.finishDrawing = null;
      done(result);
    };
    const acts = {
      pointerdown: (event) => {
        if (event.button !== 0 || event.target.closest(".leaflet-control")) return;
        event.stopPropagation();
        start = this.pointAt(event);
        shown = L.rectangle([at(start), at(start)], { className: "drawn", interactive: false })
          .addTo(this.leaflet);
      },
      pointermove: (event) => start && shown.setBounds([at(start), at(this.pointAt(event))]),
      pointerup: (event) => {
        if (!start) return;
        const end = this.pointAt(event);
        const size = [0, 1].map((k) => Math.abs(end[k] - start[k]));
        const isClick = Math.max(...size) * this.scale < 6;
        leave({
          point: isClick ? start : [0, 1].map((k) => (start[k] + end[k]) / 2),
          size: isClick ? usualPx : size,
        });
      },
    };
    this.cancelDrawing?.();
    this.cancelDrawing = () => leave(null);
    this.finishDrawing = () => leave({ point: this.middle, size: usualPx });
    this.finishWords = IN_THE_MIDDLE;
    this.leaflet.dragging.disable();
    place.classList.add("drawing");
    for (const [event, act] of Object.entries(acts)) place.addEventListener(event, act, true);
    this.drawingChanged();
  }

  // Ask for one place, or (isPolygon) for corners until Enter, a double click or the first corner.
  drawPoints(isPolygon, done) {
    const place = this.leaflet.getContainer();
    const points = [];
    const line = L.polyline([], { className: "drawn", interactive: false }).addTo(this.leaflet);
    const leave = (result) => {
      this.leaflet.off("click", click).off("dblclick", finish);
      place.classList.remove("drawing");
      line.remove();
      this.cancelDrawing = null;
      this.finishDrawing = null;
      done(result);
    };
    const finish = () => leave(points.length >= 3 ? points : null);
    const click = (event) => {
      const point = from(event.latlng);
      if (!isPolygon) return leave([point]);
      const near = (other) => Math.hypot(point[0] - other[0], point[1] - other[1]) * this.scale < 8;
      if (points.length >= 3 && near(points[0])) return finish();
      if (!points.length || !near(points.at(-1))) points.push(point);
      line.setLatLngs(points.map(at));
      return undefined;
    };
    this.cancelDrawing?.();
    this.cancelDrawing = () => leave(null);
    this.finishDrawing = isPolygon ? finish : () => leave([this.middle]);
    this.finishWords = isPolygon ? "Done" : IN_THE_MIDDLE;
    place.classList.add("drawing");
    this.leaflet.on("click", click).on("dblclick", finish);
    this.drawingChanged();
  }

  close() {
    this._sizes.disconnect();
    this._minds.abort();
    this._waiting.splice(0).forEach((goOn) => goOn());
    this.leaflet.panBy = () => this.leaflet; // after a drag that ended just now Leaflet glides on, in the next frame
    this.leaflet.remove();
  }
}

function putLabel(label, place, x, y) {
  label.hidden = !place;
  if (!place) return;
  const origin = label.offsetParent ? label.offsetParent.offsetWidth / 2 : 0;
  label.style.left = `${place.left - x + origin}px`;
  label.style.top = `${place.top - y + origin}px`;
}

// A line from what a label names to the label, where that lies apart from it.
function lead({ label, thing }, place) {
  const within = (value, least, most) => Math.min(Math.max(value, least), most);
  const end = [within((thing.left + thing.right) / 2, place.left, place.right),
    within((thing.top + thing.bottom) / 2, place.top, place.bottom)];
  const begin = [within(end[0], thing.left, thing.right), within(end[1], thing.top, thing.bottom)];
  const [across, down] = [end[0] - begin[0], end[1] - begin[1]];
  const length = Math.hypot(across, down);
  if (length < SHORTEST_LEAD_PX) return null;
  const line = el("div", { class: "lead", color: label.style.getPropertyValue("--color") || null });
  line.style.left = `${begin[0]}px`;
  line.style.top = `${begin[1]}px`;
  line.style.width = `${length}px`;
  line.style.transform = `rotate(${Math.atan2(down, across)}rad)`;
  return line;
}
