// What the overview draws, counted from the attempts that were read. The server counts nothing.

import { timeOfId } from "./format.js";
import { listAttempts } from "./routes.js";

/** @import { Hour } from "./drawing.js" */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PAGE = 100;
const MOST_PAGES = 5;

/**
 * Reads the attempts for the events of the last day, at most 500 of them. Says whether these are all.
 * @param {string} endpoint
 */
export async function attemptsOfADay(endpoint) {
  const since = Date.now() - DAY_MS;
  /** @type {Attempt[]} */
  const read = [];
  let cursor = null;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const query = { webhook_endpoint_id: endpoint, limit: PAGE, starting_after: cursor };
    /** @type {Page<Attempt>} */
    const { list, has_more, next_cursor } = await listAttempts(query);
    read.push(...list);
    const isPast = list.length > 0 && timeOfId(list[list.length - 1].event_id) < since;
    cursor = next_cursor;
    if (!has_more || isPast) return { attempts: read.filter((one) => timeOfId(one.event_id) >= since), isAll: true };
  }
  return { attempts: read, isAll: false };
}

/** Returns the last attempt for each event. Attempts come newest first. @param {Attempt[]} attempts */
export function lastOfEach(attempts) {
  /** @type {Map<string, Attempt>} */
  const last = new Map();
  for (const attempt of attempts) if (!last.has(attempt.event_id)) last.set(attempt.event_id, attempt);
  return [...last.values()];
}

/** @param {Attempt} attempt @returns {Tone} */
export const toneOf = ({ status }) => (status === "succeeded" ? "delivered" : status === "failed" ? "failed" : "waiting");

/**
 * Returns the last 24 hours, the oldest first: how many attempts delivered and failed, and how long they took.
 * @param {Attempt[]} attempts
 * @param {number} now
 * @returns {(Hour & { durations: number[] })[]}
 */
export function byHour(attempts, now) {
  const hours = Array.from({ length: 24 }, () => ({ delivered: 0, failed: 0, durations: /** @type {number[]} */ ([]) }));
  for (const { status, created_at, duration_ms } of attempts) {
    const hour = hours[23 - Math.floor((now - Date.parse(created_at)) / HOUR_MS)];
    if (!hour || status === "cut_short") continue;
    if (status === "succeeded") hour.delivered += 1;
    else hour.failed += 1;
    hour.durations.push(duration_ms);
  }
  return hours;
}

/** Returns the values that half of these do not exceed, and all but one in a hundred. @param {number[]} values */
export function quantiles(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (/** @type {number} */ share) => sorted[Math.floor(sorted.length * share)];
  return values.length > 0 ? { p50: at(0.5), p99: at(0.99) } : null;
}
