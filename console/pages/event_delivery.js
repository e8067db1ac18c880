// The delivery of an event to one endpoint: its state, its attempts, and the request that each attempt made.

import { el } from "../dom.js";
import { button, say } from "../parts.js";
import { href } from "../place.js";
import { endpointOf } from "../readings.js";
import { can } from "../session.js";
import { mark, stateOfDelivery } from "../status.js";
import { timeline } from "../timeline.js";
import { w } from "../words.js";

/** @import { Delivery, Endpoint, Event, Tried } from "../types.js" */

/** @param {Event} event @param {Delivery} delivery @param {(endpoint: string) => Promise<void>} again */
export function deliveryPart(event, delivery, again) {
  const id = delivery.webhook_endpoint_id;
  const { tone, word, sentence } = stateOfDelivery(delivery);
  const url = el("span.url", id);
  endpointOf(id).then(
    (endpoint) => (url.textContent = endpoint.url),
    (problem) => (url.textContent = problem.status === 404 ? w.deleted_endpoint(id) : id),
  );
  const press = async () => {
    await again(id);
    say(w.resent(1));
  };
  const name = el("h3", can("endpoints:read") ? el("a", { href: href(`/endpoints/${id}`) }, url) : url);
  const resend = can("events:resend") ? button(w.resend, press, { key: `resend ${id}` }) : null;
  return el(
    "article.delivery",
    el("header", el("div", name, el("p", mark(tone, word), " ", el("span", sentence))), resend),
    timeline(delivery, (attempt) => request(event, id, attempt)),
  );
}

/**
 * The headers of an attempt's request, made from the record again. They are filled in when they are opened.
 * @param {Event} event
 * @param {string} endpoint
 * @param {Tried} attempt
 */
function request(event, endpoint, attempt) {
  const lines = el("pre.answer", { tabindex: 0, role: "group", "aria-label": w.request_headers });
  const details = el("details", { "data-key": `${endpoint} ${attempt.created_at}` }, el("summary", w.request_headers), lines);
  details.addEventListener("toggle", async () => {
    const known = await endpointOf(endpoint).catch(() => null);
    lines.textContent = [known ? `POST ${known.url}` : "POST", ...headerLines(event, attempt, known)].join("\n");
  });
  return details;
}

/** @param {Event} event @param {Tried} attempt @param {Endpoint | null} endpoint */
function headerLines(event, attempt, endpoint) {
  const own = endpoint?.headers ?? Object.fromEntries((endpoint?.header_names ?? []).map((name) => [name, "…"]));
  return [
    "content-type: application/json",
    `webhook-id: ${event.id}`,
    `webhook-timestamp: ${Math.floor(Date.parse(attempt.created_at) / 1000)}`,
    `webhook-signature: v1,…  (${w.signature_not_kept})`,
    ...Object.entries(own).map(([name, value]) => `${name.toLowerCase()}: ${value}`),
  ];
}
