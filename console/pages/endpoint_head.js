// What the pages of one endpoint share: its name, how it is doing, its tabs, and what can be done with it.

import { ask } from "../dialog.js";
import { el, swap } from "../dom.js";
import { number } from "../format.js";
import { live } from "../live.js";
import { button, copyable, heading, say } from "../parts.js";
import { go, href } from "../place.js";
import {
  deleteEndpoint,
  pauseEndpoint,
  readEndpoint,
  recoverEndpoint,
  resumeEndpoint,
  testEndpoint,
  updateEndpoint,
} from "../routes.js";
import { can } from "../session.js";
import { mark, stateOfEndpoint } from "../status.js";
import { w } from "../words.js";

/** @import { View } from "../router.js" */
/** @import { Endpoint } from "../types.js" */

/** How far back a count of what is held looks. */
const MONTH_MS = 31 * 86_400_000;

/**
 * Shows a page of an endpoint, and keeps its top up to date.
 * @param {View} view
 * @param {"" | "/deliveries" | "/secret" | "/recover" | "/edit"} tab
 * @param {(endpoint: Endpoint) => Promise<HTMLElement[]> | HTMLElement[]} content
 * @param {() => unknown} [refresh] called when there are new attempts
 */
export async function endpointPage({ parts: [id], left, show }, tab, content, refresh) {
  const endpoint = await readEndpoint(id);
  let shown = "";
  let tried = JSON.stringify(endpoint.attempts);
  let head = el("header");

  /** @param {Endpoint} fresh as it is answered to a change, without attempts */
  function update({ attempts, ...fresh }) {
    const json = JSON.stringify(fresh);
    if (json !== shown) head = swap(head, top(fresh, update, watch.element));
    shown = json;
    if (!attempts || JSON.stringify(attempts) === tried) return;
    tried = JSON.stringify(attempts);
    refresh?.();
  }

  const watch = live(left, async () => update(await readEndpoint(id)));
  const below = await content(endpoint);
  show(endpoint.url, head, tabs(id, tab), ...below);
  update(endpoint);
  if (document.activeElement === document.body) head.querySelector("h1")?.focus();
}

/** @param {string} id @param {string} current */
function tabs(id, current) {
  /** @type {[boolean, string, string][]} */
  const all = [
    [true, "", w.overview],
    [can("events:read"), "/deliveries", w.deliveries],
    [can("secrets:read"), "/secret", w.secret],
    [can("events:resend"), "/recover", w.recover],
    [can("endpoints:write"), "/edit", w.settings],
  ];
  const shown = all.filter(([isShown]) => isShown);
  const links = shown.map(([, tab, name]) => {
    const here = tab === current ? "page" : null;
    return el("a", { href: href(`/endpoints/${id}${tab}`), "aria-current": here }, name);
  });
  return el("nav.filters", { "aria-label": w.endpoint }, links);
}

/**
 * @param {Endpoint} endpoint
 * @param {(fresh: Endpoint) => void} update
 * @param {HTMLElement} liveMark
 * @returns {HTMLElement}
 */
function top(endpoint, update, liveMark) {
  const { tone, word, sentence } = stateOfEndpoint(endpoint);
  const above = el("p.above", el("a", { href: href("/endpoints") }, w.endpoints), " / ", copyable(endpoint.id));
  const words = [mark(tone, word), " ", el("span", sentence)];
  const actions = can("endpoints:write") ? changes(endpoint, update) : [];
  const test = can("events:resend") ? [button(w.send_test, () => sendTest(endpoint), { key: "test" })] : [];
  const title = [el("span.url", endpoint.url)];
  const head = heading(null, { sentence: words, actions: [liveMark, ...test, ...actions], above });
  head.querySelector("h1")?.append(...title);
  return head;
}

/** @param {Endpoint} endpoint @param {(fresh: Endpoint) => void} update */
function changes(endpoint, update) {
  const { id, status, hold } = endpoint;
  const pause = () => pauseEndpoint(id).then(update);
  const resume = () => askToResume(endpoint, update);
  const enable = () => updateEndpoint(id, { status: "enabled" }).then(update);
  const disable = () => askToDisable(endpoint, update);
  const isHeld = status === "paused" || (hold !== null && hold.status !== "draining");
  return [
    status === "enabled" && !isHeld ? button(w.pause, pause, { key: "pause" }) : null,
    isHeld && status !== "disabled" ? button(w.resume, resume, { key: "pause" }) : null,
    status === "disabled" ? button(w.enable, enable, { key: "enable" }) : button(w.disable, disable, { key: "enable" }),
    button(w.delete, () => askToDelete(endpoint), { kind: "danger", key: "delete" }),
  ];
}

/** @param {Endpoint} endpoint */
async function sendTest({ id }) {
  const event = await testEndpoint(id, {});
  say(w.test_sent(event.type));
  go(href(`/events/${event.id}`));
}

/** @param {Endpoint} endpoint @param {(fresh: Endpoint) => void} update */
async function askToResume({ id, hold, url }, update) {
  const since = new Date(Date.parse(hold?.since ?? "") || Date.now() - MONTH_MS).toISOString();
  const { count, complete } = await recoverEndpoint(id, { since, scope: "held", dry_run: true }).catch(() => ({ count: null }));
  const skip = el("input", { type: "checkbox" });
  const text = [
    el("p", w.resume_text(url)),
    count === null ? null : el("p", w.held_count(number(count), complete)),
    el("p", el("label", skip, " ", w.resume_skip)),
  ];
  const work = async () => update(await resumeEndpoint(id, { skip: skip.checked }));
  await ask({ title: w.resume_title, text, action: w.resume, work });
}

/** @param {Endpoint} endpoint @param {(fresh: Endpoint) => void} update */
async function askToDisable({ id, url }, update) {
  const work = async () => update(await updateEndpoint(id, { status: "disabled" }));
  await ask({ title: w.disable_title, text: el("p", w.disable_text(url)), action: w.disable, danger: true, work });
}

/** @param {Endpoint} endpoint */
async function askToDelete({ id, url }) {
  const work = () => deleteEndpoint(id);
  const typed = new URL(url).host;
  const text = el("p", w.delete_text(url));
  if (!(await ask({ title: w.delete_title, text, action: w.delete, danger: true, typed, work }))) return;
  say(w.deleted(typed));
  go(href("/endpoints"));
}

