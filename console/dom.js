// Makes elements. All text goes in as text nodes, so that nothing that a payload or a name holds is read as markup.

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, any>} Attributes */
/**
 * @template {string} N
 * @typedef {N extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[N] : HTMLElement} Tagged
 */
/**
 * @template {string} N
 * @typedef {N extends `${infer T}.${string}` ? Tagged<T> : Tagged<N>} Element
 */

/**
 * Returns a new element. `name` is its tag, with classes after dots. `parts` are children and attributes: a function under
 * a name such as `onclick` listens to that event.
 * @template {string} N
 * @param {N} name
 * @param {...(Child | Child[] | Attributes)} parts
 * @returns {Element<N>}
 */
export function el(name, ...parts) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length > 0) element.className = classes.join(" ");
  fill(element, parts);
  return /** @type {Element<N>} */ (/** @type {unknown} */ (element));
}

/** Returns a new element of a drawing. @param {string} tag @param {...(Child | Child[] | Attributes)} parts */
export function svg(tag, ...parts) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  fill(element, parts);
  return element;
}

/** @param {globalThis.Element} element @param {(Child | Child[] | Attributes)[]} parts */
function fill(element, parts) {
  for (const part of parts.flat()) {
    if (part === null || part === undefined || part === false) continue;
    if (part instanceof Node || typeof part !== "object") element.append(/** @type {Node | string} */ (part));
    else for (const [name, value] of Object.entries(part)) set(element, name, value);
  }
}

/** Set as properties, because the attributes are only their first values. */
const PROPERTIES = new Set(["value", "checked", "disabled", "open", "hidden", "indeterminate"]);

/** @param {any} element @param {string} name @param {any} value */
function set(element, name, value) {
  if (value === null || value === undefined) return;
  if (typeof value === "function") element.addEventListener(name.slice(2), value);
  else if (PROPERTIES.has(name)) element[name] = value;
  else if (value !== false) element.setAttribute(name, value === true ? "" : value);
}

/**
 * Puts one element in the place of another. What has the same `data-key` in both keeps the focus, and stays open.
 * @template {HTMLElement} E
 * @param {HTMLElement} old
 * @param {E} fresh
 * @returns {E}
 */
export function swap(old, fresh) {
  const focused = old.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
  const opened = [...old.querySelectorAll("details[open]")].map((one) => /** @type {HTMLElement} */ (one).dataset.key);
  old.replaceWith(fresh);
  for (const one of fresh.querySelectorAll("details")) if (opened.includes(one.dataset.key)) one.open = true;
  if (focused) refocus(focused);
  return fresh;
}

/** Gives the focus back: to an element, to what has its `data-key` now, or to the heading. @param {HTMLElement | null} before */
export function refocus(before) {
  const key = CSS.escape(before?.dataset.key ?? "");
  const same = before?.isConnected ? before : document.querySelector(`[data-key="${key}"]`);
  /** @type {HTMLElement | null} */ (same)?.focus();
  if (document.activeElement === document.body) document.querySelector("h1")?.focus();
}

/**
 * Makes these the children of an element. Those that it has already stay in the page, and keep the focus.
 * @param {HTMLElement} parent
 * @param {HTMLElement[]} children
 */
export function arrange(parent, children) {
  const focused = parent.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
  for (const one of [...parent.children]) if (!children.some((child) => child === one)) one.remove();
  children.forEach((one, index) => one === parent.children[index] || parent.insertBefore(one, parent.children[index] ?? null));
  if (focused) refocus(focused);
}
