// Who is here: the session that this page acts with, and what it may do.

import { ofThisTab } from "./storage.js";

/**
 * @typedef {object} Session
 * @property {string} id
 * @property {string | null} token what requests send; null on a laptop, which needs none
 * @property {string | null} account the account it acts for; null for an operator, who chooses one
 * @property {boolean | null} livemode its mode; null if the page may choose
 * @property {string[]} capabilities
 * @property {string | null} expires_at
 * @property {string | null} return_url
 * @property {{ color?: string, logo?: string } | null} [appearance]
 */

/** What a laptop's page may do. */
const ALL_OF_AN_ACCOUNT = ["endpoints:read", "endpoints:write", "events:read", "events:publish", "secrets:read"];

/** @type {Session} */
export const LOCAL = {
  id: "local",
  token: null,
  account: "local",
  livemode: null,
  capabilities: ALL_OF_AN_ACCOUNT,
  expires_at: null,
  return_url: null,
};

/** How long other tabs may take to hand over their sessions. */
const PATIENCE_MS = 150;
const KEY = "session";

/** @type {Session | null} */
let current = null;

export const session = () => current;

/** Whether the session is an operator's. */
export const isOperator = () => current !== null && current.token !== null && current.account === null;

/** Whether the page runs on a laptop, without a key. */
export const isLocal = () => current === LOCAL;

/** @param {string} scope */
export function can(scope) {
  const has = current?.capabilities ?? [];
  return has.includes(scope) || (scope === "events:resend" && has.includes("endpoints:write"));
}

/** @param {Session} begun */
export function begin(begun) {
  current = begun;
  if (begun !== LOCAL) ofThisTab.set(KEY, JSON.stringify(begun));
}

/** Ends the session. A tab that was left takes no other tab's. */
export function end(isLeft = ofThisTab.get(KEY) === "null") {
  current = null;
  ofThisTab.set(KEY, isLeft ? "null" : null);
}

/** Ends the session in all tabs of this browser that have it. */
export function leave() {
  tabs?.postMessage({ leave: current?.id });
  end(true);
}

/** Returns the session that this tab had before it was reloaded. @returns {Session | null} */
export const ofTab = () => JSON.parse(ofThisTab.get(KEY) ?? "null");

const tabs = "BroadcastChannel" in window ? new BroadcastChannel("posthorn") : null;
tabs?.addEventListener("message", ({ data }) => {
  if (!current?.token) return;
  if (data.ask?.includes(isOperator())) tabs.postMessage({ answer: current });
  if (data.leave !== current.id) return;
  end(true);
  location.reload();
});

/**
 * Returns the session of the other tabs of this browser, unless they have several.
 * @param {boolean[]} wanted whether it may be an operator's
 * @returns {Promise<Session | null>}
 */
export async function ofOtherTabs(wanted) {
  if (ofThisTab.get(KEY)) return null;
  /** @type {Map<string, Session>} */
  const answers = new Map();
  tabs?.addEventListener("message", ({ data }) => data.answer && answers.set(data.answer.id, data.answer));
  tabs?.postMessage({ ask: wanted });
  await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  return answers.size === 1 ? [...answers.values()][0] : null;
}
