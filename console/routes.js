// Every route of the API that this page calls, one a line. The page can do nothing that the API cannot.

import { call, callForText } from "./api.js";

/** @import { Session } from "./session.js" */
/** @typedef {Record<string, any>} Query */
/** @typedef {Record<string, any>} Body */

/** @type {(query?: Query) => Promise<Page<Endpoint> & { count: number }>} */
export const listEndpoints = (query) => call("GET", "/api/webhook-endpoints", { query });
/** @type {(body: Body) => Promise<Endpoint & { secret: string }>} */
export const createEndpoint = (body) => call("POST", "/api/webhook-endpoints", { body });
/** @type {(id: string) => Promise<Endpoint>} */
export const readEndpoint = (id) => call("GET", "/api/webhook-endpoints/{id}", { path: { id } });
/** @type {(id: string, body: Body) => Promise<Endpoint>} */
export const updateEndpoint = (id, body) => call("PUT", "/api/webhook-endpoints/{id}", { path: { id }, body });
/** @type {(id: string) => Promise<Endpoint>} */
export const deleteEndpoint = (id) => call("DELETE", "/api/webhook-endpoints/{id}", { path: { id } });
/** @type {(id: string, body: Body) => Promise<ApiEvent>} */
export const testEndpoint = (id, body) => call("POST", "/api/webhook-endpoints/{id}/test", { path: { id }, body });
/** @type {(id: string) => Promise<Endpoint>} */
export const pauseEndpoint = (id) => call("POST", "/api/webhook-endpoints/{id}/pause", { path: { id }, body: {} });
/** @type {(id: string, body: Body) => Promise<Endpoint>} */
export const resumeEndpoint = (id, body) => call("POST", "/api/webhook-endpoints/{id}/resume", { path: { id }, body });
/** @type {(id: string, body: Body) => Promise<any>} */
export const recoverEndpoint = (id, body) => call("POST", "/api/webhook-endpoints/{id}/recover", { path: { id }, body });
/** @type {(id: string, task_id: string) => Promise<Recovery>} */
export const readRecovery = (id, task_id) =>
  call("GET", "/api/webhook-endpoints/{id}/recover/{task_id}", { path: { id, task_id } });
/** Of all accounts, if the account is null. @type {(query: Query, account?: null) => Promise<Page<Attention>>} */
export const listAttention = (query, account) => call("GET", "/api/attention", { account, query });

/** @type {(id: string) => Promise<{ secret: string }>} */
export const readSecret = (id) => call("GET", "/api/webhook-endpoints/{id}/secret", { path: { id } });
/** @type {(id: string, body: Body) => Promise<{ secret: string, previous_secret_expires_at: string | null }>} */
export const rotateSecret = (id, body) =>
  call("POST", "/api/webhook-endpoints/{id}/secret/rotate", { path: { id }, body });

/** @type {(query: Query) => Promise<Page<ApiEvent>>} */
export const listEvents = (query) => call("GET", "/api/events", { query });
/** @type {(json: string, idempotencyKey: string) => Promise<ApiEvent>} */
export const publishEvent = (json, idempotencyKey) => call("POST", "/api/events", { body: json, idempotencyKey });
/** The text, because JavaScript's numbers would lose digits of the payload's. @type {(id: string) => Promise<string>} */
export const readEvent = (id) => callForText("GET", "/api/events/{id}", { path: { id } });
/** @type {(id: string, query: Query) => Promise<Page<Explanation>>} */
export const explainEvent = (id, query) => call("GET", "/api/events/{id}/explain", { path: { id }, query });
/** @type {() => Promise<{ list: EventType[] }>} */
export const listEventTypes = () => call("GET", "/api/event-types");

/** @type {(query: Query) => Promise<Page<Attempt>>} */
export const listAttempts = (query) => call("GET", "/api/webhook-attempts", { query });
/** @type {(body: Body) => Promise<unknown>} */
export const resend = (body) => call("POST", "/api/webhook-attempts/retry", { body });

/** @type {(query: Query) => Promise<Page<Account>>} */
export const listAccounts = (query) => call("GET", "/api/accounts", { query });

/** @type {(query: Query) => Promise<Page<Key>>} */
export const listKeys = (query) => call("GET", "/api/keys", { query });
/** @type {(body: Body, account: string | null) => Promise<Key & { key: string }>} */
export const createKey = (body, account) => call("POST", "/api/keys", { body, account });
/** @type {(id: string, account: string | null) => Promise<Key>} */
export const revokeKey = (id, account) => call("DELETE", "/api/keys/{id}", { path: { id }, account });
/** @type {(query: Query) => Promise<Page<AuditEntry>>} */
export const listAudit = (query) => call("GET", "/api/audit", { query });

/** @type {(body: Body, key?: string) => Promise<{ id: string, url: string, expires_at: string }>} */
export const createSession = (body, key) => call("POST", "/api/sessions", { body, key });
/** @type {(code: string) => Promise<Session & { token: string }>} */
export const exchangeCode = (code) => call("POST", "/api/sessions/exchange", { body: { code }, key: "" });
/** @type {(account: string) => Promise<{ ended: number }>} */
export const endSessions = (account) => call("DELETE", "/api/sessions", { account });
