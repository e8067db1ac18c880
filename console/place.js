// Where the reader is: the path after the # in the address, with its parameters. An operator's account and the mode stand
// there, too, so that a link leads others to the same page.

import { session } from "./session.js";

export function place() {
  const [path, query] = location.hash.replace(/^#/, "").split("?");
  return { path: path || "/", query: new URLSearchParams(query) };
}

/** The account that requests are about, or null if an operator has not chosen one. */
export const account = () => session()?.account ?? place().query.get("account");

/** Whether requests are about live data. */
export const livemode = () => session()?.livemode ?? place().query.get("mode") !== "test";

/**
 * Returns the address of a page, for the same account and mode unless `query` names others. An empty value leaves a
 * parameter out.
 * @param {string} path
 * @param {Record<string, string | null | undefined>} [query]
 */
export function href(path, query = {}) {
  const here = place().query;
  const all = { account: here.get("account"), mode: here.get("mode"), ...query };
  const given = /** @type {[string, string][]} */ (Object.entries(all).filter(([, value]) => value));
  const text = new URLSearchParams(given).toString();
  return `#${path}${text ? `?${text}` : ""}`;
}

/** Goes to another page, or changes the parameters of this one. @param {string} address */
export function go(address) {
  location.hash = address;
}
