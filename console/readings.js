// What is read one by one because a list lacks it.

import { Problem } from "./api.js";
import { readEndpoint, readEvent } from "./routes.js";
import { can } from "./session.js";
import { outcome } from "./status.js";
import { inTurn, once } from "./turns.js";

/** An event's type never changes, so it is read once. @type {(id: string) => Promise<ApiEvent>} */
export const eventOf = once((id) => readEvent(id).then(JSON.parse));

/** An endpoint's address seldom changes. @type {(id: string) => Promise<Endpoint>} */
export const endpointOf = once(async (id) => {
  if (!can("endpoints:read")) throw new Problem(403, {}, null);
  return readEndpoint(id);
});

/** Returns what became of an event's deliveries. @param {string} id */
export async function outcomeOf(id) {
  /** @type {ApiEvent} */
  const event = JSON.parse(await inTurn(() => readEvent(id)));
  return outcome(event);
}
