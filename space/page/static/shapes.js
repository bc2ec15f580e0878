// Geometry on maps: pure functions of numbers. Points of a map are [row, column] in its pixels.

const CORNERS = 64;

// An ellipse with its full axes; its direction is counted from +column towards +row.
export function ellipse([row, column], along, across, angleDeg) {
  const angle = (angleDeg * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return Array.from({ length: CORNERS }, (_, k) => {
    const a = (along / 2) * Math.cos((2 * Math.PI * k) / CORNERS);
    const b = (across / 2) * Math.sin((2 * Math.PI * k) / CORNERS);
    return [row + a * sin + b * cos, column + a * cos - b * sin];
  });
}

// How far two beams overlap at the steepest tilt, in um; 0 if they do not.
export function overlapUm(p, q, optics) {
  const [[a, b], [c, d]] = optics.to_tilt_um;
  const rows = p.row - q.row;
  const columns = p.column - q.column;
  const gap = Math.hypot(a * rows + b * columns, c * rows + d * columns);
  return gap < optics.conflict_um ? optics.beam_diameter_um - gap : 0;
}

// Pairs of targets whose beams overlap: [[area, target], [area, target], um], counted from 0.
export function conflicts(areas, optics) {
  if (!optics) return [];
  const all = areas.flatMap((area, a) => area.targets.map((target, t) => [a, t, target]));
  const found = [];
  for (let i = 0; i < all.length; i++) {
    for (let k = i + 1; k < all.length; k++) {
      const um = overlapUm(all[i][2], all[k][2], optics);
      if (um > 0) found.push([[all[i][0], all[i][1]], [all[k][0], all[k][1]], um]);
    }
  }
  return found;
}

export function distanceUm(p, q, pixelUm) {
  return pixelUm * Math.hypot(p.row - q.row, p.column - q.column);
}

// --- places on the stage -------------------------------------------------------------------------

export function toStage(map, [row, column]) {
  return map.to_stage.map(([a, b, c]) => a * column + b * row + c);
}

export function toMap(map, [x, y]) {
  const [column, row] = map.to_map.map(([a, b, c]) => a * x + b * y + c);
  return [row, column];
}

// The upright box in the map, [rows, columns], around one of width and height along the stage axes.
export function boxPx(map, [width, height]) {
  const [columns, rows] = map.to_map.map(([a, b]) => Math.abs(a) * width + Math.abs(b) * height);
  return [rows, columns];
}

// The box along the stage axes that has this upright box in the map around it.
export function boxUm(map, [rows, columns], least, most) {
  const [[a, b], [c, d]] = map.to_map.map((line) => line.slice(0, 2).map(Math.abs));
  const det = a * d - b * c;
  const size = Math.max(a, b, c, d) ** 2;
  let [width, height] = [columns * map.pixel_um, rows * map.pixel_um];
  if (Math.abs(det) > 0.2 * size) {
    width = (d * columns - b * rows) / det;
    height = (a * rows - c * columns) / det;
  }
  return [width, height].map((side) => Math.min(most, Math.max(least, side)));
}

export function around([row, column], [rows, columns]) {
  return [row - rows / 2, column - columns / 2, row + rows / 2, column + columns / 2];
}

// A round length for a scale bar that is at most this long.
export function roundLength(longest) {
  const power = 10 ** Math.floor(Math.log10(longest));
  return power * ([5, 2].find((factor) => factor * power <= longest) ?? 1);
}

export function lengthText(um) {
  if (um >= 1000) return `${um / 1000} mm`;
  return um >= 1 ? `${um} µm` : `${Math.round(um * 1000)} nm`;
}

export const rounded = (value, digits = 2) => Number(value.toFixed(digits));

// Whether black text can be read on a colour #RRGGBB.
export function isLight(color) {
  const [red, green, blue] = [1, 3, 5].map((k) => parseInt(color.slice(k, k + 2), 16) / 255);
  return 0.3 * red + 0.6 * green + 0.1 * blue > 0.45;
}
