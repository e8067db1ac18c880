// What was sent: the event's data, or the whole body, as it was written.

import { body, members, pretty } from "../exact.js";
import { copyTabs, section } from "../parts.js";
import { w } from "../words.js";

/** @param {string} event as the API returned it */
export function payload(event) {
  const data = new Map(members(event)).get("data") ?? "{}";
  const tabs = copyTabs([[w.data, pretty(data)], [w.raw_body, body(event)]], w.payload);
  return section(w.payload, tabs);
}
