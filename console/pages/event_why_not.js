// Why not? For each endpoint that did not get an event, the reason.

import { asProblem } from "../api.js";
import { el } from "../dom.js";
import { moment } from "../format.js";
import { button, section } from "../parts.js";
import { href } from "../place.js";
import { explainEvent } from "../routes.js";
import { can } from "../session.js";
import { mark } from "../status.js";
import { w } from "../words.js";

/** Returns the part, which reads itself. It is empty if all endpoints got the event. @param {ApiEvent} event */
export function whyNot(event) {
  const list = el("ul.reasons");
  const more = button(w.load_more, () => add(next));
  /** @type {string | null} */
  let next = null;
  const place = el("div.why-not");

  /** @param {string | null} cursor */
  async function add(cursor) {
    const page = await explainEvent(event.id, { starting_after: cursor });
    // What was sent stands above, with its attempts.
    const notSent = page.list.filter(({ status }) => status === null);
    list.append(...notSent.map((one) => reasonOf(event, one)));
    next = page.has_more ? page.next_cursor : null;
    more.hidden = next === null;
    const isShown = list.children.length > 0 || next !== null;
    if (isShown && !place.hasChildNodes()) place.append(section(w.why_not, el("p.muted", w.why_not_about), list, more));
  }

  // Without the reasons, the page is still of use.
  if (can("endpoints:read")) add(null).catch(asProblem);
  return place;
}

/** @param {ApiEvent} event @param {Explanation} explanation */
function reasonOf(event, { webhook_endpoint_id: id, url, reason, detail, since }) {
  const known = w.reasons[/** @type {keyof typeof w.reasons} */ (reason)];
  const when = since ? moment(since) : "";
  const words = known ? known.text(when, event.type) : detail;
  const name = el("a", { href: href(`/endpoints/${id}`) }, el("span.url", url ?? w.deleted_endpoint(id)));
  const subscribe = reason === "not_subscribed" && can("endpoints:write");
  return el(
    "li",
    el("p", name),
    el("p", mark(reason === "unknown" ? "waiting" : "off", known?.word ?? reason), " ", el("span", { title: detail }, words)),
    subscribe ? el("p", el("a", { href: href(`/endpoints/${id}/edit`) }, w.change_types)) : null,
  );
}
