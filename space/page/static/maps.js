// A map from tiles, with a scale bar. Points are [row, column] in its pixels; Leaflet's y points up.

import { el } from "./dom.js";
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
      maxBounds: this.bounds.pad(0.5),
    });
    place.setAttribute("role", "application");
    place.setAttribute("aria-label", label);
    this.addTiles(tiles, 1).setZIndex(1);
    this._addScale(pixelUm);
    this.whole();
    // The place may have got its size only now, or get another one when a phone is turned.
    this._sizes = new ResizeObserver(() => this.leaflet.invalidateSize({ animate: false }));
    this._sizes.observe(place);
  }

  addTiles(tiles, opacity, query = "") {
    return L.tileLayer(`/${tiles.url}${query}`, {
      bounds: this.bounds, opacity, minZoom: -2, minNativeZoom: 0, maxNativeZoom: tiles.max_zoom,
      maxZoom: tiles.max_zoom + 3, noWrap: true, tileSize: tiles.tile_px,
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

  pointAt(event) {
    return from(this.leaflet.mouseEventToLatLng(event));
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

  // A handle that can be dragged, also by a finger; it can be reached by the keyboard.
  handle(point, content, { name, draggable = false, size = [28, 28], ...rest } = {}) {
    const marker = L.marker(at(point), {
      draggable,
      keyboard: true,
      icon: L.divIcon({ html: content, className: "handle", iconSize: size }),
      autoPanOnFocus: false,
      ...rest,
    });
    marker.on("add", () => marker.getElement()?.setAttribute("aria-label", name ?? ""));
    return marker;
  }

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
    this.leaflet.dragging.disable();
    place.classList.add("drawing");
    for (const [event, act] of Object.entries(acts)) place.addEventListener(event, act, true);
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
    this.finishDrawing = isPolygon ? finish : null;
    place.classList.add("drawing");
    this.leaflet.on("click", click).on("dblclick", finish);
  }

  close() {
    this._sizes.disconnect();
    this.leaflet.remove();
  }
}
