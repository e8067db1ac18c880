// An endpoint's overview: the last day drawn, and what it is set to.

import { el } from "../dom.js";
import { bars, latency } from "../drawing.js";
import { ago, duration, number, percent } from "../format.js";
import { attemptsOfADay, byHour, lastOfEach, quantiles } from "../numbers.js";
import { chips, copyable, empty, facts, fill, linkButton, notes, section, skeleton } from "../parts.js";
import { href } from "../place.js";
import { readEvent } from "../routes.js";
import { can } from "../session.js";
import { mark } from "../status.js";
import { w } from "../words.js";
import { endpointPage } from "./endpoint_head.js";

/** @typedef {ReturnType<typeof byHour>} Hours */

/** How many failed events are read for the next retry. */
const RETRIES_READ = 3;
/** A busy endpoint has new attempts all the time, and the last day is many requests. */
const AT_MOST_EVERY_MS = 30_000;

/** @param {View} view */
export function endpoint(view) {
  const [id] = view.parts;
  const place = el("div.day", skeleton(6));
  const read = async () => {
    const { attempts, isAll } = await attemptsOfADay(id);
    place.replaceChildren(section(w.last_day, ...dayParts(id, attempts, isAll)));
  };
  let last = 0;
  let isPlanned = false;
  const refresh = () => {
    if (isPlanned || !can("events:read")) return;
    isPlanned = true;
    setTimeout(() => {
      isPlanned = false;
      if (view.left.aborted) return;
      last = Date.now();
      fill(place, read);
    }, last + AT_MOST_EVERY_MS - Date.now());
  };
  refresh();
  return endpointPage(view, "", (endpoint) => [...(can("events:read") ? [place] : []), settings(endpoint)], refresh);
}

/** @param {string} id @param {Attempt[]} attempts @param {boolean} isAll */
function dayParts(id, attempts, isAll) {
  const all = linkButton(w.see_deliveries, href(`/endpoints/${id}/deliveries`));
  if (attempts.length === 0) return [empty(w.no_deliveries_of_a_day, all)];
  const hours = byHour(attempts, Date.now());
  const looked = (isAll ? w.looked_at_all : w.looked_at_last)(number(attempts.length));
  const drawings = el("div.drawings", outcomes(hours), times(hours));
  return [figures(id, attempts, hours), drawings, el("p.muted", looked), el("div.actions", all)];
}

/** @param {string} id @param {Attempt[]} attempts @param {Hours} hours */
function figures(id, attempts, hours) {
  const last = lastOfEach(attempts);
  const delivered = last.filter(({ status }) => status === "succeeded").length;
  const took = quantiles(hours.flatMap(({ durations }) => durations));
  const retry = el("dd", "–");
  fillRetry(retry, id, last);
  return el(
    "dl.figures",
    figure(w.delivered, percent(delivered / last.length), w.of_events(number(delivered), number(last.length))),
    figure(w.half_within, took ? duration(took.p50) : "–", took ? w.p99_is(duration(took.p99)) : ""),
    el("div", el("dt", w.next_retry), retry),
  );
}

/** @param {string} name @param {string} value @param {string} more */
const figure = (name, value, more) => el("div", el("dt", name), el("dd", value, el("span.muted", more)));

/** @param {Hours} hours */
function outcomes(hours) {
  const delivered = hours.reduce((sum, one) => sum + one.delivered, 0);
  const failed = hours.reduce((sum, one) => sum + one.failed, 0);
  const most = Math.max(...hours.map((one) => one.delivered + one.failed));
  const key = el("span.key", mark("failed", w.failed), mark("delivered", w.delivered));
  return drawn(w.attempts_by_hour(number(most)), key, bars(hours, w.bars_text(number(delivered), number(failed))));
}

/** @param {Hours} hours */
function times(hours) {
  const took = hours.map(({ durations }) => quantiles(durations));
  const most = Math.max(...took.map((one) => one?.p99 ?? 0));
  const key = el("span.key", el("span.p99", "p99"), el("span.p50", "p50"));
  return drawn(w.latency_by_hour(duration(most)), key, latency(took, w.latency_text(duration(most))));
}

/** @param {string} caption @param {HTMLElement} key @param {SVGElement} drawing */
const drawn = (caption, key, drawing) =>
  el("figure", el("figcaption", caption, key), drawing, el("p.hours", el("span", w.a_day_ago), el("span", w.now)));

/**
 * Finds when the next retry is due, among the newest events that failed.
 * @param {HTMLElement} place
 * @param {string} id
 * @param {Attempt[]} last
 */
async function fillRetry(place, id, last) {
  const failed = last.filter(({ status }) => status === "failed");
  const newest = failed.slice(0, RETRIES_READ).map(({ event_id }) => readEvent(event_id).then(JSON.parse));
  const events = await Promise.all(newest).catch(() => []);
  const times = events.flatMap((/** @type {ApiEvent} */ { deliveries = [] }) =>
    deliveries.filter((one) => one.webhook_endpoint_id === id && one.next_attempt_at).map((one) => String(one.next_attempt_at)),
  );
  const next = times.sort()[0];
  // Of what was not read, nothing is known.
  if (next) place.replaceChildren(ago(next, undefined, w.now));
  else if (events.length === failed.length) place.replaceChildren(w.none);
}

/** @param {Endpoint} endpoint */
function settings({ id, description, enabled_events, headers, header_names, metadata, created_at, updated_at }) {
  const names = headers ? Object.keys(headers) : (header_names ?? []);
  return section(
    w.settings,
    facts(
      [w.description, description || w.none],
      [w.event_types, enabled_events.includes("*") ? w.all_types : chips(enabled_events)],
      [w.headers, chips(names)],
      [w.metadata, chips(notes(metadata))],
      [w.id, copyable(id, id)],
      [w.created, ago(created_at)],
      [w.changed, ago(updated_at)],
    ),
  );
}
