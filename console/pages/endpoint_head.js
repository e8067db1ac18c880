// What the pages of one endpoint share: its name, how it is doing, its tabs, and what can be done with it.

import { knownTypes } from "../catalogue.js";
import { ask } from "../dialog.js";
import { el, swap } from "../dom.js";
import { field, input } from "../form.js";
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

/** How far back a count looks. */
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
  update(endpoint);
  show(endpoint.url, head, tabs(id, tab), ...below);
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
  const test = can("events:resend") ? [button(w.send_test, () => askToTest(endpoint), { key: "test" })] : [];
  return heading(el("span.url", endpoint.url), { sentence: words, actions: [liveMark, ...test, ...actions], above });
}

/** @param {Endpoint} endpoint @param {(fresh: Endpoint) => void} update */
function changes(endpoint, update) {
  const { id, url, status, hold } = endpoint;
  const pause = () => {
    const work = () => pauseEndpoint(id).then(update);
    return ask({ text: el("p", w.pause_text(url)), action: w.pause, work });
  };
  const resume = () => {
    const skip = el("input", { type: "checkbox" });
    const text = [el("p", w.resume_text(url)), waiting(endpoint), el("p", el("label", skip, " ", w.resume_skip))];
    const work = () => resumeEndpoint(id, { skip: skip.checked }).then(update);
    return ask({ text, action: w.resume, work });
  };
  const enable = () => updateEndpoint(id, { status: "enabled" }).then(update);
  const disable = () => {
    const text = [el("p", w.disable_text(url)), waiting(endpoint)];
    const work = () => updateEndpoint(id, { status: "disabled" }).then(update);
    return ask({ text, action: w.disable, danger: true, work });
  };
  const isHeld = status === "paused" || (hold !== null && hold.status !== "draining");
  return [
    status === "enabled" && !isHeld ? button(w.pause, pause, { key: "pause" }) : null,
    isHeld && status !== "disabled" ? button(w.resume, resume, { key: "pause" }) : null,
    status === "disabled" ? button(w.enable, enable, { key: "enable" }) : button(w.disable, disable, { key: "enable" }),
    button(w.delete, () => askToDelete(endpoint), { kind: "danger", key: "delete" }),
  ];
}

/** Says how many deliveries wait, when they are counted. @param {Endpoint} endpoint */
function waiting({ id, status, hold }) {
  if (status === "disabled") return null;
  const place = el("p", { role: "status" });
  const isHeld = status === "paused" || hold !== null;
  const since = new Date(Date.now() - MONTH_MS).toISOString();
  const words = isHeld ? w.held_count : w.unacknowledged_count;
  recoverEndpoint(id, { since, scope: isHeld ? "held" : "failed", dry_run: true }).then(
    ({ count, complete }) => (place.textContent = words(count, number(count), complete)),
    () => place.remove(),
  );
  return place;
}

/** @param {Endpoint} endpoint */
async function askToDelete(endpoint) {
  const { id, url } = endpoint;
  const { host, pathname } = new URL(url);
  const typed = host + pathname;
  const text = [el("p", w.delete_text(url)), waiting(endpoint)];
  const work = () => deleteEndpoint(id);
  if (!(await ask({ text, action: w.delete, danger: true, typed, work }))) return;
  say(w.deleted(typed));
  go(href("/endpoints"));
}

/** @param {Endpoint} endpoint */
function askToTest({ id, url }) {
  const type = input("", { list: "known-types" });
  const text = [el("p", w.test_text(url)), field("type", w.event_type, type, { optional: true }).element, knownTypes()];
  const work = async () => {
    const event = await testEndpoint(id, { type: type.value.trim() || null });
    say(w.test_sent(event.type));
    go(href(`/events/${event.id}`));
  };
  return ask({ text, action: w.send_test, work });
}
