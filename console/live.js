// What is live: read again every five seconds while somebody looks, until it is paused or left.

import { el } from "./dom.js";
import { w } from "./words.js";

const EVERY_MS = 5_000;
/** After an action, what it did shows soon. */
const SOON_MS = [400, 1_000, 2_000];

/**
 * Returns the mark that says so, which pauses it by a click, and a function that reads again soon.
 * @param {AbortSignal} left told when the reader leaves the page
 * @param {() => Promise<unknown>} read
 */
export function live(left, read) {
  let isPaused = false;
  let isReading = false;

  async function again() {
    if (isReading || left.aborted || document.hidden) return;
    isReading = true;
    // A reading that fails is no news: the next one may succeed.
    const isReached = await read().then(() => true, () => false);
    isReading = false;
    element.classList.toggle("unreached", !isReached);
    show();
  }

  function show() {
    text.textContent = isPaused ? w.live_paused : element.classList.contains("unreached") ? w.live_unreached : w.live;
    element.setAttribute("aria-pressed", String(!isPaused));
    element.classList.toggle("paused", isPaused);
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
  return { element, soon: () => SOON_MS.forEach((ms) => setTimeout(again, ms)) };
}
