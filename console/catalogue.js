// The well-known event types, read once.

import { el } from "./dom.js";
import { listEventTypes } from "./routes.js";
import { once } from "./turns.js";

const types = once(async () => (await listEventTypes()).list);

/** @returns {Promise<EventType[]>} */
export const eventTypes = () => types("all");

/** Returns the types that fit what is searched for. @param {EventType[]} types @param {string} text */
export const search = (types, text) =>
  types.filter(({ type, description }) => `${type} ${description}`.toLowerCase().includes(text.trim().toLowerCase()));

/** The types that an input with `list: "known-types"` proposes. They are filled in when they were read. */
export function knownTypes() {
  const list = el("datalist", { id: "known-types" });
  eventTypes().then((types) => list.append(...types.map(({ type }) => el("option", { value: type }))), () => {});
  return list;
}

/**
 * Returns the data of a sample event, as JSON: the catalogue's own if it has one, or else one made from the type's name.
 * @param {EventType | undefined} entry
 * @param {string} type
 */
export function sampleOf(entry, type) {
  const object = type.split(".").slice(0, -1).join("_") || type;
  const sample = entry?.sample ?? { id: `${object}_1`, object, created_at: new Date().toISOString() };
  return JSON.stringify({ object: sample }, null, 2);
}
