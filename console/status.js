// What has become of a delivery, and how an endpoint is doing: a mark, a word, and a sentence.

import { el } from "./dom.js";
import { shape } from "./drawing.js";
import { ago, duration, join, moment } from "./format.js";
import { w } from "./words.js";

/** @typedef {{ tone: Tone, word: string, sentence: string }} State */
/** A state whose sentence may have times in it. @typedef {{ tone: Tone, word: string, sentence: Child | Child[] }} TimedState */

/** Returns a mark: a shape and a word. @param {Tone} tone @param {string} word */
export const mark = (tone, word) => el(`span.mark.${tone}`, shape(tone), el("span", word));

/** @param {{ tone: Tone, word: string }} state */
export const markOf = ({ tone, word }) => mark(tone, word);

/** @param {Endpoint} endpoint @returns {TimedState} */
export function stateOfEndpoint({ status, disabled_reason, hold, health }) {
  if (status === "disabled") {
    const why = { gone: w.disabled_gone, failing: w.disabled_failing, owner: w.disabled_owner };
    return { tone: "off", word: w.disabled, sentence: why[disabled_reason ?? "owner"] };
  }
  if (status === "paused") {
    return { tone: "held", word: w.paused, sentence: w.paused_since(moment(hold?.since ?? health.since)) };
  }
  if (hold?.status === "draining") return { tone: "waiting", word: w.catching_up, sentence: w.catching_up_sentence };
  if (hold) return { tone: "held", word: w.down, sentence: downSentence(hold) };
  const since = moment(health.since);
  /** @type {Record<string, State>} */
  const states = {
    failing: { tone: "failed", word: w.failing, sentence: w.failing_since(since) },
    slow: { tone: "waiting", word: w.slow, sentence: w.slow_since(since) },
    unproven: { tone: "off", word: w.unproven, sentence: w.unproven_sentence },
  };
  return states[health.status] ?? { tone: "delivered", word: w.healthy, sentence: w.healthy_since(since) };
}

/** @param {Hold} hold */
function downSentence({ since, probes }) {
  const held = w.held_since(moment(since));
  if (!probes) return held;
  const last = answer(probes.last_response_status, probes.last_error);
  const sentence = (/** @type {string} */ when) => w.probes(probes.made, last, when);
  return [held, w.space, ago(probes.next_at, sentence, sentence(w.now))];
}

/** @param {Delivery} delivery @returns {TimedState} */
export function stateOfDelivery({ status, attempts, next_attempt_at }) {
  const last = attempts.at(-1);
  const why = last ? answer(last.response_status, last.error) : w.no_answer;
  const failed = last?.response_status ? w.failed_now(why) : w.not_reached(why);
  const tried = counted(attempts);
  const sentence = (/** @type {string} */ when) => (tried > 0 ? w.next_attempt(when, tried + 1) : w.first_attempt(when));
  const next = next_attempt_at && ago(next_attempt_at, sentence, w.pending_sentence);
  /** @type {Record<Delivery["status"], TimedState>} */
  const states = {
    succeeded: { tone: "delivered", word: w.delivered, sentence: w.delivered_after(tried) },
    failed: { tone: "failed", word: w.failed, sentence: join(failed, w.failed_for_good) },
    held: { tone: "held", word: w.held, sentence: w.held_sentence },
    canceled: { tone: "off", word: w.canceled, sentence: w.canceled_sentence },
    pending:
      last?.status === "failed"
        ? { tone: "failed", word: w.retrying, sentence: [failed, w.space, next] }
        : { tone: "waiting", word: w.pending, sentence: next ?? w.pending_sentence },
  };
  return states[status];
}

/** The number of attempts; one that was cut short is none of its own. @param {Tried[]} attempts */
export const counted = (attempts) => attempts.filter((attempt) => attempt.status !== "cut_short").length;

/** @param {Tried} attempt @returns {State} */
export function stateOfAttempt({ status, response_status, error, duration_ms }) {
  const sentence = w.answer_after(answer(response_status, error), duration(duration_ms));
  if (status === "succeeded") return { tone: "delivered", word: w.delivered, sentence };
  if (status === "failed") return { tone: "failed", word: w.failed, sentence };
  return { tone: "waiting", word: w.cut_short, sentence: w.cut_short_sentence(duration(duration_ms)) };
}

/** Says what came back: a status, or why there was none. @param {number | null} status @param {string | null} error */
export function answer(status, error) {
  const what = error ? (w.errors[/** @type {keyof typeof w.errors} */ (error)] ?? error) : null;
  if (status === null) return what ?? w.no_answer;
  return what ? `${status}, ${what}` : String(status);
}

/**
 * Returns what became of all deliveries of an event: the worst of them, and how many.
 * @param {ApiEvent} event
 * @returns {State}
 */
export function outcome({ deliveries = [], deliveries_count = 0 }) {
  const count = (/** @type {Delivery["status"]} */ status) => deliveries.filter((one) => one.status === status).length;
  const retrying = deliveries.filter((one) => one.status === "pending" && one.attempts.at(-1)?.status === "failed").length;
  const [failed, pending, held, canceled] = [count("failed"), count("pending"), count("held"), count("canceled")];
  /** @type {[number, Tone, string][]} */
  const worst = [
    [failed, "failed", w.failed],
    [retrying, "failed", w.retrying],
    [pending, "waiting", w.pending],
    [held, "held", w.held],
    [canceled, "off", w.canceled],
  ];
  const delivered = deliveries_count - failed - pending - held - canceled;
  const sentence = w.delivered_to(delivered, deliveries_count);
  if (deliveries_count === 0) return { tone: "off", word: w.no_endpoint, sentence: w.sent_to_none };
  const [number, tone, word] = worst.find(([number]) => number > 0) ?? /** @type {const} */ ([delivered, "delivered", w.delivered]);
  return { tone, word: number > 1 ? w.several(number, word) : word, sentence };
}
