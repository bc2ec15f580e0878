// The targets of a lamella as a person works on them: each change makes a new state, so that it
// can be undone.

export class Targets {
  constructor(areas) {
    this.areas = copied(areas ?? []);
    this.removed = []; // where a person took away what was chosen for them: kept for learning
    this._before = [];
  }

  get isChanged() {
    return this._before.length > 0;
  }

  get count() {
    return this.areas.reduce((sum, area) => sum + area.targets.length, 0);
  }

  get hasFixed() {
    return this.areas.some((area) => area.targets.some((target) => target.fixed));
  }

  _change(areas, removed = this.removed) {
    this._before.push([this.areas, this.removed]);
    [this.areas, this.removed] = [areas, removed];
  }

  undo() {
    if (!this._before.length) return false;
    [this.areas, this.removed] = this._before.pop();
    return true;
  }

  // `what` is { area, target } or { area, point }, counted from 0.
  at(what) {
    const area = what && this.areas[what.area];
    if (!area) return null;
    return (what.target === undefined ? area.geometry_points[what.point] : area.targets[what.target]) ?? null;
  }

  move(what, [row, column]) {
    const areas = copied(this.areas);
    Object.assign(place(areas, what), { row, column }, what.target === undefined ? {} : { clicked: true });
    this._change(areas);
  }

  fix(what, isFixed) {
    const areas = copied(this.areas);
    place(areas, what).fixed = isFixed;
    this._change(areas);
  }

  add([row, column], number) {
    const areas = copied(this.areas);
    if (!areas.length) areas.push({ targets: [], geometry_points: [] });
    const area = Math.min(number ?? areas.length - 1, areas.length - 1);
    areas[area].targets.push({ row, column, score: 0, fixed: false, clicked: true });
    this._change(areas);
    return { area, target: areas[area].targets.length - 1 };
  }

  addPoint([row, column], number) {
    if (!this.areas.length) return null;
    const areas = copied(this.areas);
    const area = Math.min(number ?? areas.length - 1, areas.length - 1);
    areas[area].geometry_points.push({ row, column });
    this._change(areas);
    return { area, point: areas[area].geometry_points.length - 1 };
  }

  addArea([row, column]) {
    this._change([...copied(this.areas), { targets: [{ row, column, score: 0, fixed: false, clicked: true }], geometry_points: [] }]);
    return { area: this.areas.length - 1, target: 0 };
  }

  remove(what) {
    const areas = copied(this.areas);
    const area = areas[what.area];
    let { removed } = this;
    if (what.target === undefined) area.geometry_points.splice(what.point, 1);
    else {
      const [{ row, column, clicked }] = area.targets.splice(what.target, 1);
      if (!clicked) removed = [...removed, { row, column }];
    }
    this._change(areas.filter((one) => one.targets.length), removed);
  }

  // The tracking target of an area is its first one.
  track(what) {
    const areas = copied(this.areas);
    const targets = areas[what.area].targets;
    targets[0] && delete targets[0].for_tracking_alone;
    targets.unshift(...targets.splice(what.target, 1));
    this._change(areas);
    return { area: what.area, target: 0 };
  }

  take(areas) {
    this._change(copied(areas));
  }

  // The same targets in other areas. Which of them a person has put there is kept for learning.
  rearrange(areas) {
    const place = ({ row, column }) => `${row.toFixed(2)} ${column.toFixed(2)}`;
    const clicked = new Set(this.areas.flatMap((area) => area.targets).filter((one) => one.clicked).map(place));
    const changed = copied(areas);
    for (const target of changed.flatMap((area) => area.targets)) {
      if (clicked.has(place(target))) target.clicked = true;
    }
    this._change(changed);
  }

  // One of PACEtomo's settings for an area; null: as in its script.
  set(area, name, value) {
    const areas = copied(this.areas);
    const settings = { ...areas[area].pacetomo, [name]: value };
    if (value === null) delete settings[name];
    areas[area].pacetomo = settings;
    this._change(areas);
  }

  // Scores come back from the server for what is there; they are no change of a person.
  score(areas) {
    if (areas.length !== this.areas.length) return;
    areas.forEach((area, a) => {
      if (area.targets.length !== this.areas[a].targets.length) return;
      area.targets.forEach((target, t) => { this.areas[a].targets[t].score = target.score; });
    });
  }
}

function place(areas, what) {
  const area = areas[what.area];
  return what.target === undefined ? area.geometry_points[what.point] : area.targets[what.target];
}

function copied(areas) {
  return structuredClone(areas);
}

export function nameOf(what, areas) {
  const prefix = areas.length > 1 ? `${what.area + 1}.` : "";
  return what.target === undefined ? `${prefix}g${what.point + 1}` : `${prefix}${what.target + 1}`;
}
