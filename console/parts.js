// The small pieces that every page is made of: headings, notices, things to copy, what stands while a page loads.

import { Problem } from "./api.js";
import { el } from "./dom.js";
import { short } from "./format.js";
import { w } from "./words.js";

/** @import { Child } from "./dom.js" */

/**
 * The top of a page: its title, a sentence of state, and what can be done.
 * @param {Child} title
 * @param {{ sentence?: Child | Child[], actions?: Child[], above?: Child }} [more]
 */
export function heading(title, { sentence, actions = [], above } = {}) {
  const name = el("h1", { tabindex: -1 }, title);
  const words = el("div.words", above, name, sentence ? el("p.sentence", sentence) : null);
  return el("header.heading", words, el("div.actions", actions));
}

/**
 * A button. While its work runs it can't be pressed again; why it failed is said below the page.
 * @param {string} text
 * @param {() => unknown} work
 * @param {{ kind?: "primary" | "danger" | "quiet", key?: string, label?: string }} [more]
 */
export function button(text, work, { kind, key, label } = {}) {
  const press = async () => {
    element.setAttribute("aria-disabled", "true");
    await Promise.resolve(work()).catch(tell);
    element.removeAttribute("aria-disabled");
  };
  const onclick = () => element.getAttribute("aria-disabled") ?? press();
  const element = el(`button${kind ? `.${kind}` : ""}`, { type: "button", onclick, "data-key": key, "aria-label": label }, text);
  return element;
}

/** A link that looks like a button. @param {string} text @param {string} address @param {"primary" | ""} [kind] */
export const linkButton = (text, address, kind = "") => el(`a.button${kind && `.${kind}`}`, { href: address }, text);

const said = el("div.said", { role: "status", "aria-live": "polite" });

/** Where the page says what happened. */
export const announcements = () => said;

/** Says something at the foot of the page, for a while. @param {string} text @param {"" | "failed"} [tone] */
export function say(text, tone = "") {
  const line = el(`p${tone && `.${tone}`}`, text);
  said.replaceChildren(line);
  setTimeout(() => line.remove(), tone === "failed" ? 12_000 : 5_000);
}

/** Says why something failed. @param {unknown} error */
export function tell(error) {
  if (!(error instanceof Problem)) throw error;
  say(`${reason(error)} ${requestOf(error)}`.trim(), "failed");
}

/** @param {Problem} problem */
export const reason = (problem) => (problem.status === 0 ? w.unreachable : problem.message);

/** @param {Problem} problem */
const requestOf = (problem) => (problem.requestId ? w.request_id(problem.requestId) : "");

/**
 * What stands in place of a page, or of a part of one, that could not be read.
 * @param {unknown} error
 * @param {() => unknown} again
 */
export function failure(error, again) {
  if (!(error instanceof Problem)) throw error;
  const title = error.status === 404 ? w.not_found : error.status === 0 ? w.live_unreached : w.went_wrong;
  return el(
    "div.failure",
    { role: "alert" },
    el("h2", title),
    el("p", reason(error)),
    el("p.muted", error.status ? `${error.status} ${error.code} ` : "", requestOf(error)),
    button(w.try_again, again),
  );
}

/**
 * What stands where there is nothing: a sentence that teaches, and an action.
 * @param {string} text
 * @param {Child} [action]
 */
export const empty = (text, action) => el("div.empty", el("p", text), action);

/**
 * Fills a place with what is read, or says why it could not be read.
 * @param {HTMLElement} place
 * @param {() => Promise<unknown>} read
 * @returns {Promise<unknown>}
 */
export const fill = (place, read) => read().catch((error) => place.replaceChildren(failure(error, () => fill(place, read))));

/** Lines that stand where a list is about to be. @param {number} lines */
export const skeleton = (lines) =>
  el("div.skeleton", { "aria-hidden": "true" }, Array.from({ length: lines }, () => el("div")));

/** @param {string} text @param {string} name what the page says that it copied */
const copy = (text, name) =>
  navigator.clipboard.writeText(text).then(
    () => say(w.copied(name)),
    () => say(w.not_copied, "failed"),
  );

/** A text that a click copies. @param {string} text @param {string} [shown] */
export const copyable = (text, shown = short(text)) =>
  el("button.copyable", { type: "button", title: `${w.copy} ${text}`, onclick: () => copy(text, shown) }, shown);

/** A text to copy as a whole, such as a secret or lines of code. @param {string} text @param {string} label */
export function copyBlock(text, label) {
  const press = button(w.copy, () => copy(text, label), { label: `${w.copy}: ${label}` });
  return el("div.copy-block", el("pre", { tabindex: 0, role: "group", "aria-label": label }, text), press);
}

/** Short texts beside each other. @param {string[]} list */
export const chips = (list) => (list.length > 0 ? list.map((one) => el("code.chip", one)) : w.none);

/** Metadata, as short texts. @param {Record<string, any>} metadata */
export const notes = (metadata) =>
  Object.entries(metadata).map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`);

/** Facts: names, and what they are. @param {[string, Child | Child[]][]} facts */
export const facts = (...facts) =>
  el("dl.facts", facts.flatMap(([name, value]) => [el("dt", name), el("dd", value)]));

/** A part of a page, with its title. @param {string} title @param {...(Child | Child[])} parts */
export const section = (title, ...parts) => el("section", el("h2", title), ...parts);
