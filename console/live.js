// What is live: read again every five seconds while somebody looks, until that is stopped or the page is left.

import { el } from "./dom.js";
import { w } from "./words.js";

const EVERY_MS = 5_000;
/** After an action, what it did shows soon. */
const SOON_MS = [400, 1_000, 2_000];

/**
 * Returns the mark that says so, which stops it by a click, and functions that read now, and soon.
 * @param {AbortSignal} left told when the reader leaves the page
 * @param {() => Promise<unknown>} read
 */
export function live(left, read) {
  let isPaused = false;
  let isReading = false;
  let isReached = true;

  async function now() {
    isReading = true;
    try {
      await read();
      isReached = true;
    } catch (error) {
      isReached = false;
      throw error;
    } finally {
      isReading = false;
      show();
    }
  }

  function again() {
    if (isReading || left.aborted || document.hidden) return;
    // A reading that fails is no news: the next one may succeed.
    now().catch(() => {});
  }

  function show() {
    text.textContent = isPaused ? w.live_paused : isReached ? w.live : w.live_unreached;
    element.setAttribute("aria-pressed", String(!isPaused));
    element.classList.toggle("paused", isPaused);
    element.classList.toggle("unreached", !isReached);
  }

  const text = el("span");
  const toggle = () => {
    isPaused = !isPaused;
    show();
    if (!isPaused) again();
  };
  const element = el("button.live", { type: "button", title: w.live_title, onclick: toggle }, el("span.dot"), text);
  const timer = setInterval(() => (left.aborted ? clearInterval(timer) : isPaused || again()), EVERY_MS);
  show();
  return { element, now, soon: () => SOON_MS.forEach((ms) => setTimeout(again, ms)) };
}
