// Lists: a table on a desk, stacked rows on a phone. The whole row is a link, older rows come with "Load more", and a row that
// did not change stays as it is when the list is read again.

import { el, swap } from "./dom.js";
import { live } from "./live.js";
import { button, fill, skeleton } from "./parts.js";
import { w } from "./words.js";

/** @import { Child } from "./dom.js" */
/** @import { Page } from "./types.js" */
/**
 * @template T
 * @typedef {{ name: string, cell: (row: T) => Child | Child[], kind?: "main" | "number" | "strip-cell" }} Column
 */

/**
 * @template T
 * @typedef {object} Table
 * @property {string} label what it lists
 * @property {Column<T>[]} columns
 * @property {(row: T) => string} key what identifies a row
 * @property {(row: T) => string} [link] where a row leads
 */
/**
 * @template T
 * @typedef {object} Reading
 * @property {AbortSignal} left
 * @property {(cursor: string | null) => Promise<Page<T>>} read
 * @property {() => HTMLElement} empty what stands in place of no rows
 * @property {boolean} [isLive]
 */

/**
 * Returns a table of rows that are known.
 * @template T
 * @param {Table<T>} table
 * @param {T[]} rows
 */
export function table({ label, columns, key, link }, rows) {
  const head = el("tr", columns.map(({ name, kind }) => el("th", { scope: "col", class: kind }, name)));
  const body = el("tbody", rows.map((row) => tableRow({ label, columns, key, link }, row)));
  return el("table", { "aria-label": label }, el("thead", head), body);
}

/**
 * Returns the list, which reads itself, and what belongs above it.
 * @template T
 * @param {Table<T> & Reading<T>} list
 */
export function listing(list) {
  /** @type {Map<string, { json: string, element: HTMLElement }>} */
  const drawn = new Map();
  /** @type {T[]} */
  let rows = [];
  /** @type {string | null} */
  let next = null;
  let hasOlder = false;

  const whole = table(list, []);
  const body = whole.tBodies[0];
  const more = button(w.load_more, async () => add(await list.read(next)));
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
    const elements = rows.map(rowOf);
    const isSame = elements.length === body.children.length && elements.every((one, index) => body.children[index] === one);
    if (!isSame) body.replaceChildren(...elements);
    const isEmpty = rows.length === 0 && !next;
    if (isEmpty && !element.querySelector(".empty")) element.replaceChildren(list.empty());
    if (!isEmpty && whole.parentElement !== element) element.replaceChildren(whole, el("div.more", more));
    more.hidden = !next;
  }

  /** @param {Page<T>} page */
  function add(page) {
    hasOlder ||= rows.length > 0;
    rows = [...rows, ...page.list];
    next = page.has_more ? page.next_cursor : null;
    show();
  }

  async function refresh() {
    const page = await list.read(null);
    const fresh = new Set(page.list.map(list.key));
    // What was loaded below stays, unless so much is new that it does not join.
    hasOlder &&= rows.some((row) => fresh.has(list.key(row)));
    rows = hasOlder ? [...page.list, ...rows.filter((row) => !fresh.has(list.key(row)))] : page.list;
    if (!hasOlder) next = page.has_more ? page.next_cursor : null;
    show();
  }

  async function begin() {
    const waiting = setTimeout(() => element.replaceChildren(skeleton(5)), 150);
    await fill(element, refresh);
    clearTimeout(waiting);
  }

  begin();
  const mark = list.isLive ? live(list.left, refresh).element : null;
  return { element, mark, refresh };
}

/**
 * @template T
 * @param {Table<T>} list
 * @param {T} row
 */
function tableRow(list, row) {
  const address = list.link?.(row);
  const cells = list.columns.map(({ cell, kind }) => {
    const content = cell(row);
    const isLink = kind === "main" && address;
    const link = isLink ? el("a.row", { href: address, "data-key": list.key(row) }, content) : content;
    return el("td", { class: kind }, link);
  });
  return el(`tr${address ? ".linked" : ""}`, cells);
}
