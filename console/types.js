// What the API's answers look like, as far as this page reads them. Only types: docs/API.md says what each field means.

/** @template T @typedef {{ list: T[], has_more: boolean, next_cursor: string | null }} Page */

/**
 * @typedef {{
 *   id: string, livemode: boolean, url: string, description: string, enabled_events: string[],
 *   metadata: Record<string, any>, status: "enabled" | "paused" | "disabled", disabled_reason: "gone" | "failing" | null,
 *   health: { status: "unproven" | "healthy" | "slow" | "failing", since: string }, hold: Hold | null,
 *   headers?: Record<string, string>, header_names?: string[], attempts?: Attempt[],
 *   created_at: string, updated_at: string,
 * }} Endpoint
 */
/**
 * @typedef {{
 *   status: "paused" | "held" | "probing" | "draining", since: string,
 *   probes: { made: number, next_at: string, last_response_status: number | null, last_error: string | null } | null,
 * }} Hold
 */
/** @typedef {{ state: "disabled" | "paused" | "held" | "failing", since: string, webhook_endpoint: Endpoint }} Attention */

/**
 * @typedef {{
 *   id: string, type: string, object_type: string | null, object_id: string | null, metadata: Record<string, any>,
 *   request: { id: string | null, idempotency_key: string | null }, created_at: string,
 *   deliveries_count?: number, deliveries?: Delivery[],
 * }} Event
 */
/**
 * @typedef {{
 *   webhook_endpoint_id: string, status: "pending" | "held" | "succeeded" | "failed" | "canceled",
 *   next_attempt_at: string | null, attempts: Tried[], last_response_body: string,
 * }} Delivery
 */

/** @typedef {Record<"dns_ms" | "connect_ms" | "tls_ms" | "first_byte_ms", number | null>} Phases */
/**
 * What an attempt has in an event's deliveries and in a list of attempts.
 * @typedef {{
 *   status: "succeeded" | "failed" | "cut_short", response_status: number | null, error: string | null,
 *   duration_ms: number, created_at: string, address?: string | null, phases?: Phases | null,
 * }} Tried
 */
/** @typedef {Tried & { id: string, event_id: string, retry_count: number }} Attempt */

/**
 * Why an endpoint got an event, or did not. A deleted endpoint has no URL.
 * @typedef {{
 *   webhook_endpoint_id: string, url: string | null, status: string | null, reason: string, detail: string,
 *   since: string | null,
 * }} Explanation
 */
/** @typedef {{ type: string, group: string, description: string, sample?: any }} EventType */

/**
 * @typedef {{
 *   id: string, status: "running" | "completed" | "stopped", events_examined: number, deliveries_recovered: number,
 *   reached: string | null,
 * }} Recovery
 */

/** @typedef {{ id: string, name: string, status: "active" | "deleting" | "deleted", created_at: string }} Account */
/**
 * @typedef {{
 *   id: string, livemode: boolean | null, scopes: string[], name: string, created_at: string,
 *   expires_at: string | null, revoked_at: string | null, last_used_on: string | null,
 * }} Key
 */
/**
 * @typedef {{
 *   id: string, created_at: string, livemode: boolean | null, actor: { id: string }, action: string, target: string,
 * }} AuditEntry
 */

export {};
