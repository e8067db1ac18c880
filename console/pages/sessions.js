// Portal sessions of the chosen account: makes a link for the customer, and ends all sessions.

import { ask } from "../dialog.js";
import { el } from "../dom.js";
import { exact } from "../format.js";
import { field, form, input, refusal, select } from "../form.js";
import { button, heading, say, shownOnce } from "../parts.js";
import { account, livemode } from "../place.js";
import { createSession, endSessions } from "../routes.js";
import { can } from "../session.js";
import { w } from "../words.js";

const HOUR = 3_600;

/** @param {View} view */
export function sessions({ show }) {
  const name = account() ?? "";
  const made = el("div", { role: "status" });
  const meanings = Object.entries(w.capabilities);
  const boxes = meanings.map(([value]) => el("input", { type: "checkbox", value, checked: value !== "secrets:read" }));
  const choices = boxes.map((box, index) => el("label.choice", box, el("code", box.value), " ", el("span.muted", meanings[index][1])));
  const lengths = select([1, 24, 168].map((hours) => [String(hours * HOUR), w.last_for_hours(hours)]), String(24 * HOUR));
  const back = input("", { type: "url", placeholder: "https://app.example.com/webhooks" });
  const key = input("", { type: "password", placeholder: "sk_platform_…" });

  const submit = async () => {
    const capabilities = boxes.filter((box) => box.checked).map((box) => box.value);
    const expires_in = Number(lengths.value);
    const body = { account: name, livemode: livemode(), capabilities, expires_in, return_url: back.value.trim() || null };
    if (!key.value.trim()) throw refusal("key", w.key_missing);
    const session = await createSession(body, key.value.trim());
    key.value = "";
    made.replaceChildren(shownOnce(w.portal_link, w.portal_link_text(exact(session.expires_at)), session.url));
  };
  const end = () => {
    const work = async () => say(w.sessions_ended((await endSessions(name)).ended));
    return ask({ text: el("p", w.end_sessions_text(name)), action: w.end_sessions, danger: true, work });
  };

  const fields = [
    field("capabilities", w.scopes_name, el("div", choices)),
    field("expires_in", w.lasts, lengths),
    field("return_url", w.return_url, back, { help: w.return_url_help, optional: true }),
    field("key", w.platform_key, key, { help: w.platform_key_help }),
  ];
  const actions = can("keys:write") ? [button(w.end_sessions, end, { kind: "danger" })] : [];
  const head = heading(w.sessions, { sentence: w.sessions_sentence(name), actions });
  show(w.sessions, head, form({ fields, action: w.make_link, submit }), made);
}
