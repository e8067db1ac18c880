// The well-known event types, read once.

import { listEventTypes } from "./routes.js";
import { once } from "./turns.js";

/** @import { EventType } from "./types.js" */

const types = once(async () => (await listEventTypes()).list);

/** @returns {Promise<EventType[]>} */
export const eventTypes = () => types("all");

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
