// Labels over a map: what the model found, as tiles, and strokes on it. Only what is seen is drawn.
// A stroke is { kind, class, points: [[row, column], …], radius_px }; without a class it takes away
// what was drawn, so that the model's labels show again.

import { at } from "./maps.js";

const { L } = window;
const MOST_TILES = 300;
const HATCH_PX = 9;

// A mask as the server shows it, with its picture decoded.
export async function withImage(shown) {
  const image = shown.png ? Object.assign(new Image(), { src: shown.png }) : null;
  await image?.decode();
  return { ...shown, image };
}

export class LabelCanvas {
  // `tiles` as of a map; `colors`: class → colour, none for what is not shown, which hides labels all
  // the same; `maskOf`: a fill → { box_px, step_px, image }, or
  // nothing while it is not known.
  constructor(map, tiles, colors, maskOf) {
    Object.assign(this, { map, tiles, colors, maskOf });
    this.strokes = [];
    this.live = null; // the one that is being drawn
    this.opacity = 0.55;
    this.showsModel = true;
    this.proposed = []; // { class, shown }: hatched
    this.marks = []; // { point, inside }: clicks
    this.ring = null; // { point, radius_px } of the brush
    this._images = new Map();
    const pane = map.leaflet.getPane("labels") ?? map.leaflet.createPane("labels");
    pane.style.zIndex = 350; // over the tiles, under targets
    pane.style.pointerEvents = "none";
    this.canvas = document.createElement("canvas");
    this.canvas.className = "label-canvas";
    pane.append(this.canvas);
    this._drawn = document.createElement("canvas"); // the strokes alone
    this._ground = document.createElement("canvas"); // strokes of a class without colour
    this._hatched = document.createElement("canvas"); // what is proposed
    this._moved = () => this.redraw();
    map.leaflet.on("move zoom resize viewreset", this._moved);
    this.redraw();
  }

  close() {
    this.map.leaflet.off("move zoom resize viewreset", this._moved);
    cancelAnimationFrame(this._frame);
    this._isClosed = true;
    this.canvas.remove();
  }

  show(strokes) {
    this.strokes = strokes;
    this.redraw();
  }

  propose(proposed, marks) {
    Object.assign(this, { proposed, marks });
    this.redraw();
  }

  redraw() {
    this._isStale = true;
    this._paintSoon();
  }

  // The part of a stroke from one point to the next, while it is being drawn.
  extend(stroke, from) {
    if (this._isStale) return;
    this._brush(this._pens(), stroke, stroke.points.slice(Math.max(0, from - 1)));
    this._paintSoon();
  }

  setRing(ring) {
    this.ring = ring;
    this._paintSoon();
  }

  // --- painting ------------------------------------------------------------------------------

  _paintSoon() {
    if (this._isClosed) return;
    this._frame ??= requestAnimationFrame(() => {
      this._frame = null;
      this._paint();
    });
  }

