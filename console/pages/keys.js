// API keys: of the chosen account, or of the platform.

import { ask } from "../dialog.js";
import { el } from "../dom.js";
import { ago, short } from "../format.js";
import { field, form, input, select } from "../form.js";
import { listing } from "../listing.js";
import { button, empty, heading, shownOnce } from "../parts.js";
import { account, livemode } from "../place.js";
import { createKey, listKeys, revokeKey } from "../routes.js";
import { can, isOperator } from "../session.js";
import { mark } from "../status.js";
import { w } from "../words.js";

/** @param {View} view */
export function keys({ left, show }) {
  const name = account();
  /** @type {(key: Key) => Promise<void>} */
  const revoke = async ({ id }) => list.replace(await revokeKey(id, name));
  const list = listing({
    label: w.keys,
    left,
    columns: [
      { name: w.name, kind: "main", cell: ({ id, name }) => [el("span", name || w.none), el("code.muted.line", short(id))] },
      { name: w.mode, cell: ({ livemode: live }) => (live === null ? w.both_modes : live ? w.live_data : w.test_data) },
      { name: w.scopes_name, cell: ({ scopes }) => el("span.muted", scopes.join(", ")) },
      { name: w.last_used, kind: "number", cell: ({ last_used_on }) => last_used_on ?? w.never },
      { name: w.created, kind: "number", cell: ({ created_at }) => ago(created_at) },
      { name: w.status, kind: "number", cell: (key) => stateOrRevoke(key, () => revoke(key)) },
    ],
    read: (cursor) => listKeys({ starting_after: cursor }),
    key: (/** @type {Key} */ key) => key.id,
    empty: () => empty(w.no_keys),
    isLabelled: true,
  });
  const sentence = name === null ? w.keys_of_platform : w.keys_of(name);
  show(w.keys, heading(w.keys, { sentence }), list.element, newKey(name, list.refresh));
}

/** @param {Key} key @param {() => Promise<void>} work */
function stateOrRevoke({ id, name, revoked_at, expires_at }, work) {
  if (revoked_at) return mark("off", w.revoked);
  if (expires_at && Date.parse(expires_at) < Date.now()) return mark("off", w.expired);
  const text = el("p", w.revoke_text(name || short(id)));
  return button(w.revoke, () => ask({ text, action: w.revoke, danger: true, work }), { kind: "danger" });
}

/** What a key of an account can have. */
const BY_DEFAULT = ["endpoints:read", "endpoints:write", "events:read", "events:publish"];
const SCOPES = [...BY_DEFAULT, "events:resend", "secrets:read", "keys:write", "audit:read"];

/** @param {string | null} of the account @param {() => Promise<void>} refresh */
function newKey(of, refresh) {
  const made = el("div", { role: "status" });
  const name = input("");
  const ofPlatform = isOperator() && of === null;
  const mode = select([["true", w.live_data], ["false", w.test_data]], String(livemode()));
  const may = SCOPES.filter(can);
  const boxes = may.map((scope) => el("input", { type: "checkbox", value: scope, checked: BY_DEFAULT.includes(scope) }));
  const choices = el("div", boxes.map((box) => el("label.choice", box, el("code", box.value))));
  const submit = async () => {
    const scopes = boxes.filter((box) => box.checked).map((box) => box.value);
    const ofAccount = { livemode: mode.value === "true", scopes };
    const key = await createKey({ name: name.value.trim(), ...(ofPlatform ? { kind: "platform" } : ofAccount) }, of);
    made.replaceChildren(shownOnce(w.new_key, w.shown_once, key.key, w.key));
    await refresh();
  };
  const ofAccountOnly = ofPlatform ? [] : [field("livemode", w.mode, mode), field("scopes", w.scopes_name, choices)];
  const fields = [field("name", w.name, name, { optional: true }), ...ofAccountOnly];
  return el("details.more-form", el("summary", w.create_key), form({ fields, action: w.create_key, submit }), made);
}
