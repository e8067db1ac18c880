// Who is here: the session that this page acts with, and what it may do.

import { ofThisTab } from "./storage.js";

/**
 * @typedef {object} Session
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
  token: null,
  account: "local",
  livemode: null,
  capabilities: ALL_OF_AN_ACCOUNT,
  expires_at: null,
  return_url: null,
};

/** How long another tab may take to hand over its session. */
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

export function end() {
  current = null;
  ofThisTab.set(KEY, null);
}

/** Ends the session in all tabs of this browser. */
export function leave() {
  tabs?.postMessage("leave");
  end();
}

/** Returns the session of this tab, or that of another tab of this browser. */
export async function kept() {
  const text = ofThisTab.get(KEY);
  return text ? /** @type {Session} */ (JSON.parse(text)) : askOtherTabs();
}

const tabs = "BroadcastChannel" in window ? new BroadcastChannel("posthorn") : null;
tabs?.addEventListener("message", ({ data }) => {
  if (data === "ask" && current?.token) tabs.postMessage(current);
  if (data !== "leave" || !current?.token) return;
  end();
  location.reload();
});

/** @returns {Promise<Session | null>} */
function askOtherTabs() {
  return new Promise((resolve) => {
    if (!tabs) return resolve(null);
    tabs.addEventListener("message", ({ data }) => data?.token && resolve(data));
    tabs.postMessage("ask");
    setTimeout(() => resolve(null), PATIENCE_MS);
  });
}
