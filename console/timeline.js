// A delivery as a vertical line of attempts, the newest first, with what is still to come above them.

import { el } from "./dom.js";
import { shape } from "./drawing.js";
import { ago, duration } from "./format.js";
import { counted, stateOfAttempt } from "./status.js";
import { w } from "./words.js";

/** @param {Delivery} delivery @param {(attempt: Tried) => HTMLElement} request draws the request of an attempt */
export function timeline(delivery, request) {
  const { attempts, status, next_attempt_at, last_response_body } = delivery;
  const made = attempts.map((attempt, index) => {
    const { tone, sentence } = stateOfAttempt(attempt);
    const number = counted(attempts.slice(0, index + 1)) || 1;
    const title = [el("strong", w.attempt(number)), " · ", sentence, " · ", ago(attempt.created_at)];
    const isLast = index === attempts.length - 1;
    return step(tone, title, measured(attempt), isLast && answerBox(last_response_body), request(attempt));
  });
  return el("ol.timeline", toCome(status, next_attempt_at), made.reverse());
}

/** What comes next, or will never come. @param {Delivery["status"]} status @param {string | null} next */
function toCome(status, next) {
  if (status === "held") return step("held", [w.held]);
  if (status === "canceled") return step("off", [w.canceled]);
  if (status !== "pending") return null;
  return step("waiting", [next ? ago(next, w.next_in, w.pending_sentence) : w.pending_sentence]);
}

/** @param {Tone} tone @param {Child[]} title @param {...Child} more */
const step = (tone, title, ...more) => el("li", shape(tone), el("div", el("p", title), ...more));

/** @param {string} body */
const answerBox = (body) => (body ? el("pre.answer", { tabindex: 0, role: "group", "aria-label": w.answer_label }, body) : null);

/** The address dialled, and where the time went, as far as it was measured. @param {Tried} attempt */
function measured({ phases, address }) {
  const times = /** @type {[keyof Phases, string][]} */ (Object.entries(w.phases)).flatMap(([name, word]) => {
    const ms = phases?.[name] ?? null;
    return ms === null ? [] : [`${word} ${duration(ms)}`];
  });
  const words = [...(address ? [address] : []), ...times];
  return words.length > 0 ? el("p.phases", words.join(" · ")) : null;
}
