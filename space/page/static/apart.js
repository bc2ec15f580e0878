// Labels beside what they name, so that none covers another. Pure: all in pixels of the screen.

const GAP = 3;
const FAR = [0, 10, 20, 32, 46]; // longer lines cross each other, and nobody follows them
// Above and to the right first, as on a map of a town; [across, down].
const AROUND = [[1, -1], [-1, -1], [1, 1], [-1, 1], [0, -1], [0, 1], [1, 0], [-1, 0]];

const meet = (p, q) => p.left < q.right && q.left < p.right && p.top < q.bottom && q.top < p.bottom;

function moved({ thing, size: [width, height] }, [across, down], far) {
  const middle = [(thing.left + thing.right) / 2, (thing.top + thing.bottom) / 2];
  const reach = [(thing.right - thing.left) / 2, (thing.bottom - thing.top) / 2];
  const isAside = across !== 0 && down !== 0;
  // Aside, a label begins where the thing ends in height and need not be past it in width.
  const x = middle[0] + across * ((isAside ? 0 : reach[0] + GAP) + width / 2 + far);
  const y = middle[1] + down * (reach[1] * Math.abs(down) + GAP * Math.abs(down) + height / 2 * Math.abs(down) + far);
  return { left: x - width / 2, top: y - height / 2, right: x + width / 2, bottom: y + height / 2 };
}

// `items`: [{ thing: rectangle, size: [width, height] }], those that matter most in front.
// `others` are rectangles that have no label. Returns for each item the rectangle of its label, or
// null where there is no room for one within so many steps away from it.
export function apart(items, others, steps = FAR.length) {
  const things = [...items.map((one) => one.thing), ...others];
  const placed = [];
  return items.map((item) => {
    const isFree = (place, kept) => !placed.some((one) => meet(place, one)) && !kept.some((one) => meet(place, one));
    for (const kept of [things, []]) { // rather over a thing than nowhere
      for (const far of FAR.slice(0, steps)) {
        for (const direction of AROUND) {
          const place = moved(item, direction, far);
          if (isFree(place, kept)) {
            placed.push(place);
            return place;
          }
        }
      }
      if (steps === 1) break;
    }
    return null;
  });
}
