// Names and values to edit, such as headers and metadata.

import { el } from "./dom.js";
import { input, refusal } from "./form.js";
import { button } from "./parts.js";
import { w } from "./words.js";

/** @param {string} field the API's name for them @param {Record<string, any>} pairs @param {string} label what they are */
export function pairs(field, pairs, label) {
  const rows = el("div.pairs");

  /** @param {string} name @param {any} value */
  function add(name, value) {
    // A value that is no text keeps its kind, unless it is changed.
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const key = input(name, { "aria-label": `${label}: ${w.name}`, placeholder: w.name });
    const content = input(text, { "aria-label": `${label}: ${w.value}`, placeholder: w.value });
    const remove = () => {
      row.remove();
      more.focus();
    };
    /** @type {HTMLElement} */
    const row = el("div.pair", key, content, button("×", remove, { kind: "quiet", label: w.remove(name || label) }));
    read.set(row, () => [key.value.trim(), content.value === text ? value : content.value]);
    rows.append(row);
    return key;
  }

  /** @type {Map<HTMLElement, () => [string, any]>} */
  const read = new Map();
  Object.entries(pairs).forEach(([name, value]) => add(name, value));
  const more = button(w.add_pair, () => add("", "").focus(), { label: `${w.add_pair}: ${label}` });
  const value = () => {
    const rowsRead = [...rows.children].map((row) => read.get(/** @type {HTMLElement} */ (row))?.() ?? ["", ""]);
    const given = rowsRead.filter(([name, value]) => name || value !== "");
    const names = given.map(([name]) => name);
    const twice = names.find((name, index) => names.indexOf(name) < index);
    if (names.includes("")) throw refusal(field, w.name_missing);
    if (twice !== undefined) throw refusal(field, w.name_twice(twice));
    return Object.fromEntries(given);
  };
  return { element: el("div", rows, more), value };
}
