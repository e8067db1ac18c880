// The events of the account: a list to watch, and to search.

import { knownTypes } from "../catalogue.js";
import { el } from "../dom.js";
import { ago, number, short, utc } from "../format.js";
import { input, searchForm } from "../form.js";
import { listing } from "../listing.js";
import { empty, heading, linkButton, notes } from "../parts.js";
import { go, href } from "../place.js";
import { outcomeOf } from "../readings.js";
import { listEvents } from "../routes.js";
import { mark, markOf } from "../status.js";
import { mayPublish } from "../frame.js";
import { w } from "../words.js";

/** @import { Column } from "../listing.js" */

const PAGE = 20;
const AGAIN_MS = 5_000;
/** The most requests at a time that look for a metadata value. */
const MOST_REQUESTS = 10;
/** The search's fields, as they stand in the address. */
const NAMES = /** @type {const} */ (["type", "object_id", "from", "to", "metadata"]);

/** @typedef {Record<(typeof NAMES)[number], string>} Search */

/** @param {View} view */
export function events({ query, left, show }) {
  const search = /** @type {Search} */ (Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? ""])));
  const isSearch = NAMES.some((name) => search[name]);
  const looked = el("p.muted", { role: "status" });
  let count = 0;
  const tellLooked = (/** @type {number} */ more, /** @type {boolean} */ isFirst) => {
    count = (isFirst ? 0 : count) + more;
    looked.textContent = w.looked_at_events(number(count));
  };
  const list = listing({
    label: w.events,
    left,
    columns: columns(),
    read: (cursor) => (search.metadata ? lookThrough(search, cursor, left, tellLooked) : readPage(search, cursor, PAGE)),
    key: (event) => event.id,
    link: (event) => href(`/events/${event.id}`),
    empty: () => (isSearch ? empty(w.nothing_found, linkButton(w.clear_search, href("/events"))) : noneYet()),
    isLive: !search.metadata,
  });
  const actions = mayPublish() ? [linkButton(w.publish_event, href("/publish"), "primary")] : [];
  show(w.events, heading(w.events, { actions: [list.mark, ...actions] }), searchEvents(search), list.element, looked);
}

/** @param {Search} search @param {string | null} cursor @param {number} limit */
const readPage = ({ type, object_id, from, to }, cursor, limit) =>
  listEvents({ type, object_id, created_at_from: utc(from), created_at_to: utc(to), limit, starting_after: cursor });

/**
 * Looks through several pages for a metadata value, by which the API does not search.
 * @param {Search} search
 * @param {string | null} cursor
 * @param {AbortSignal} left
 * @param {(more: number, isFirst: boolean) => void} tellLooked
 * @returns {Promise<Page<ApiEvent>>}
 */
async function lookThrough(search, cursor, left, tellLooked) {
  const { metadata } = search;
  // `shop=7`, or only `7`.
  const fits = (/** @type {string} */ note) => note === metadata.replace("=", ": ") || note.endsWith(`: ${metadata}`);
  /** @type {ApiEvent[]} */
  const found = [];
  let next = cursor;
  for (let requests = 1; ; requests += 1) {
    const page = await readPage(search, next, 100);
    found.push(...page.list.filter((event) => notes(event.metadata).some(fits)));
    tellLooked(page.list.length, next === null);
    next = page.next_cursor;
    const isEnough = !page.has_more || found.length >= PAGE || requests === MOST_REQUESTS || left.aborted;
    if (isEnough) return { list: found, has_more: page.has_more, next_cursor: next };
  }
}

/** @returns {Column<ApiEvent>[]} */
const columns = () => [
  { name: w.deliveries, cell: outcome },
  { name: w.event_type, kind: "main", cell: ({ type }) => type },
  { name: w.object, cell: ({ object_id }) => (object_id ? el("code", short(object_id)) : el("span.muted", "–")) },
  { name: w.id, cell: ({ id }) => el("code.muted", { title: id }, short(id)) },
  { name: w.when, kind: "number", cell: ({ created_at }) => ago(created_at) },
];

/** What became of an event's deliveries, which the list does not say. @param {ApiEvent} event */
function outcome(event) {
  const place = el("span", mark("waiting", " "));
  const read = async () => {
    const state = await outcomeOf(event.id);
    place.replaceChildren(markOf(state));
    // The list does not tell when the first attempt is over.
    if (state.tone === "waiting") setTimeout(() => place.isConnected && read().catch(fail), AGAIN_MS);
  };
  const fail = () => place.replaceChildren(el("span.muted", "–"));
  read().catch(fail);
  return place;
}

/** @param {Search} search */
function searchEvents(search) {
  /** @type {Record<keyof Search, HTMLInputElement>} */
  const inputs = {
    type: input(search.type, { type: "search", list: "known-types", placeholder: "customer.*" }),
    object_id: input(search.object_id, { type: "search", placeholder: w.object_or_event }),
    from: input(search.from, { type: "datetime-local" }),
    to: input(search.to, { type: "datetime-local" }),
    metadata: input(search.metadata, { type: "search", placeholder: "shop=7" }),
  };
  const apply = () => {
    const id = inputs.object_id.value.trim();
    if (id.startsWith("evt_")) return go(href(`/events/${id}`));
    go(href("/events", Object.fromEntries(NAMES.map((name) => [name, inputs[name].value.trim()]))));
  };
  /** @param {keyof Search} name @param {string} label */
  const cell = (name, label) => el("label", el("span", label), inputs[name]);
  const others = el("div.search", cell("from", w.from), cell("to", w.to), cell("metadata", w.metadata));
  const isOpen = Boolean(search.from || search.to || search.metadata);
  const more = el("details", { open: isOpen }, el("summary", w.more_filters), others);
  return searchForm(apply, cell("type", w.event_type), cell("object_id", w.object), el("button", w.search), more, knownTypes());
}

const noneYet = () =>
  mayPublish() ? empty(w.no_events, linkButton(w.publish_event, href("/publish"))) : empty(w.no_events_yet);
