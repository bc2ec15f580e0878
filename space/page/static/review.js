// What is asked of the run about a grid: edits, their answers, and how they change what is shown.

import { ask, of, post } from "./api.js";

export const CLASS = {
  waiting: "not looked at yet",
  waits: "waits",
  applied: "done",
  refused: "refused",
};

// Whether the run may still do it.
export const isOpen = (edit) => !edit.answer || edit.answer.answer === "waits";
export const standOf = (edit) => edit.answer?.answer ?? "waiting";

export class Review {
  constructor(grid) {
    this.grid = grid;
    this.values = null;
    this.problem = "";
    this._mine = new Set(); // ids of what was asked here
    this._takenBack = new Set();
    this._last = Promise.resolve();
  }

  // In its turn: an answer that comes after a later one would hide what was asked since.
  load() {
    return this.inTurn(() => this._load());
  }

  async _load() {
    try {
      this.values = await ask(`/api/review/${of(this.grid)}`);
      this.problem = "";
    } catch (error) {
      this.values = null;
      this.problem = error.message;
    }
  }

  get edits() {
    return this.values?.edits ?? [];
  }

  lamella(number) {
    return this.values?.lamellae[number] ?? null;
  }

  may(number, kind) {
    return this.lamella(number)?.may.includes(kind) ?? false;
  }

  // Whoever works fast asks before the last answer is there: one thing after the other, each for what
  // is there then. Else a person would be told that somebody else has changed it.
  inTurn(does) {
    const turn = this._last.then(does);
    this._last = turn.catch(() => {});
    return turn;
  }

  async _post(change) {
    const before = new Set(this.edits.map((edit) => edit.id));
    try {
      this.values = await post(`/api/review/${of(this.grid)}`, { revision: this.values.revision, ...change });
    } catch (error) {
      if (error.isStale) await this._load(); // what is there now is shown, and asked anew from there
      throw error;
    }
    return this.edits.filter((edit) => !before.has(edit.id));
  }

  // Ask for something. What was asked of the same kind before, and is not done yet, is replaced.
  add(edit) {
    return this.inTurn(() => this._add(edit));
  }

  // An edit that depends on what was asked before is made when its turn comes.
  async _add(asked) {
    const edit = typeof asked === "function" ? asked() : asked;
    const undo = edit.kind === "add_lamella" ? [] : this.edits.filter((one) =>
      isOpen(one) && one.kind === edit.kind && one.number === edit.number).map((one) => one.id);
    const [added] = await this._post({ add: [edit], undo });
    if (added) this._mine.add(added.id);
    return added;
  }

  // How an edit can be taken back: "undo" (not done yet), "opposite" (asked for, as it was done) or "".
  wayBack(edit) {
    if (isOpen(edit)) return "undo";
    return edit.opposite && !this._takenBack.has(edit.id) ? "opposite" : "";
  }

  takeBack(edit) {
    return this.inTurn(() => this._takeBack(edit));
  }

  async _takeBack(edit) {
    const way = this.wayBack(edit);
    if (way === "undo") {
      await this._post({ undo: [edit.id] });
    } else if (way === "opposite") {
      await this._post({ add: [edit.opposite] });
      this._takenBack.add(edit.id);
    }
  }

  // What others have done is taken back by its button alone.
  lastToTakeBack() {
    return this.edits.findLast((edit) => isOpen(edit) || (this._mine.has(edit.id) && this.wayBack(edit))) ?? null;
  }

  approve(approved) {
    return this.inTurn(() => this._post({ approved }));
  }
}

// The lamellae of a grid as they will be if the run does what is asked and not answered yet.
export function asAsked(lamellae, edits) {
  let shown = lamellae.map((one) => ({ ...one, asked: [] }));
  for (const edit of edits.filter(isOpen)) {
    const one = shown.find((each) => each.number === edit.number);
    switch (edit.kind) {
      case "add_lamella":
        shown.push({
          number: 0, label: "new", class: edit.class, probability: null, state: "new", reason: "",
          visit: true, by_hand: true, center_um: edit.center_um, box_um: edit.box_um, asked: [edit],
        });
        break;
      case "order": {
        const place = (each) => {
          const index = edit.numbers.indexOf(each.number);
          return index < 0 ? edit.numbers.length : index;
        };
        shown = shown.map((each, k) => [place(each), k, each])
          .sort((a, b) => a[0] - b[0] || a[1] - b[1]).map((entry) => entry[2]);
        break;
      }
      default: {
        if (!one) break;
        one.asked.push(edit);
        const changed = {
          move_lamella: { center_um: edit.center_um },
          resize_lamella: { box_um: edit.box_um },
          class: { class: edit.class },
          visit: { visit: edit.visit },
          delete_lamella: { isDeleted: true },
        }[edit.kind];
        Object.assign(one, changed ?? {});
      }
    }
  }
  return shown;
}

const label = (number) => `L${String(number).padStart(2, "0")}`;

export function words(edit) {
  switch (edit.kind) {
    case "add_lamella": return `add a lamella (${edit.class})`;
    case "move_lamella": return `move ${label(edit.number)}`;
    case "resize_lamella":
      return `resize ${label(edit.number)} to ${edit.box_um.map((um) => um.toFixed(1)).join(" × ")} µm`;
    case "delete_lamella": return `remove ${label(edit.number)}`;
    case "class": return `${label(edit.number)} is ${edit.class}`;
    case "visit": return edit.visit ? `visit ${label(edit.number)}` : `do not visit ${label(edit.number)}`;
    case "order": return `order ${edit.numbers.map(label).join(", ")}`;
    case "labels": return `choose the targets of ${label(edit.number)} on its labels`;
    case "targets": return `take the saved targets of ${label(edit.number)}`;
    default: return edit.kind;
  }
}
