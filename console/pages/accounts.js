// The operator's first page: the endpoints of all accounts that need attention, and the accounts to choose from.

import { el } from "../dom.js";
import { ago } from "../format.js";
import { input, searchForm } from "../form.js";
import { listing } from "../listing.js";
import { empty, heading, section } from "../parts.js";
import { go, href, livemode } from "../place.js";
import { listAccounts, listAttention } from "../routes.js";
import { mark, markOf, stateOfEndpoint } from "../status.js";
import { w } from "../words.js";

/** @param {View} view */
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

/** The endpoints of all accounts that need attention. @param {AbortSignal} left */
function attention(left) {
  const state = (/** @type {Attention} */ { webhook_endpoint }) => stateOfEndpoint(webhook_endpoint);
  const name = (/** @type {Attention} */ { account, webhook_endpoint }) => [
    el("span.url", webhook_endpoint.url),
    el("code.muted.line", account),
  ];
  const mode = livemode() ? null : "test";
  const list = listing({
    label: w.attention,
    left,
    columns: [
      { name: w.status, cell: (one) => markOf(state(one)) },
      { name: w.endpoint, kind: "main", cell: name },
      { name: w.what_happens, cell: (one) => state(one).sentence },
      { name: w.since, kind: "number", cell: ({ since }) => ago(since) },
    ],
    read: (cursor) => listAttention({ limit: 50, starting_after: cursor }, null),
    key: (/** @type {Attention} */ { webhook_endpoint }) => webhook_endpoint.id,
    link: ({ account, webhook_endpoint }) => href(`/endpoints/${webhook_endpoint.id}`, { account, mode }),
    empty: () => empty(w.no_attention),
  });
  return section(w.attention, list.element);
}
