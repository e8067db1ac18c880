// Types that the console's files know without an import. The browser needs none, so they are not among those files.

type Child = import("../../console/dom.js").Child;
type PageFunction = import("../../console/router.js").PageFunction;
type Tone = import("../../console/drawing.js").Tone;
type View = import("../../console/router.js").View;

// What the API's answers look like, as far as the console reads them. docs/API.md says what each field means.

type Page<T> = { list: T[]; has_more: boolean; next_cursor: string | null };

type Endpoint = {
  id: string;
  livemode: boolean;
  url: string;
  description: string;
  enabled_events: string[];
  metadata: Record<string, any>;
  status: "enabled" | "paused" | "disabled";
  disabled_reason: "gone" | "failing" | null;
  health: { status: "unproven" | "healthy" | "slow" | "failing"; since: string };
  hold: Hold | null;
  headers?: Record<string, string>;
  header_names?: string[];
  component_public_key: string | null;
  attempts?: Attempt[];
  created_at: string;
  updated_at: string;
};

type Hold = {
  status: "paused" | "held" | "probing" | "draining";
  since: string;
  probes: { made: number; next_at: string; last_response_status: number | null; last_error: string | null } | null;
};

type Attention = {
  state: "disabled" | "paused" | "held" | "failing";
  since: string;
  account: string;
  webhook_endpoint: Endpoint;
};

/** An event of the API. `Event` is the browser's. */
type ApiEvent = {
  id: string;
  type: string;
  object_type: string | null;
  object_id: string | null;
  metadata: Record<string, any>;
  request: { id: string | null; idempotency_key: string | null };
  created_at: string;
  deliveries_count?: number;
  deliveries?: Delivery[];
};

type Delivery = {
  webhook_endpoint_id: string;
  status: "pending" | "held" | "succeeded" | "failed" | "canceled";
  next_attempt_at: string | null;
  attempts: Tried[];
  last_response_body: string;
};

type Phases = Record<"dns_ms" | "connect_ms" | "tls_ms" | "first_byte_ms", number | null>;

/** What an attempt has in an event's deliveries and in a list of attempts. */
type Tried = {
  status: "succeeded" | "failed" | "cut_short";
  response_status: number | null;
  error: string | null;
  duration_ms: number;
  created_at: string;
  address?: string | null;
  phases?: Phases | null;
};

type Attempt = Tried & { id: string; event_id: string; retry_count: number };

/** Why an endpoint got an event, or did not. A deleted endpoint has no URL. */
type Explanation = {
  webhook_endpoint_id: string;
  url: string | null;
  status: string | null;
  reason: string;
  detail: string;
  since: string | null;
};

type EventType = { type: string; group: string; description: string; sample?: any };

type Recovery = {
  id: string;
  status: "running" | "completed" | "stopped";
  events_examined: number;
  deliveries_recovered: number;
  reached: string | null;
};

type Account = { id: string; name: string; status: "active" | "deleting" | "deleted"; created_at: string };

type Key = {
  id: string;
  livemode: boolean | null;
  scopes: string[];
  name: string;
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
  last_used_on: string | null;
};

type AuditEntry = {
  id: string;
  created_at: string;
  livemode: boolean | null;
  actor: { id: string };
  action: string;
  target: string;
};
