// The ways in: a link with a one-time code, another tab, a laptop that needs no key, or a key that is pasted.

import { Problem } from "./api.js";
import { place } from "./place.js";
import { createSession, exchangeCode, listEventTypes } from "./routes.js";
import { begin, end, LOCAL, ofOtherTabs, ofTab } from "./session.js";

/** The code of the link that led here, until it is exchanged. @type {string | null} */
let code = null;

/** Begins a session if there is a way in without asking. Returns whether there is. @returns {Promise<boolean>} */
export async function enter() {
  const given = new URLSearchParams(location.hash.slice(1)).get("code");
  if (given) {
    code = given;
    // It is good for one use, and has no place in the history.
    history.replaceState(null, "", `${location.pathname}#/`);
  }
  const session = (await ofLink()) ?? ofTab() ?? (await ofOtherTabs(wanted()));
  if (session) begin(session);
  return session !== null || (await isLaptop());
}

/** Exchanges the link's code. Without an answer, it is kept for another try. */
async function ofLink() {
  if (!code) return null;
  try {
    const session = await exchangeCode(code);
    code = null;
    return session;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (!problem.isPassing) code = null;
    // Perhaps this tab has spent it.
    if (problem.status === 410) return ofTab() ?? Promise.reject(problem);
    throw problem;
  }
}

/** Whether the page that the address names may be an operator's: only those name an account, or are about all. */
function wanted() {
  const { path, query } = place();
  if (query.has("account") || path === "/accounts") return [true];
  return /^\/(endpoints|events|catalogue|publish)/.test(path) ? [false] : [true, false];
}

/** On a laptop, the API answers without a key. */
async function isLaptop() {
  begin(LOCAL);
  try {
    await listEventTypes();
    return true;
  } catch (problem) {
    end();
    if (problem instanceof Problem && problem.status === 401) return false;
    throw problem;
  }
}

/** Exchanges a key for a session of an hour, and forgets the key. @param {string} key */
export async function enterWithKey(key) {
  const { url } = await createSession(key.startsWith("sk_platform_") ? { operator: true } : {}, key);
  begin(await exchangeCode(new URLSearchParams(new URL(url).hash.slice(1)).get("code") ?? ""));
}
