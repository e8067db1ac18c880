// Who changed what.

import { el } from "../dom.js";
import { ago, short } from "../format.js";
import { listing } from "../listing.js";
import { empty, heading } from "../parts.js";
import { account, href } from "../place.js";
import { listAudit } from "../routes.js";
import { w } from "../words.js";

/** @param {View} view */
export function audit({ left, show }) {
  const list = listing({
    label: w.audit,
    left,
    columns: [
      { name: w.what, kind: "main", cell: ({ action }) => el("code", action) },
      { name: w.target, cell: targetOf },
      { name: w.who, cell: ({ actor }) => el("code", { title: actor.id }, short(actor.id)) },
      { name: w.mode, cell: ({ livemode }) => (livemode === null ? w.both_modes : livemode ? w.live_data : w.test_data) },
      { name: w.when, kind: "number", cell: ({ created_at }) => ago(created_at) },
    ],
    read: (cursor) => listAudit({ limit: 50, starting_after: cursor }),
    key: (/** @type {AuditEntry} */ entry) => entry.id,
    empty: () => empty(w.no_audit),
    isLive: true,
    isLabelled: true,
  });
  const name = account();
  const sentence = name === null ? w.audit_of_platform : w.audit_of(name);
  show(w.audit, heading(w.audit, { sentence, actions: [list.mark] }), list.element);
}

/** @param {AuditEntry} entry */
function targetOf({ target, livemode }) {
  const text = el("code", { title: target }, short(target));
  const mode = livemode === false ? "test" : null;
  return target.startsWith("wh_") ? el("a", { href: href(`/endpoints/${target}`, { mode }) }, text) : text;
}
