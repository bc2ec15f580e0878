// What the page can do, by key and in words.

import { el, fill } from "./dom.js";

const ANYWHERE = [
  ["?", "this help"],
  ["Esc", "leave what was begun; close this help"],
];

export function showHelp(dialog, view) {
  const rows = [...(view?.help ?? []), ...ANYWHERE];
  const close = el("button", { type: "button", on: { click: () => dialog.close() } }, "Close");
  fill(dialog,
    el("h2", {}, "Help"),
    (view?.explained ?? []).map((text) => el("p", {}, text)),
    el("table", {}, el("tbody", {}, rows.map(([key, text]) =>
      el("tr", {}, el("th", { scope: "row" }, key.split(" ").map((one) => el("kbd", {}, one))), el("td", {}, text))))),
    el("p", {}, view?.closing ?? ["What you ask for is written to a file. The run looks at it between its steps and answers; ",
      "the page shows the answer. Nothing that was exposed is changed. docs/inspect.md tells more."]),
    close);
  dialog.showModal();
  close.focus();
}
