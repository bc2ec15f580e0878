// A map of one picture, which can be another one a moment later.

import { PixelMap } from "./maps.js";

const { L } = window;

export class OnePictureMap extends PixelMap {
  addTiles(tiles, opacity) {
    const layer = L.imageOverlay(tiles.url, this.bounds, { opacity, className: "section" }).addTo(this.leaflet);
    layer.getContainer = () => layer.getElement();
    return layer;
  }
}

export function oneTile(url, shapePx) {
  return { url, shape_px: shapePx, tile_px: Math.max(...shapePx), max_zoom: 0 };
}
