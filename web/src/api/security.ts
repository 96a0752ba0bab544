import type { Method, RequestOptions } from "./client";

/** Sends a request of the person who is logged in. */
export type Call = <T>(method: Method, path: string, options?: RequestOptions) => Promise<T>;

export interface FactorStatus {
  enabled: boolean;
  required: boolean;
  recovery_codes_left: number;
}

/** A new authenticator secret; shown once. */
export interface Enrolment {
  secret: string;
  otpauth_url: string;
}

/** One of the person's sessions (A03). */
export interface Session {
  id: number;
  device: string;
  browser: string;
  ip_address: string;
  last_seen: string;
  created_at: string;
  current: boolean;
  opened_by: string;
  second_factor: boolean;
}

export interface StepUpRequested {
  method: "totp" | "sms" | "password";
  ttl?: number;
}

export interface PhoneChangeRequested {
  ttl: number;
  old_code_needed: boolean;
}

/** A member of the clinic. */
export interface Colleague {
  user: { id: number; full_name: string | null; phone_number: string };
}

interface Page<T> {
  next: string | null;
  results: T[];
}

/** More pages than a clinic has; a list that never ends is a mistake. */
const MOST_PAGES = 50;

/** Every page of a list. */
async function all<T>(call: Call, path: string): Promise<T[]> {
  const found: T[] = [];
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const answer = await call<Page<T>>("GET", `${path}&page=${page}`);
    found.push(...answer.results);
    if (!answer.next) break;
  }
  return found;
}

const factor = "/api/auth/second-factor";

export const security = {
  status: (call: Call) => call<FactorStatus>("GET", `${factor}/`),
  enrol: (call: Call) => call<Enrolment>("POST", `${factor}/enrol/`, { body: {} }),
  confirm: (call: Call, code: string) =>
    call<{ recovery_codes: string[]; access: string }>("POST", `${factor}/confirm/`, { body: { code } }),
  disable: (call: Call) => call("POST", `${factor}/disable/`, { body: {} }),
  recoveryCodes: (call: Call) =>
    call<{ recovery_codes: string[] }>("POST", `${factor}/recovery-codes/`, { body: {} }),
  sessions: (call: Call) => call<Session[]>("GET", "/api/sessions/"),
  endSession: (call: Call, id: number) => call("DELETE", `/api/sessions/${id}/`),
  endOthers: (call: Call) => call("DELETE", "/api/sessions/"),
  requestStepUp: (call: Call) => call<StepUpRequested>("POST", "/api/auth/step-up/request/", { body: {} }),
  verifyStepUp: (call: Call, code: string) =>
    call<{ access: string; expires_in: number }>("POST", "/api/auth/step-up/verify/", { body: { code } }),
  staff: (call: Call, organization: number) =>
    all<Colleague>(call, `/api/auth/organization-members/?organization=${organization}`),
  rescue: (call: Call, user: number, reason: string) =>
    call<{ code: string; expires_at: string }>("POST", "/api/auth/recovery/codes/", { body: { user, reason } }),
  requestPhone: (call: Call, phone: string) =>
    call<PhoneChangeRequested>("POST", "/api/auth/phone-change/request/", { body: { phone_number: phone } }),
  confirmPhone: (call: Call, code: string, oldCode: string | undefined) =>
    call<{ phone_number: string }>("POST", "/api/auth/phone-change/confirm/", { body: { code, old_code: oldCode } }),
};
