// The strip of an endpoint's last deliveries, read when it is shown.

import { el } from "./dom.js";
import { strip } from "./drawing.js";
import { lastOfEach, toneOf } from "./numbers.js";
import { listAttempts } from "./routes.js";
import { can } from "./session.js";
import { inTurn } from "./turns.js";
import { w } from "./words.js";

/** How many attempts are read for a strip. */
const READ = 50;

/** Returns a place of the strip's size, which fills itself. @param {string} endpoint */
export function stripOf(endpoint) {
  const place = el("span.strip-place");
  if (can("events:read")) fill(place, endpoint);
  return place;
}

/** @param {HTMLElement} place @param {string} endpoint */
async function fill(place, endpoint) {
  try {
    const { list } = await inTurn(() => listAttempts({ webhook_endpoint_id: endpoint, limit: READ }));
    const tones = lastOfEach(list).map(toneOf).reverse();
    const failed = tones.filter((tone) => tone === "failed").length;
    if (tones.length === 0) place.append(el("span.muted", w.no_deliveries_yet));
    else place.append(strip(tones, w.strip_text(tones.length, failed)));
  } catch {
    place.append(el("span.muted", "–"));
  }
}
