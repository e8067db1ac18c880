// The small pieces that every page is made of: headings, notices, things to copy, what stands while a page loads.

import { asProblem } from "./api.js";
import { el } from "./dom.js";
import { join, short } from "./format.js";
import { w } from "./words.js";

/** @import { Problem } from "./api.js" */

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
    try {
      await work();
    } catch (error) {
      tell(error);
    } finally {
      element.removeAttribute("aria-disabled");
    }
  };
  const onclick = () => element.getAttribute("aria-disabled") ?? press();
  const element = el(`button${kind ? `.${kind}` : ""}`, { type: "button", onclick, "data-key": key, "aria-label": label }, text);
  return element;
}

/** A link that looks like a button. @param {string} text @param {string} address @param {"primary" | ""} [kind] */
export const linkButton = (text, address, kind = "") => el(`a.button${kind && `.${kind}`}`, { href: address }, text);

/**
 * A link to the platform's own page, which may show this one in a frame.
 * @param {string} text
 * @param {string | null} address
 */
export function outLink(text, address) {
  // Only the address of a page: a link could run a script otherwise.
  const isPage = address !== null && /^https?:\/\//.test(address);
  return isPage ? el("a.button.primary", { href: address, target: "_top" }, text) : null;
}

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
  const problem = asProblem(error);
  say(join(reason(problem), requestOf(problem)), "failed");
}

/** @param {Problem} problem */
export const reason = (problem) => (problem.status === 0 ? w.unreachable : problem.message);

/** @param {Problem} problem */
const requestOf = (problem) => (problem.requestId ? w.request_id(problem.requestId) : "");

/**
 * What stands in place of a page, or of a part of one, that could not be read.
 * @param {unknown} error
 * @param {() => unknown} again
 * @param {"h1" | "h2"} [name]
 */
export function failure(error, again, name = "h2") {
  const problem = asProblem(error);
  const { status, code } = problem;
  const title = status === 404 ? w.not_found : status === 0 ? w.live_unreached : w.went_wrong;
  return el(
    "div.failure",
    { role: "alert" },
    el(name, { tabindex: -1 }, title),
    el("p", reason(problem)),
    el("p.muted", status > 0 ? `${status} ${code} ` : "", requestOf(problem)),
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
async function copy(text, name) {
  try {
    await navigator.clipboard.writeText(text);
    say(w.copied(name));
  } catch {
    // Without TLS, there is no clipboard at all.
    say(w.not_copied, "failed");
  }
}

/** A text that a click copies. @param {string} text @param {string} [shown] */
export const copyable = (text, shown = short(text)) =>
  el("button.copyable", { type: "button", title: `${w.copy} ${text}`, onclick: () => copy(text, shown) }, shown);

/** A text to copy as a whole, such as a secret or lines of code. @param {string} text @param {string} label */
export function copyBlock(text, label) {
  const press = button(w.copy, () => copy(text, label), { label: `${w.copy}: ${label}` });
  return el("div.copy-block", el("pre", { tabindex: 0, role: "group", "aria-label": label }, text), press);
}

/**
 * Texts to copy, one of which is shown.
 * @param {[string, string][]} texts names and texts
 * @param {string} [label] what they are, if their names do not say
 */
export function copyTabs(texts, label) {
  const place = el("div");
  const choose = (/** @type {number} */ chosen) => {
    tabs.forEach((tab, index) => tab.setAttribute("aria-pressed", String(index === chosen)));
    place.replaceChildren(copyBlock(texts[chosen][1], label ?? texts[chosen][0]));
  };
  const tabs = texts.map(([name], index) => el("button.tab", { type: "button", onclick: () => choose(index) }, name));
  choose(0);
  return [el("div.filters", tabs), place];
}

/**
 * What is shown once, and has to be copied.
 * @param {string} title
 * @param {string} about
 * @param {string} text
 * @param {string} [label]
 */
export const shownOnce = (title, about, text, label = title) =>
  el("section.once", el("h2", title), el("p", about), copyBlock(text, label));

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
