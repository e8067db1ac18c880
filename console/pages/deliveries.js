// The attempts at an endpoint, with filters.

import { el } from "../dom.js";
import { ago, duration, matches, number, short, timeOfId } from "../format.js";
import { input, searchForm, select } from "../form.js";
import { listing } from "../listing.js";
import { empty } from "../parts.js";
import { go, href } from "../place.js";
import { eventOf } from "../readings.js";
import { listAttempts } from "../routes.js";
import { answer, markOf, stateOfAttempt } from "../status.js";
import { w } from "../words.js";
import { endpointPage } from "./endpoint_head.js";

/** @import { Column } from "../listing.js" */

const PAGE = 25;

/** @param {View} view */
export function deliveries(view) {
  const [id] = view.parts;
  const looked = el("p.muted", { role: "status" });
  let read = 0;
  const filter = { status: view.query.get("outcome"), type: view.query.get("type"), hours: view.query.get("hours") };
  const list = listing({
    label: w.deliveries,
    left: view.left,
    columns: columns(),
    async read(cursor) {
      const page = await listAttempts({ webhook_endpoint_id: id, status: filter.status, limit: PAGE, starting_after: cursor });
      read = cursor ? read + page.list.length : Math.max(read, page.list.length);
      looked.textContent = read > 0 ? w.looked_at_last(number(read)) : "";
      return fitting(page, filter);
    },
    key: (attempt) => attempt.id,
    link: (attempt) => href(`/events/${attempt.event_id}`),
    empty: () => empty(filter.status === "failed" ? w.no_failed_attempts : w.no_attempts),
  });
  return endpointPage(view, "/deliveries", () => [filters(id, filter), list.element, looked], list.refresh);
}

/** @typedef {{ status: string | null, type: string | null, hours: string | null }} Filter */

/**
 * Leaves out what does not fit the time and the type, which the API's list cannot filter by.
 * @param {Page<Attempt>} page
 * @param {Filter} filter
 * @returns {Promise<Page<Attempt>>}
 */
async function fitting(page, { type, hours }) {
  const from = hours ? Date.now() - Number(hours) * 3_600_000 : 0;
  const recent = page.list.filter((attempt) => timeOfId(attempt.event_id) >= from);
  const isPast = recent.length < page.list.length;
  const read = (/** @type {Attempt} */ { event_id }) => eventOf(event_id).then((event) => event.type, () => "");
  const types = type ? await Promise.all(recent.map(read)) : [];
  const list = type ? recent.filter((_, index) => matches(type, types[index])) : recent;
  return { list, has_more: page.has_more && !isPast, next_cursor: page.next_cursor };
}

/** @returns {Column<Attempt>[]} */
const columns = () => [
  { name: w.status, cell: (attempt) => markOf(stateOfAttempt(attempt)) },
  { name: w.event, kind: "main", cell: ({ event_id }) => [typeOf(event_id), el("code.muted.line", short(event_id))] },
  {
    name: w.answered,
    cell: ({ response_status, error, retry_count }) => [
      answer(response_status, error),
      el("span.muted.line", w.attempt(retry_count + 1)),
    ],
  },
  { name: w.took, kind: "number", cell: ({ duration_ms }) => duration(duration_ms) },
  { name: w.when, kind: "number", cell: ({ created_at }) => ago(created_at) },
];

/** The type of an event, which a list of attempts does not have. @param {string} id */
function typeOf(id) {
  const place = el("span", " ");
  eventOf(id).then(
    ({ type }) => (place.textContent = type),
    () => (place.textContent = "–"),
  );
  return place;
}

/** @param {string} id @param {Filter} filter */
function filters(id, filter) {
  const status = select(
    [["", w.any_status], ["failed", w.failed], ["succeeded", w.delivered], ["cut_short", w.cut_short]],
    filter.status ?? "",
    { "aria-label": w.status },
  );
  const type = input(filter.type ?? "", { type: "search", placeholder: "customer.*", "aria-label": w.event_type });
  const lengths = [1, 24, 168].map((hours) => /** @type {[string, string]} */ ([String(hours), w.last_hours(hours)]));
  const hours = select([["", w.any_time], ...lengths], filter.hours ?? "", { "aria-label": w.accepted });
  const apply = () => {
    go(href(`/endpoints/${id}/deliveries`, { outcome: status.value, type: type.value.trim(), hours: hours.value }));
  };
  return searchForm(apply, status, type, hours, el("button", w.filter));
}
