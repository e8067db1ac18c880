// The well-known event types, with what each means and a sample.

import { eventTypes, sampleOf, search } from "../catalogue.js";
import { el } from "../dom.js";
import { number } from "../format.js";
import { input } from "../form.js";
import { mayPublish } from "../frame.js";
import { copyBlock, empty, heading, section } from "../parts.js";
import { href } from "../place.js";
import { w } from "../words.js";

/** @param {View} view */
export async function catalogue({ show }) {
  const types = await eventTypes();
  const groups = el("div.catalogue");
  const wanted = input("", { type: "search", placeholder: w.search, "aria-label": w.search, oninput: () => draw() });

  function draw() {
    const byGroup = [...Map.groupBy(search(types, wanted.value), ({ group }) => group)];
    const parts = byGroup.map(([group, list]) => section(group, el("div", list.map(entryOf))));
    groups.replaceChildren(...(parts.length > 0 ? parts : [empty(w.no_such_type)]));
  }

  draw();
  const sentence = w.catalogue_sentence(number(types.length));
  show(w.catalogue, heading(w.catalogue, { sentence }), el("div.search", wanted), groups);
}

/** @param {EventType} entry */
function entryOf(entry) {
  const { type, description } = entry;
  const details = el("details.type", el("summary", el("code", type), el("span.muted", description)));
  const open = () => {
    if (details.childElementCount > 1) return;
    details.append(copyBlock(sampleOf(entry, type), w.sample));
    if (mayPublish()) details.append(el("p", el("a", { href: href("/publish", { type }) }, w.publish_this)));
  };
  details.addEventListener("toggle", open);
  return details;
}
