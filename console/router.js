// Shows the page that the address names, and moves the focus to its heading.

import { failure, skeleton } from "./parts.js";
import { place } from "./place.js";
import { w } from "./words.js";

/**
 * What a page gets: the path's variable parts, the query, a signal that the reader has left, and a way to show itself.
 * @typedef {object} View
 * @property {string[]} parts
 * @property {URLSearchParams} query
 * @property {AbortSignal} left
 * @property {(title: string, ...parts: Child[]) => void} show
 */
/** @typedef {(view: View) => unknown} PageFunction */

let leaving = new AbortController();

/**
 * Returns the page for a path, and the path's variable parts.
 * @param {[string, PageFunction][]} pages paths, in which `*` stands for a variable part
 * @param {string} path
 * @returns {[PageFunction, string[]] | null}
 */
export function find(pages, path) {
  const names = path.split("/");
  for (const [pattern, page] of pages) {
    const wanted = pattern.split("/");
    const fits = wanted.length === names.length && wanted.every((name, index) => name === "*" || name === names[index]);
    if (fits) return [page, names.filter((_, index) => wanted[index] === "*")];
  }
  return null;
}

/**
 * Leaves the page that is shown, and shows another one.
 * @param {HTMLElement} main
 * @param {PageFunction} page
 * @param {string[]} parts
 */
export async function open(main, page, parts) {
  leaving.abort();
  leaving = new AbortController();
  const left = leaving.signal;
  const { path, query } = place();
  const waiting = setTimeout(() => left.aborted || main.replaceChildren(skeleton(6)), 150);

  /** @param {string} title @param {...Child} children */
  function show(title, ...children) {
    if (left.aborted) return;
    clearTimeout(waiting);
    document.title = `${title} · Posthorn`;
    main.replaceChildren(...children.filter((child) => child instanceof Node));
    const isOther = main.dataset.path !== path;
    const isFirst = main.dataset.path === undefined;
    main.dataset.path = path;
    main.lang = document.documentElement.lang;
    delete main.dataset.typed;
    // On a phone, the tabs may be wider than the screen.
    if (isOther) main.querySelector("nav [aria-current]")?.scrollIntoView({ inline: "center" });
    if (isOther) window.scrollTo(0, 0);
    if (!isFirst && (isOther || document.activeElement === document.body)) main.querySelector("h1")?.focus();
  }

  try {
    await page({ parts, query, left, show });
  } catch (error) {
    show(w.went_wrong, failure(error, () => open(main, page, parts), "h1"));
  }
  clearTimeout(waiting);
}
