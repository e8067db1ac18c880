// Lists: a table on a desk, stacked rows on a phone. The whole row is a link, older rows come with "Load more", and a row that
// did not change stays as it is when the list is read again.

import { arrange, el, swap } from "./dom.js";
import { live } from "./live.js";
import { button, fill, skeleton } from "./parts.js";
import { w } from "./words.js";

/**
 * @template T
 * @typedef {{ name: string, cell: (row: T) => Child | Child[], kind?: "main" | "number" | "strip-cell" }} Column
 */

/**
 * @template T
 * @typedef {object} List
 * @property {string} label what it lists
 * @property {Column<T>[]} columns
 * @property {(row: T) => string} key what identifies a row
 * @property {(row: T) => string} [link] where a row leads
 * @property {AbortSignal} left
 * @property {(cursor: string | null) => Promise<Page<T>>} read
 * @property {() => HTMLElement} empty what stands in place of no rows
 * @property {boolean} [isLive]
 * @property {boolean} [isLabelled] whether a phone names what is in a row
 */

/**
 * Returns the list, which reads itself, what belongs above it, and ways to change it.
 * @template T
 * @param {List<T>} list
 */
export function listing(list) {
  /** @type {Map<string, { json: string, element: HTMLElement }>} */
  const drawn = new Map();
  /** @type {T[]} */
  let rows = [];
  /** @type {string | null} */
  let next = null;
  /** Whether more than the first page was read. */
  let isDeep = false;

  const head = el("tr", list.columns.map(({ name, kind }) => el("th", { scope: "col", class: kind }, name)));
  const body = el("tbody");
  const whole = el(`table${list.isLabelled ? ".labelled" : ""}`, { "aria-label": list.label }, el("thead", head), body);
  const more = button(w.load_more, readMore);
  const element = el("div.listing");

  /** @param {T} row */
  function rowOf(row) {
    const json = JSON.stringify(row);
    const known = drawn.get(list.key(row));
    if (known?.json === json) return known.element;
    const element = tableRow(list, row);
    if (known?.element.isConnected) swap(known.element, element);
    drawn.set(list.key(row), { json, element });
    return element;
  }

  function show() {
    arrange(body, rows.map(rowOf));
    const isEmpty = rows.length === 0 && !next;
    if (isEmpty && !element.querySelector(".empty")) element.replaceChildren(list.empty());
    if (!isEmpty && whole.parentElement !== element) element.replaceChildren(whole, el("div.more", more));
    more.hidden = !next;
  }

  async function readMore() {
    isDeep = true;
    const cursor = next;
    const page = await list.read(cursor);
    // So much was new meanwhile that the list begins again.
    if (next !== cursor) return;
    rows = [...rows, ...page.list];
    next = page.has_more ? page.next_cursor : null;
    show();
  }

  async function refresh() {
    const page = await list.read(null);
    const fresh = new Set(page.list.map(list.key));
    const last = rows.findLastIndex((row) => fresh.has(list.key(row)));
    // What was loaded below stays, unless so much is new that it does not join.
    isDeep &&= page.list.length > 0 ? last >= 0 : page.has_more;
    rows = isDeep ? [...page.list, ...rows.slice(last + 1)] : page.list;
    if (!isDeep) next = page.has_more ? page.next_cursor : null;
    show();
  }

  /** Shows what became of a row. @param {T} row */
  function replace(row) {
    rows = rows.map((one) => (list.key(one) === list.key(row) ? row : one));
    show();
  }

  async function begin() {
    const waiting = setTimeout(() => element.replaceChildren(skeleton(5)), 150);
    await fill(element, watch?.now ?? refresh);
    clearTimeout(waiting);
  }

  const watch = list.isLive ? live(list.left, refresh) : null;
  begin();
  return { element, mark: watch?.element ?? null, refresh, replace };
}

/**
 * @template T
 * @param {List<T>} list
 * @param {T} row
 */
function tableRow(list, row) {
  const address = list.link?.(row);
  const cells = list.columns.map(({ name, cell, kind }) => {
    const content = cell(row);
    const isLink = kind === "main" && address;
    const link = isLink ? el("a.row", { href: address, "data-key": list.key(row) }, content) : content;
    return el("td", { class: kind, "data-label": name }, link);
  });
  return el(`tr${address ? ".linked" : ""}`, cells);
}
