// The smallest page that shows a session: where it stands, its maps, boxes and targets.

const { L } = window;

async function ask(address) {
  const answer = await fetch(address, { headers: { accept: "application/json" } });
  const values = await answer.json();
  if (!answer.ok) throw new Error(`${values.error.what} ${values.error.do}`);
  return values;
}

// A point of a map is (row, column) in its pixels; Leaflet's y points upwards.
const at = (row, column) => L.latLng(-row, column);
let map = null;

function show(tiles) {
  if (map) map.remove();
  const scale = 1 / 2 ** tiles.max_zoom;
  const crs = L.extend({}, L.CRS.Simple, {
    transformation: new L.Transformation(scale, 0, -scale, 0),
  });
  map = L.map("map", { crs, attributionControl: false, maxZoom: tiles.max_zoom + 2 });
  const [rows, columns] = tiles.shape_px;
  const bounds = L.latLngBounds(at(0, 0), at(rows, columns));
  L.tileLayer(tiles.url, {
    bounds, minZoom: 0, maxNativeZoom: tiles.max_zoom, maxZoom: tiles.max_zoom + 2, noWrap: true,
  }).addTo(map);
  map.fitBounds(bounds);
  return bounds;
}

async function showGrid(name) {
  const grid = await ask(`/api/grid/${encodeURIComponent(name)}`);
  if (!grid.map) return;
  show(grid.map.tiles);
  for (const lamella of grid.lamellae) {
    const [top, left, bottom, right] = lamella.box_px;
    L.rectangle([at(top, left), at(bottom, right)], { color: grid.classes[lamella.class]?.color })
      .bindTooltip(`${lamella.label} ${lamella.class} ${Math.round(100 * lamella.probability)} %`)
      .addTo(map);
  }
}

async function showLamella(grid, number) {
  const facts = await ask(`/api/lamella/${encodeURIComponent(grid)}/${number}`);
  document.querySelector("#facts").textContent = facts.problems.join("\n");
  if (!facts.map) return;
  const bounds = show(facts.map.tiles);
  if (facts.labels) {
    const { url, max_zoom: last } = facts.labels.tiles;
    L.tileLayer(url, { bounds, opacity: 0.4, maxNativeZoom: last, maxZoom: last + 2, noWrap: true })
      .addTo(map);
  }
  for (const area of facts.choice?.areas ?? []) {
    for (const target of area.targets) {
      const corners = facts.optics.field_corners_px.map(([row, column]) =>
        at(target.row + row, target.column + column));
      L.polygon(corners, { color: "#ffe93b", fill: false }).addTo(map);
    }
  }
}

function button(text, action) {
  const made = document.createElement("button");
  made.textContent = text;
  made.addEventListener("click", () => action().catch((error) => {
    document.querySelector("#status").textContent = error.message;
  }));
  return made;
}

async function refresh() {
  const state = await ask("/api/state");
  document.querySelector("#title").textContent = state.session;
  document.querySelector("#status").textContent = state.time_left;
  const buttons = state.grids.flatMap((grid) => [
    button(`${grid.title}: ${grid.state}`, () => showGrid(grid.name)),
    ...grid.lamellae.filter((one) => one.has_map).map((one) =>
      button(`${one.label} ${one.state}`, () => showLamella(grid.name, one.number))),
  ]);
  document.querySelector("#grids").replaceChildren(...buttons);
}

new EventSource("/api/events").addEventListener("message", (message) => {
  if (JSON.parse(message.data).changed.length) refresh();
});
refresh();
