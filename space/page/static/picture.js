// The map with what is drawn on it as a PNG file, for a notebook or for picking by hand.

import { of, post, postForFile } from "./api.js";
import { el } from "./dom.js";
import { ellipse, lengthText, roundLength } from "./shapes.js";
import { nameOf } from "./targets.js";

const LARGEST_PX = 4096;

export async function savePicture(view) {
  const canvas = await painted(view);
  const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
  handOver(blob, `${view.grid}_${view.facts.label}_page.png`);
}

// The map with what is drawn on it as a map for SerialEM's Navigator, on which targets are picked.
export async function savePicking({ page, grid, number, facts, targets, overlay }) {
  const values = { areas: targets.areas, classes: facts.labels && overlay.isOn ? [...overlay.classes] : [] };
  page.tell("Making the map …");
  if (page.isReadOnly) {
    handOver(await postForFile(`/api/picking_files/${of(grid, number)}`, values), `${grid}_${facts.label}_picking.zip`);
    page.tell("Put both files into the session's directory; in SerialEM, merge the .nav file in the Navigator.");
    return;
  }
  const { files } = await post(`/api/picking/${of(grid, number)}`, values);
  page.tell(`Saved ${files.join(" and ")} in the session's directory. In SerialEM, merge the .nav file in the Navigator and load the map.`);
}

function handOver(blob, name) {
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

async function painted({ facts, targets, overlay, map }) {
  const { tiles } = facts.map;
  let zoom = tiles.max_zoom;
  while (zoom > 0 && Math.max(...tiles.shape_px) / 2 ** (tiles.max_zoom - zoom) > LARGEST_PX) zoom -= 1;
  const scale = 1 / 2 ** (tiles.max_zoom - zoom);
  const [rows, columns] = tiles.shape_px.map((side) => Math.ceil(side * scale));
  const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  const pen = canvas.getContext("2d");
  pen.filter = map.filter; // as bright as it is looked at
  await paintTiles(pen, tiles, zoom, "", 1);
  pen.filter = "none";
  if (facts.labels && overlay.isOn) {
    for (const name of overlay.classes) {
      await paintTiles(pen, facts.labels.tiles, zoom, `&class=${encodeURIComponent(name)}`, overlay.opacity);
    }
  }
  paintTargets(pen, facts, targets.areas, scale);
  paintScale(pen, canvas, facts.map.pixel_um / scale);
  return canvas;
}

async function paintTiles(pen, tiles, zoom, query, opacity) {
  const side = tiles.tile_px;
  const jobs = [];
  for (let y = 0; y * side < pen.canvas.height; y++) {
    for (let x = 0; x * side < pen.canvas.width; x++) {
      const image = new Image();
      image.src = `/${tiles.url.replace("{z}", zoom).replace("{x}", x).replace("{y}", y)}${query}`;
      jobs.push(image.decode().then(() => [image, x * side, y * side]));
    }
  }
  pen.globalAlpha = opacity;
  for (const [image, x, y] of await Promise.all(jobs)) pen.drawImage(image, x, y);
  pen.globalAlpha = 1;
}

function paintTargets(pen, { optics }, areas, scale) {
  const line = (points, color, dashes = []) => {
    pen.beginPath();
    points.forEach(([row, column], k) => pen[k ? "lineTo" : "moveTo"](column * scale, row * scale));
    pen.closePath();
    pen.setLineDash(dashes);
    pen.strokeStyle = color;
    pen.stroke();
  };
  pen.lineWidth = 2;
  pen.font = "bold 22px sans-serif";
  areas.forEach((area, a) => area.targets.forEach((target, t) => {
    const point = [target.row, target.column];
    if (optics) {
      line(optics.field_corners_px.map(([row, column]) => [point[0] + row, point[1] + column]), "#ffe93b");
      line(ellipse(point, optics.beam_diameter_px, optics.beam_diameter_px, 0), "#b4d8f6");
      line(ellipse(point, optics.ellipse_px.along, optics.ellipse_px.across, optics.ellipse_px.angle_deg), "#b4d8f6", [8, 6]);
    }
    write(pen, `${t === 0 ? "◎" : ""}${nameOf({ area: a, target: t }, areas)}`, target.column * scale + 6, target.row * scale - 6);
  }));
}

function paintScale(pen, canvas, pixelUm) {
  const um = roundLength(canvas.width * 0.15 * pixelUm);
  const length = um / pixelUm;
  pen.fillStyle = "#000";
  pen.fillRect(18, canvas.height - 36, length + 8, 18);
  pen.fillStyle = "#fff";
  pen.fillRect(22, canvas.height - 32, length, 10);
  write(pen, lengthText(um), 22, canvas.height - 44);
}

function write(pen, text, x, y) {
  pen.setLineDash([]);
  pen.lineWidth = 5;
  pen.strokeStyle = "#000";
  pen.strokeText(text, x, y);
  pen.lineWidth = 2;
  pen.fillStyle = "#fff";
  pen.fillText(text, x, y);
}
