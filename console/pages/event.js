// One event: what became of it at each endpoint, why others did not get it, and what was sent.

import { asProblem, Problem } from "../api.js";
import { ask } from "../dialog.js";
import { arrange, el, swap } from "../dom.js";
import { ago, timeOfId } from "../format.js";
import { live } from "../live.js";
import { button, chips, copyable, empty, facts, heading, notes, reason, say, section } from "../parts.js";
import { href } from "../place.js";
import { readEvent, resend } from "../routes.js";
import { can } from "../session.js";
import { mark, outcome } from "../status.js";
import { inTurn } from "../turns.js";
import { w } from "../words.js";
import { deliveryPart } from "./event_delivery.js";
import { payload } from "./event_payload.js";
import { whyNot } from "./event_why_not.js";

const NEW_MS = 60_000;
const TRIES = 20;
const EVERY_MS = 500;

/** @param {View} view */
export async function event({ parts: [id], left, show }) {
  let text = await readNew(id);
  /** @type {ApiEvent} */
  let event = JSON.parse(text);
  /** @type {Map<string, { json: string, element: HTMLElement }>} */
  const drawn = new Map();
  let head = el("header");
  const deliveries = el("div.deliveries");
  const none = empty(w.sent_to_none);
  let others = el("div");
  let explained = -1;

  const read = async () => {
    const fresh = await readEvent(id);
    if (fresh === text) return;
    text = fresh;
    event = JSON.parse(fresh);
    update();
  };
  const watch = live(left, read);
  const again = async (/** @type {string} */ endpoint) => {
    await resend({ event_id: id, webhook_endpoint_id: endpoint });
    watch.soon();
  };

  function update() {
    head = swap(head, top(event, watch.element, again));
    const count = event.deliveries_count ?? 0;
    // What is still on its way is explained again when it has come.
    if (count !== explained) others = swap(others, whyNot(event));
    explained = count;
    const parts = (event.deliveries ?? []).map(part);
    arrange(deliveries, parts.length > 0 ? parts : [none]);
  }

  /** @param {Delivery} delivery */
  function part(delivery) {
    const key = delivery.webhook_endpoint_id;
    const json = JSON.stringify(delivery);
    const known = drawn.get(key);
    if (known?.json === json) return known.element;
    const element = deliveryPart(event, delivery, again);
    if (known?.element.isConnected) swap(known.element, element);
    drawn.set(key, { json, element });
    return element;
  }

  update();
  const about = section(w.about_event, aboutEvent(event));
  const made = el("div", section(w.deliveries, deliveries), others);
  show(event.type, head, el("div.halves", made, el("div", payload(text), about)));
}

/** An event can be read a moment after it was published, so this waits for one that is new. @param {string} id */
async function readNew(id) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await readEvent(id);
    } catch (problem) {
      const isNew = problem instanceof Problem && problem.status === 404 && Date.now() - timeOfId(id) < NEW_MS;
      if (!isNew || tries === TRIES) throw problem;
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  }
}

/** @param {ApiEvent} event @param {HTMLElement} liveMark @param {(endpoint: string) => Promise<void>} again */
function top(event, liveMark, again) {
  const { tone, word, sentence } = outcome(event);
  const above = el("p.above", el("a", { href: href("/events") }, w.events), " / ", copyable(event.id));
  const words = [mark(tone, word), " ", el("span", sentence), w.space, ago(event.created_at)];
  const actions = [liveMark, can("events:resend") ? resendAll(event, again) : null];
  return heading(event.type, { sentence: words, above, actions });
}

/**
 * Resends to those that lack it, or else to all for which it is not held.
 * @param {ApiEvent} event
 * @param {(endpoint: string) => Promise<void>} again
 */
function resendAll({ type, deliveries = [] }, again) {
  const missing = deliveries.filter(({ status }) => status === "failed" || status === "canceled");
  const chosen = missing.length > 0 ? missing : deliveries.filter(({ status }) => status !== "held");
  if (chosen.length < 2) return null;
  const name = missing.length > 0 ? w.resend_to_missing(chosen.length) : w.resend_to_all(chosen.length);
  const work = async () => {
    const sent = await Promise.allSettled(chosen.map((one) => inTurn(() => again(one.webhook_endpoint_id))));
    const refused = sent.filter((one) => one.status === "rejected");
    const why = refused.length > 0 ? reason(asProblem(refused[0].reason)) : null;
    if (why === null) say(w.resent(chosen.length));
    else say(w.resent_but(chosen.length - refused.length, refused.length, why), "failed");
  };
  const text = el("p", w.resend_text(type, chosen.length));
  return button(name, () => ask({ title: name, text, action: w.resend, work }), { key: "resend-all" });
}

/** @param {ApiEvent} event */
function aboutEvent({ id, object_type, object_id, metadata, request, created_at }) {
  return facts(
    [w.id, copyable(id, id)],
    [w.object, object_id ? [object_type ? `${object_type} ` : null, copyable(object_id, object_id)] : w.none],
    [w.metadata, chips(notes(metadata))],
    [w.request, request.id ? copyable(request.id, request.id) : w.none],
    [w.idempotency_key, request.idempotency_key ? copyable(request.idempotency_key, request.idempotency_key) : w.none],
    [w.accepted, ago(created_at)],
  );
}
