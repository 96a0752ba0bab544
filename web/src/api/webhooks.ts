import type { Language } from "../i18n/languages";
import type { Call } from "./security";

/** An address that the clinic's own systems listen at; its secret is never in it. */
export interface Endpoint {
  id: string;
  name: string;
  url: string;
  /** Empty: every type. */
  event_types: string[];
  is_active: boolean;
  ordered: boolean;
  timeout_seconds: number;
  notify_email: string | null;
  disabled_reason: "manual" | "gone" | "failing" | null;
  disabled_at: string | null;
  failing_since: string | null;
  created_at: string;
}

/** What an admin fills in. */
export interface EndpointInput {
  name: string;
  url: string;
  event_types: string[];
  ordered: boolean;
  notify_email: string;
}

export interface EventType {
  name: string;
  /** In the language that was asked for; of a type of the clinic's own, as it was written. */
  description: string;
}

export type DeliveryState = "pending" | "sending" | "delivered" | "failed";

export interface Delivery {
  id: string;
  message_id: string;
  event_type: string;
  sequence: number;
  state: DeliveryState;
  attempts: number;
  due_at: string | null;
  last_status: number | null;
  created_at: string;
}

export interface Attempt {
  id: string;
  endpoint_id: string;
  number: number;
  outcome: "delivered" | "failed";
  status_code: number | null;
  error: string | null;
  duration_ms: number;
  attempted_at: string;
}

/** Of the last seven days. */
export interface Statistics {
  deliveries: number;
  delivered: number;
  failed: number;
  open: number;
  median_ms: number | null;
  p95_ms: number | null;
}

export interface Page<T> {
  count: number;
  next: string | null;
  results: T[];
}

const root = "/api/integrations";
const one = (id: string) => `${root}/endpoints/${id}/`;

export const webhooks = {
  endpoints: (call: Call, page: number, search: string) =>
    call<Page<Endpoint>>("GET", `${root}/endpoints/?page=${page}${search ? `&search=${encodeURIComponent(search)}` : ""}`),
  eventTypes: (call: Call, language: Language) =>
    call<Page<EventType>>("GET", `${root}/event-types/?page_size=100`, { language }),
  create: (call: Call, body: EndpointInput) => call<Endpoint & { secret: string }>("POST", `${root}/endpoints/`, { body }),
  update: (call: Call, id: string, body: Partial<EndpointInput> & { is_active?: boolean }) =>
    call<Endpoint>("PATCH", one(id), { body }),
  remove: (call: Call, id: string) => call("DELETE", one(id)),
  rotate: (call: Call, id: string) =>
    call<{ secret: string; previous_valid_until: string | null }>("POST", `${one(id)}rotate-secret/`, { body: {} }),
  sendExample: (call: Call, id: string, eventType: string) =>
    call<{ message_id: string }>("POST", `${one(id)}send-example/`, { body: { event_type: eventType } }),
  recover: (call: Call, id: string, since: string) =>
    call<{ recovering: number }>("POST", `${one(id)}recover/`, { body: { since } }),
  statistics: (call: Call, id: string) => call<Statistics>("GET", `${one(id)}statistics/?days=7`),
  deliveries: (call: Call, id: string, page: number, state: DeliveryState | "") =>
    call<Page<Delivery>>("GET", `${one(id)}deliveries/?page=${page}${state ? `&state=${state}` : ""}`),
  attempts: (call: Call, message: string) =>
    call<Page<Attempt>>("GET", `${root}/messages/${message}/attempts/?page_size=100`),
  resend: (call: Call, message: string, endpoint: string) =>
    call("POST", `${root}/messages/${message}/resend/`, { body: { endpoint_id: endpoint } }),
};
