// The endpoints of the account: how each is doing, and its last deliveries.

import { el } from "../dom.js";
import { number } from "../format.js";
import { listing } from "../listing.js";
import { empty, heading, linkButton } from "../parts.js";
import { href } from "../place.js";
import { listAttention, listEndpoints } from "../routes.js";
import { can } from "../session.js";
import { markOf, stateOfEndpoint } from "../status.js";
import { stripOf } from "../strips.js";
import { w } from "../words.js";

/** @import { Column } from "../listing.js" */

/** The states that only the list of what needs attention can be filtered by, and their names there. @type {Record<string, string>} */
const ATTENTION = { failing: "failing", down: "held" };

/** @param {View} view */
export function endpoints({ query, left, show }) {
  const status = query.get("status");
  const add = can("endpoints:write") ? linkButton(w.add_endpoint, href("/endpoints/new"), "primary") : null;
  const sentence = el("span", " ");
  const list = listing({
    label: w.endpoints,
    left,
    columns: columns(),
    async read(cursor) {
      const state = ATTENTION[status ?? ""];
      if (state) {
        const page = await listAttention({ state, limit: 20, starting_after: cursor });
        return { ...page, list: page.list.map((one) => one.webhook_endpoint) };
      }
      const page = await listEndpoints({ status, limit: 20, starting_after: cursor });
      sentence.textContent = page.count > 0 ? w.endpoints_count(page.count, number(page.count)) : " ";
      return page;
    },
    key: (endpoint) => endpoint.id,
    link: (endpoint) => href(`/endpoints/${endpoint.id}`),
    empty: () => (status ? empty(w.no_endpoints_in_state) : firstEndpoint()),
    isLive: true,
  });
  const filters = /** @type {const} */ ([null, "enabled", "failing", "down", "paused", "disabled"]).map((value) => {
    const name = value ? w[value] : w.all;
    return el("a", { href: href("/endpoints", { status: value }), "aria-current": value === status ? "true" : null }, name);
  });
  show(
    w.endpoints,
    heading(w.endpoints, { sentence, actions: [list.mark, add] }),
    el("nav.filters", { "aria-label": w.status }, filters),
    list.element,
  );
}

/** @returns {Column<Endpoint>[]} */
const columns = () => [
  {
    name: w.endpoint,
    kind: "main",
    cell: ({ url, description }) => [el("span.url", url), description ? el("span.muted.line", description) : null],
  },
  {
    name: w.status,
    cell: (endpoint) => {
      const state = stateOfEndpoint(endpoint);
      return el("span", { title: el("span", state.sentence).textContent }, markOf(state));
    },
  },
  { name: w.event_types, cell: ({ enabled_events }) => patterns(enabled_events) },
  { name: w.last_deliveries, kind: "strip-cell", cell: ({ id }) => stripOf(id) },
];

/** @param {string[]} list */
function patterns(list) {
  if (list.includes("*")) return w.all_types;
  const others = list.length - 1;
  return el("span", { title: list.join("\n") }, el("code", list[0]), others > 0 ? ` ${w.and_more(others)}` : "");
}

const firstEndpoint = () =>
  empty(w.no_endpoints, can("endpoints:write") ? linkButton(w.add_endpoint, href("/endpoints/new")) : null);
