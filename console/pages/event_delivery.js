// The delivery of an event to one endpoint: its state, its attempts, and the request that each attempt made.

import { el } from "../dom.js";
import { button, say } from "../parts.js";
import { href } from "../place.js";
import { endpointOf } from "../readings.js";
import { readEndpoint } from "../routes.js";
import { can } from "../session.js";
import { mark, stateOfDelivery } from "../status.js";
import { timeline } from "../timeline.js";
import { w } from "../words.js";

/** How long the signature of a component's call is good. */
const COMPONENT_SECONDS = 300;

/** @param {ApiEvent} event @param {Delivery} delivery @param {(endpoint: string) => Promise<void>} again */
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
 * The headers of an attempt's request, as far as they are known. They are filled in when they are opened.
 * @param {ApiEvent} event
 * @param {string} endpoint
 * @param {Tried} attempt
 */
function request(event, endpoint, attempt) {
  const lines = el("pre.answer", { tabindex: 0, role: "group", "aria-label": w.request_headers });
  const about = el("p.help", w.request_headers_about);
  const details = el("details", { "data-key": `${endpoint} ${attempt.created_at}` }, el("summary", w.request_headers), about, lines);
  details.addEventListener("toggle", async () => {
    if (!details.open) return;
    const known = can("endpoints:read") ? await readEndpoint(endpoint).catch(() => null) : null;
    lines.textContent = [known ? `POST ${known.url}` : "POST", ...headerLines(event, attempt, known)].join("\n");
  });
  return details;
}

/** @param {ApiEvent} event @param {Tried} attempt @param {Endpoint | null} endpoint */
function headerLines(event, attempt, endpoint) {
  const own = endpoint?.headers ?? Object.fromEntries((endpoint?.header_names ?? []).map((name) => [name, "…"]));
  const signed_at = Math.floor(Date.parse(attempt.created_at) / 1000);
  const until = signed_at + COMPONENT_SECONDS;
  const component = ["did: …", "sig: 0x…", `sig-iat: ${signed_at}`, `sig-exp: ${until}`, "sig-version: 1"];
  return [
    "accept: */*",
    "content-type: application/json",
    "user-agent: Posthorn/…",
    `webhook-id: ${event.id}`,
    `webhook-timestamp: ${signed_at}`,
    "webhook-signature: v1,…",
    ...Object.entries(own).map(([name, value]) => `${name.toLowerCase()}: ${value}`),
    ...(endpoint?.component_public_key ? component.map((line) => `x-component-${line}`) : []),
  ];
}
