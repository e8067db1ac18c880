// The ways in: a link with a one-time code, another tab, a laptop that needs no key, or a key that is pasted.

import { Problem } from "./api.js";
import { createSession, exchangeCode, listEventTypes } from "./routes.js";
import { begin, end, kept, LOCAL } from "./session.js";

/** Begins a session if there is a way in without asking. Returns whether there is. @returns {Promise<boolean>} */
export async function enter() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (code) {
    // It is good for one use, and has no place in the history.
    history.replaceState(null, "", `${location.pathname}#/`);
    begin(await exchangeCode(code));
    return true;
  }
  const session = await kept();
  if (session) begin(session);
  return session !== null || (await isLaptop());
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
