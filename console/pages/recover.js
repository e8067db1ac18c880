// Resends what an endpoint has missed: counts first, then starts a recovery and shows how far it has come.

import { el, swap } from "../dom.js";
import { exact, join, number, utc } from "../format.js";
import { field, form, input, select } from "../form.js";
import { live } from "../live.js";
import { button, section } from "../parts.js";
import { readRecovery, recoverEndpoint } from "../routes.js";
import { mark } from "../status.js";
import { w } from "../words.js";
import { endpointPage } from "./endpoint_head.js";

const DAY_MS = 86_400_000;

/** @param {View} view */
export function recover(view) {
  return endpointPage(view, "/recover", ({ id }) => {
    const since = input(localTime(Date.now() - DAY_MS), { type: "datetime-local", step: 1 });
    const until = input("", { type: "datetime-local", step: 1 });
    const scope = select(Object.entries(w.scopes), "failed");
    const result = el("div.result", { role: "status" });

    const request = () => ({ since: utc(since.value), until: utc(until.value), scope: scope.value });
    const submit = async () => {
      const asked = request();
      const { count, complete } = await recoverEndpoint(id, { ...asked, dry_run: true });
      const start = button(w.resend_count(number(count)), () => begin(asked), { kind: "primary" });
      result.replaceChildren(el("p", el("strong", w.would_resend(count, number(count), complete))), ...(count > 0 ? [start] : []));
    };

    /** @param {Record<string, unknown>} asked */
    async function begin(asked) {
      const recovery = await recoverEndpoint(id, asked);
      result.replaceChildren(progress(id, recovery, view.left));
    }

    const fields = [
      field("since", w.from, since, { help: w.since_help }),
      field("until", w.to, until, { optional: true }),
      field("scope", w.scope, scope),
    ];
    for (const one of [since, until, scope]) one.addEventListener("input", () => result.replaceChildren());
    return [section(w.recover_title, el("p", w.recover_about), form({ fields, action: w.count, submit, isPlain: true }), result)];
  });
}

/** @param {string} id @param {Recovery} recovery @param {AbortSignal} left */
function progress(id, recovery, left) {
  const done = new AbortController();
  left.addEventListener("abort", () => done.abort());
  let shown = el("p");
  /** @param {Recovery} now */
  function draw(now) {
    const { status, deliveries_recovered, events_examined, reached } = now;
    const tone = /** @type {const} */ ({ running: "waiting", completed: "delivered", stopped: "failed" })[status];
    const counts = w.recovered(number(deliveries_recovered), number(events_examined));
    const text = reached && status !== "completed" ? join(counts, w.reached(exact(reached))) : counts;
    shown = swap(shown, el("p", mark(tone, w.recovery_status[status]), " ", text));
    if (status !== "running") done.abort();
  }
  const place = el("div", shown);
  const watch = live(done.signal, async () => draw(await readRecovery(id, recovery.id)));
  draw(recovery);
  watch.soon();
  return place;
}

/** A time as the form's control wants it. @param {number} time */
function localTime(time) {
  const zone = new Date(time).getTimezoneOffset() * 60_000;
  return new Date(time - zone).toISOString().slice(0, 19);
}
