// The operator's first page: the endpoints of all accounts that need attention, and the accounts to choose from.

import { el } from "../dom.js";
import { ago, number } from "../format.js";
import { input, searchForm } from "../form.js";
import { listing, table } from "../listing.js";
import { empty, fill, heading, section, skeleton } from "../parts.js";
import { go, href, livemode } from "../place.js";
import { listAccounts, listAttention } from "../routes.js";
import { mark, stateOfEndpoint } from "../status.js";
import { inTurn } from "../turns.js";
import { w } from "../words.js";

/** @import { Account, Attention } from "../types.js" */

/** How many accounts are asked for endpoints that need attention. */
const ASKED = 100;

/** @param {import("../router.js").View} view */
export function accounts({ query, left, show }) {
  const prefix = query.get("prefix") ?? "";
  const list = listing({
    label: w.accounts,
    left,
    columns: [
      { name: w.account, kind: "main", cell: ({ id, name }) => [el("span", name || id), el("code.muted.line", id)] },
      { name: w.status, cell: ({ status }) => mark(status === "active" ? "delivered" : "off", w.account_status[status]) },
      { name: w.created, kind: "number", cell: ({ created_at }) => ago(created_at) },
    ],
    read: (cursor) => listAccounts({ prefix, limit: 50, starting_after: cursor }),
    key: (/** @type {Account} */ account) => account.id,
    link: (account) => href("/endpoints", { account: account.id }),
    empty: () => empty(prefix ? w.no_such_account : w.no_accounts),
  });
  const head = heading(w.accounts, { sentence: w.accounts_sentence });
  const all = section(w.all_accounts, searchAccounts(prefix), list.element);
  show(w.accounts, head, attention(left), all);
}

/** @param {string} prefix */
function searchAccounts(prefix) {
  const search = input(prefix, { type: "search", placeholder: w.account_prefix, "aria-label": w.account_prefix });
  const apply = () => go(href("/accounts", { prefix: search.value.trim() }));
  return searchForm(apply, search, el("button", w.search));
}

/** @typedef {{ account: Account, entry: Attention }} Found */

/** The endpoints that need attention, of the first accounts. @param {AbortSignal} left */
function attention(left) {
  const place = el("div", skeleton(3));
  const read = async () => {
    const { list, has_more } = await listAccounts({ limit: ASKED });
    const found = await Promise.all(list.map((account) => inTurn(() => attentionOf(account, left))));
    const rows = found.flat().sort((a, b) => ORDER.indexOf(a.entry.state) - ORDER.indexOf(b.entry.state));
    const looked = el("p.muted", w.looked_at_accounts(number(list.length), has_more));
    place.replaceChildren(rows.length > 0 ? attentionTable(rows) : empty(w.no_attention), looked);
  };
  fill(place, read);
  return section(w.attention, place);
}

/** The most urgent first. @type {Attention["state"][]} */
const ORDER = ["held", "failing", "disabled", "paused"];

/** @param {Account} account @param {AbortSignal} left @returns {Promise<Found[]>} */
async function attentionOf(account, left) {
  if (left.aborted || account.status !== "active") return [];
  const { list } = await listAttention(account.id, { limit: 100 });
  return list.map((entry) => ({ account, entry }));
}

/** @param {Found[]} found */
function attentionTable(found) {
  const state = (/** @type {Found} */ { entry }) => stateOfEndpoint(entry.webhook_endpoint);
  const name = (/** @type {Found} */ { account, entry }) => [
    el("span.url", entry.webhook_endpoint.url),
    el("span.muted.line", account.name || account.id),
  ];
  const mode = livemode() ? null : "test";
  return table(
    {
      label: w.attention,
      columns: [
        { name: w.status, cell: (one) => mark(state(one).tone, state(one).word) },
        { name: w.endpoint, kind: "main", cell: name },
        { name: w.what_happens, cell: (one) => state(one).sentence },
        { name: w.since, kind: "number", cell: ({ entry }) => ago(entry.since) },
      ],
      key: ({ entry }) => entry.webhook_endpoint.id,
      link: ({ account, entry }) => href(`/endpoints/${entry.webhook_endpoint.id}`, { account: account.id, mode }),
    },
    found,
  );
}
