// Publishes an event by hand, with a sample to begin from.

import { eventTypes, knownTypes, sampleOf } from "../catalogue.js";
import { el } from "../dom.js";
import { field, form, input, refusal } from "../form.js";
import { heading, say } from "../parts.js";
import { go, href } from "../place.js";
import { publishEvent } from "../routes.js";
import { w } from "../words.js";

/** @param {View} view */
export async function publish({ query, show }) {
  const types = await eventTypes();
  const sample = () => sampleOf(types.find((one) => one.type === type.value), type.value);
  const type = input(query.get("type") ?? "invoice.paid", { list: "known-types" });
  const data = el("textarea.code", { rows: 14, spellcheck: "false", autocomplete: "off" });
  data.value = sample();
  let filled = data.value;
  type.addEventListener("change", () => {
    // What the reader wrote stays.
    if (data.value === filled) data.value = filled = sample();
  });

  /** One key for what is sent, so that a click that is repeated after a lost answer publishes nothing twice. */
  let key = { json: "", id: "" };
  const submit = async () => {
    check(data.value);
    const json = `{"type":${JSON.stringify(type.value.trim())},"data":${data.value}}`;
    if (key.json !== json) key = { json, id: crypto.randomUUID() };
    const event = await publishEvent(json, key.id);
    key = { json: "", id: "" };
    say(w.published(event.type));
    go(href(`/events/${event.id}`));
  };

  const fields = [field("type", w.event_type, type), field("data", w.data, data, { help: w.data_help }), knownTypes()];
  show(w.publish, heading(w.publish_event), form({ fields, action: w.publish, submit }));
}

/** Says where the text stops being JSON. It is sent as it was written. @param {string} json */
function check(json) {
  try {
    JSON.parse(json);
  } catch (error) {
    throw refusal("data", w.not_json(String(/** @type {Error} */ (error).message)));
  }
}
