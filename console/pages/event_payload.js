// What was sent: the event's data, or the whole body, as it was written.

import { el } from "../dom.js";
import { body, members, pretty } from "../exact.js";
import { copyBlock } from "../parts.js";
import { w } from "../words.js";

/** @param {string} event as the API returned it */
export function payload(event) {
  const data = new Map(members(event)).get("data") ?? "{}";
  /** @type {[string, string][]} */
  const ways = [
    [w.data, pretty(data)],
    [w.raw_body, body(event)],
  ];
  const place = el("div.payload");
  const choose = (/** @type {number} */ index) => {
    buttons.forEach((button, other) => button.setAttribute("aria-pressed", String(other === index)));
    place.replaceChildren(copyBlock(ways[index][1], w.payload));
  };
  const buttons = ways.map(([name], index) => el("button.tab", { type: "button", onclick: () => choose(index) }, name));
  choose(0);
  return el("section", el("h2", w.payload), el("div.filters", buttons), place);
}
