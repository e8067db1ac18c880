// An endpoint's signing secret: shown when asked for, and replaced.

import { ask } from "../dialog.js";
import { el } from "../dom.js";
import { exact } from "../format.js";
import { button, copyBlock, section } from "../parts.js";
import { readSecret, rotateSecret } from "../routes.js";
import { can } from "../session.js";
import { howToVerify } from "../verify.js";
import { w } from "../words.js";
import { endpointPage } from "./endpoint_head.js";

/** @param {View} view */
export function secret(view) {
  return endpointPage(view, "/secret", ({ id, url }) => {
    const place = el("div");
    const note = el("p.muted", { role: "status" });
    /** @param {string} text */
    const reveal = (text) => place.replaceChildren(copyBlock(text, w.secret));
    const show = button(w.reveal, async () => reveal((await readSecret(id)).secret));
    place.append(el("div.copy-block", el("pre", "whsec_••••••••••••••••••••••••"), show));

    async function rotate() {
      const now = el("input", { type: "checkbox" });
      const text = [el("p", w.rotate_text(url)), el("p", el("label", now, " ", w.rotate_now))];
      const work = async () => {
        const rotated = await rotateSecret(id, { expire_now: now.checked });
        const until = rotated.previous_secret_expires_at;
        note.textContent = until ? w.overlap(exact(until)) : w.no_overlap;
        reveal(rotated.secret);
      };
      await ask({ text, action: w.rotate, danger: true, work });
    }

    const replace = can("endpoints:write") ? button(w.rotate, rotate) : null;
    return [section(w.secret, el("p", w.secret_about), place, note, el("div.actions", replace)), howToVerify()];
  });
}