  _place() {
    const { leaflet } = this.map;
    const size = leaflet.getSize();
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.canvas, this._drawn, this._ground, this._hatched]) {
      const [width, height] = [Math.round(size.x * ratio), Math.round(size.y * ratio)];
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    }
    this.canvas.style.width = `${size.x}px`;
    this.canvas.style.height = `${size.y}px`;
    L.DomUtil.setPosition(this.canvas, leaflet.containerPointToLayerPoint([0, 0]));
    const origin = leaflet.layerPointToContainerPoint(
      leaflet.project(at([0, 0])).subtract(leaflet.getPixelOrigin()));
    this._view = { scale: this.map.scale * ratio, x: origin.x * ratio, y: origin.y * ratio, ratio };
  }

  _paint() {
    if (this._isStale) {
      this._place();
      this._paintStrokes();
      this._paintProposed();
      this._isStale = false;
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.globalAlpha = this.opacity;
    if (this.showsModel) this._paintModel(pen);
    if (this.showsModel) { // what was drawn hides the model's labels, and is not mixed with them
      pen.globalAlpha = 1;
      pen.globalCompositeOperation = "destination-out";
      pen.drawImage(this._drawn, 0, 0);
      pen.drawImage(this._ground, 0, 0);
      pen.globalCompositeOperation = "source-over";
      pen.globalAlpha = this.opacity;
    } else {
      pen.drawImage(this._ground, 0, 0);
    }
    pen.drawImage(this._drawn, 0, 0);
    pen.globalAlpha = 1;
    if (this.proposed.length) pen.drawImage(this._hatched, 0, 0);
    this._paintMarks(pen);
    this._paintRing(pen);
  }

  _paintModel(pen) {
    const { tiles, _view: view } = this;
    const zoom = Math.max(0, Math.min(tiles.max_zoom, Math.ceil(Math.log2(view.scale / view.ratio) + tiles.max_zoom)));
    const side = tiles.tile_px * 2 ** (tiles.max_zoom - zoom);
    const across = (offset, length, limit) => {
      const first = Math.max(0, Math.floor(-offset / view.scale / side));
      const last = Math.min(Math.ceil(limit / side) - 1, Math.floor((length - offset) / view.scale / side));
      return Array.from({ length: Math.max(0, last - first + 1) }, (_, k) => first + k);
    };
    pen.imageSmoothingEnabled = false;
    for (const y of across(view.y, this.canvas.height, tiles.shape_px[0])) {
      for (const x of across(view.x, this.canvas.width, tiles.shape_px[1])) {
        const image = this._tile(zoom, x, y);
        if (!image) continue;
        // Whole pixels of the screen: else thin lines show between tiles.
        const [left, right] = [x, x + 1].map((one) => Math.round(view.x + one * side * view.scale));
        const [top, bottom] = [y, y + 1].map((one) => Math.round(view.y + one * side * view.scale));
        pen.drawImage(image, left, top, right - left, bottom - top);
      }
    }
  }

  _tile(zoom, x, y) {
    const key = `${zoom}/${x}/${y}`;
    let image = this._images.get(key);
    if (!image) {
      image = new Image();
      image.onload = () => this._paintSoon();
      image.src = `/${this.tiles.url.replace("{z}", zoom).replace("{x}", x).replace("{y}", y)}`;
      if (this._images.size >= MOST_TILES) this._images.delete(this._images.keys().next().value);
      this._images.set(key, image);
    }
    return image.complete && image.naturalWidth ? image : null;
  }

  _pen(canvas) {
    const { scale, x, y } = this._view;
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, x, y);
    return pen;
  }

  _paintStrokes() {
    for (const canvas of [this._drawn, this._ground]) {
      const plain = canvas.getContext("2d");
      plain.setTransform(1, 0, 0, 1, 0, 0);
      plain.clearRect(0, 0, canvas.width, canvas.height);
    }
    const pens = this._pens();
    for (const stroke of this.live ? [...this.strokes, this.live] : this.strokes) {
      if (stroke.kind === "brush") this._brush(pens, stroke, stroke.points);
      else if (stroke.kind === "polygon") this._polygon(pens, stroke);
      else this._fill(pens, stroke);
    }
  }

  _pens() {
    return [this._pen(this._drawn), this._pen(this._ground)];
  }

  // A class without colour takes away what was drawn, and is drawn among what only hides.
  _with([pen, ground], stroke, paint) {
    const color = stroke.class ? this.colors[stroke.class] : null;
    for (const [one, shows] of [[pen, Boolean(color)], [ground, Boolean(stroke.class) && !color]].filter(([each]) => each)) {
      one.globalCompositeOperation = shows ? "source-over" : "destination-out";
      one.fillStyle = color ?? "#000";
      one.strokeStyle = one.fillStyle;
      paint(one);
      one.globalCompositeOperation = "source-over";
    }
  }

  _brush(pens, stroke, points) {
    this._with(pens, stroke, (pen) => {
      pen.beginPath();
      if (points.length === 1) {
        pen.arc(points[0][1], points[0][0], stroke.radius_px, 0, 2 * Math.PI);
        pen.fill();
        return;
      }
      points.forEach(([row, column], k) => pen[k ? "lineTo" : "moveTo"](column, row));
      pen.lineWidth = 2 * stroke.radius_px;
      pen.lineCap = "round";
      pen.lineJoin = "round";
      pen.stroke();
    });
  }

  _polygon(pens, stroke) {
    this._with(pens, stroke, (pen) => {
      pen.beginPath();
      stroke.points.forEach(([row, column], k) => pen[k ? "lineTo" : "moveTo"](column, row));
      pen.closePath();
      pen.fill("evenodd");
    });
  }

  // Stripes of the class's colour, as wide on the screen at each zoom.
  _paintProposed() {
    const plain = this._hatched.getContext("2d");
    plain.setTransform(1, 0, 0, 1, 0, 0);
    plain.clearRect(0, 0, this._hatched.width, this._hatched.height);
    if (!this.proposed.length) return;
    const pen = this._pen(this._hatched);
    for (const one of this.proposed.filter((each) => this.colors[each.class])) this._fill([pen], one, one.shown);
    plain.setTransform(1, 0, 0, 1, 0, 0);
    plain.globalCompositeOperation = "destination-in";
    plain.fillStyle = plain.createPattern(this._stripes(), "repeat");
    plain.fillRect(0, 0, this._hatched.width, this._hatched.height);
    plain.globalCompositeOperation = "source-over";
  }

  _stripes() {
    const side = Math.round(HATCH_PX * this._view.ratio);
    const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
    const pen = canvas.getContext("2d");
    pen.fillStyle = "rgba(0, 0, 0, .25)";
    pen.fillRect(0, 0, side, side);
    pen.lineWidth = side / 3;
    pen.beginPath();
    for (const shift of [-side, 0, side]) {
      pen.moveTo(shift - side, 2 * side);
      pen.lineTo(shift + 2 * side, -side);
    }
    pen.stroke();
    return canvas;
  }

  _paintMarks(pen) {
    const { scale, x, y, ratio } = this._view;
    for (const { point: [row, column], inside } of this.marks) {
      const [across, down, side] = [x + column * scale, y + row * scale, 7 * ratio];
      pen.fillStyle = inside ? "#0c6640" : "#a8111a";
      pen.strokeStyle = "#fff";
      pen.lineWidth = 2 * ratio;
      pen.beginPath();
      pen.arc(across, down, side, 0, 2 * Math.PI);
      pen.fill();
      pen.stroke();
      pen.beginPath();
      pen.moveTo(across - side / 2, down);
      pen.lineTo(across + side / 2, down);
      if (inside) {
        pen.moveTo(across, down - side / 2);
        pen.lineTo(across, down + side / 2);
      }
      pen.stroke();
    }
  }

  _fill(pens, stroke, mask = this.maskOf(stroke)) {
    if (!mask?.image) return;
    const [top, left] = mask.box_px;
    const { image, step_px: step } = mask;
    mask.tinted ??= this._tinted(image, stroke);
    this._with(pens, stroke, (pen) => {
      pen.imageSmoothingEnabled = false;
      pen.drawImage(mask.tinted, left, top, image.naturalWidth * step, image.naturalHeight * step);
    });
  }

  _tinted(image, stroke) {
    const canvas = Object.assign(document.createElement("canvas"), { width: image.naturalWidth, height: image.naturalHeight });
    const pen = canvas.getContext("2d");
    pen.drawImage(image, 0, 0);
    pen.globalCompositeOperation = "source-in";
    pen.fillStyle = (stroke.class && this.colors[stroke.class]) || "#000";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    return canvas;
  }

  _paintRing(pen) {
    if (!this.ring) return;
    const { scale, x, y, ratio } = this._view;
    const [row, column] = this.ring.point;
    for (const [color, wider] of [["#000", 3], ["#fff", 1.5]]) {
      pen.beginPath();
      pen.arc(x + column * scale, y + row * scale, Math.max(this.ring.radius_px * scale, 2), 0, 2 * Math.PI);
      pen.strokeStyle = color;
      pen.lineWidth = wider * ratio;
      pen.stroke();
    }
  }
}
