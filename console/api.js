// Calls the HTTP API, which is at the same origin as this page.

import { account, livemode } from "./place.js";
import { session } from "./session.js";

/** Why a request failed, in the API's own words. */
export class Problem extends Error {
  /**
   * @param {number} status 0 if there was no answer
   * @param {{ code?: string, detail?: string, message?: string, param?: string, return_url?: string }} said
   * @param {string | null} requestId
   */
  constructor(status, said, requestId) {
    super(said.detail ?? said.message ?? "");
    this.status = status;
    this.code = said.code ?? "";
    this.param = said.param ?? null;
    this.returnUrl = said.return_url ?? null;
    this.requestId = requestId;
    /** Whether the same request may succeed later. */
    this.isPassing = status === 0 || status === 429 || status >= 500;
  }
}

/** Returns why something failed. An error of this page's own is reported, too. @param {unknown} error */
export function asProblem(error) {
  if (error instanceof Problem) return error;
  reportError(error);
  return new Problem(-1, { detail: String(error) }, null);
}

/**
 * @typedef {object} Call
 * @property {Record<string, string>} [path] the values of the path's parameters
 * @property {Record<string, any>} [query] parameters that are null or empty are left out
 * @property {unknown} [body] an object, or JSON that must stay as it was written
 * @property {string | null} [account] the account, instead of the one that the page is about
 * @property {string} [key] a key or token, instead of the session's
 * @property {string} [idempotencyKey]
 */

/** These routes are not about one mode, and refuse the parameter. */
const WITHOUT_MODE = /^\/api\/(keys|audit|accounts|sessions|openapi)/;

/** The page is at `{base}` or `{base}console`, the API at `{base}api`. */
const base = location.pathname.replace(/(console\/?)?$/, "");

/** Told when the API no longer accepts the session. */
export const ended = new EventTarget();

/**
 * Returns the answer, and its text. Fails with a {@link Problem} unless it is a success.
 * @param {string} method
 * @param {string} route a route as in the API's description, such as `/api/events/{id}`
 * @param {Call} call
 */
async function send(method, route, call) {
  const token = session()?.token;
  const response = await fetch(address(route, call), {
    method,
    headers: headers(call),
    body: call.body === undefined ? null : typeof call.body === "string" ? call.body : JSON.stringify(call.body),
    cache: "no-store",
    credentials: "omit",
  }).catch(lost);
  const text = await response.text().catch(lost);
  const answer = parsed(text);
  if (response.ok && answer) return { answer, text };
  // What is no JSON does not come from the API.
  const status = response.ok ? 0 : response.status;
  const problem = new Problem(status, answer ?? { detail: text.slice(0, 200) }, response.headers.get("apigw-requestid"));
  // A late answer to an earlier session ends no other one.
  const isOfSession = call.key === undefined && token && token === session()?.token;
  if (status === 401 && isOfSession) ended.dispatchEvent(new Event("ended"));
  throw problem;
}

/** The connection failed, or broke in the middle of an answer. @param {Error} error @returns {never} */
function lost(error) {
  throw new Problem(0, { detail: error.message }, null);
}

/** @type {(method: string, route: string, call?: Call) => Promise<string>} */
export const callForText = async (method, route, call = {}) => (await send(method, route, call)).text;

/** @type {(method: string, route: string, call?: Call) => Promise<any>} */
export const call = async (method, route, call = {}) => (await send(method, route, call)).answer;

/** @param {string} route @param {Call} call */
function address(route, { path = {}, query = {} }) {
  const filled = route.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(path[name]));
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const parameters = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  const modeIsOurs = session() !== null && session()?.livemode === null;
  if (modeIsOurs && !WITHOUT_MODE.test(route)) parameters.set("livemode", String(livemode()));
  return `${base}${filled.slice(1)}${parameters.size > 0 ? `?${parameters}` : ""}`;
}

/** @param {Call} call */
function headers(call) {
  const headers = new Headers();
  const token = call.key ?? session()?.token;
  const named = call.account === undefined ? account() : call.account;
  if (token) headers.set("authorization", `Bearer ${token}`);
  if (session()?.account === null && named && call.key === undefined) headers.set("posthorn-account", named);
  if (call.body !== undefined) headers.set("content-type", "application/json");
  if (call.idempotencyKey) headers.set("idempotency-key", call.idempotencyKey);
  return headers;
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
