// Picks event types: all of them, or some from a tree that can be searched, with prefixes such as `customer.*`.

import { search } from "./catalogue.js";
import { el } from "./dom.js";
import { matches, PATTERN } from "./format.js";
import { input, refusal } from "./form.js";
import { button } from "./parts.js";
import { w } from "./words.js";

/** @param {EventType[]} types the catalogue @param {string[]} chosen patterns */
export function typePicker(types, chosen) {
  const picked = new Set(chosen.filter((pattern) => pattern !== "*"));
  const everything = el("input", { type: "radio", name: "types", checked: chosen.includes("*"), onchange: () => draw() });
  const some = el("input", { type: "radio", name: "types", checked: !chosen.includes("*"), onchange: () => draw() });
  const wanted = input("", { type: "search", placeholder: w.search_or_write, "aria-label": w.search_or_write, oninput: () => draw() });
  wanted.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
  const chips = el("p.chips");
  const tree = el("div.tree", { role: "group", "aria-label": w.event_types });
  const inner = el("div.some", wanted, chips, tree);

  /** @param {string} pattern @param {boolean} isOn */
  function pick(pattern, isOn) {
    if (isOn) picked.add(pattern);
    else picked.delete(pattern);
    draw();
    const box = /** @type {HTMLElement | null} */ (tree.querySelector(`[data-key="${CSS.escape(pattern)}"]`));
    box?.focus();
    if (document.activeElement !== box) wanted.focus();
  }

  /** @param {string} pattern @param {string} text @param {string} [covered] the prefix that has it already */
  function choice(pattern, text, covered) {
    const isOn = covered !== undefined || picked.has(pattern);
    const box = el("input", { type: "checkbox", checked: isOn, disabled: covered !== undefined, "data-key": pattern });
    box.addEventListener("change", () => pick(pattern, box.checked));
    return el("label.choice", box, el("code", pattern), " ", el("span.muted", text));
  }

  /** The type in the search that may be added, or null. Only searching takes capital letters for small ones. */
  const addable = () => {
    const own = wanted.value.trim();
    const isKnown = own === "*" || picked.has(own) || types.some(({ type }) => type === own);
    return PATTERN.test(own) && !isKnown ? own : null;
  };

  function drawTree() {
    const groups = Map.groupBy(search(types, wanted.value), ({ type }) => type.split(".")[0]);
    const name = addable();
    const own = name ? button(w.add_type(name), () => pick(name, true), { kind: "quiet" }) : null;
    const branches = [...groups].map(([prefix, list]) => branch(`${prefix}.*`, list, wanted.value.trim() !== ""));
    const open = new Set([...tree.querySelectorAll("details[open]")].map((one) => /** @type {HTMLElement} */ (one).dataset.key));
    tree.replaceChildren(...(own ? [own] : []), ...branches);
    for (const one of tree.querySelectorAll("details")) one.open ||= open.has(one.dataset.key);
  }

  /** @param {string} pattern @param {EventType[]} list @param {boolean} isOpen */
  function branch(pattern, list, isOpen) {
    const covered = picked.has(pattern) ? pattern : undefined;
    const count = list.filter(({ type }) => [...picked].some((one) => matches(one, type))).length;
    const size = count > 0 ? w.types_picked(count, list.length) : w.types_count(list.length);
    const summary = el("summary", el("code", pattern), " ", el("span.muted", size));
    const choices = list.map(({ type, description }) => choice(type, description, covered));
    return el("details", { "data-key": `tree ${pattern}`, open: isOpen }, summary, choice(pattern, w.all_with_prefix), choices);
  }

  function draw() {
    inner.hidden = everything.checked;
    const names = [...picked].sort();
    const remove = (/** @type {string} */ name) => button("×", () => pick(name, false), { kind: "quiet", label: w.remove(name) });
    chips.replaceChildren(...names.map((name) => el("span.chip", el("code", name), remove(name))));
    drawTree();
  }

  draw();
  const element = el(
    "div.types",
    el("label.choice", everything, w.all_types),
    el("label.choice", some, w.only_these),
    inner,
  );
  const value = () => {
    if (everything.checked) return ["*"];
    const forgotten = addable();
    if (forgotten && search(types, wanted.value).length === 0) throw refusal("enabled_events", w.type_not_added(forgotten));
    if (picked.size === 0) throw refusal("enabled_events", w.pick_a_type);
    return [...picked];
  };
  return { element, value };
}
