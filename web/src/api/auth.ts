import { ApiError, request } from "./client";

/** What a login gives: the refresh token travels in a cookie that no script reads (decisions.md 7). */
export interface Entered {
  access: string;
}

export interface Me {
  id: number;
  phone_number: string;
  full_name: string | null;
  first_name?: string;
  last_name?: string;
  username?: string;
  role?: string | null;
  clinic_role?: string | null;
  content_role?: string | null;
  is_superuser?: boolean;
  /** Admin of the clinic, or superuser. */
  is_admin?: boolean;
  /** Number of the organisation that the session is in. */
  organization?: number | null;
}

/** A login that waits for its second factor. */
export interface SecondStep {
  challenge: string;
  /** Seconds until the login must begin anew. */
  expiresIn: number;
}

/** Asks for a login code by SMS (A07). */
export function requestCode(phone: string, language: string) {
  return request<{ ttl: number }>("POST", "/api/auth/otp/request/", { body: { phone_number: phone }, language });
}

/** Has the same code spoken in a telephone call. */
export function callCode(phone: string, language: string) {
  return request("POST", "/api/auth/otp/call/", { body: { phone_number: phone }, language });
}

/** Asks for the long code that opens a number again after too many wrong codes. */
export function requestReproof(phone: string, language: string) {
  return request<{ ttl: number }>("POST", "/api/auth/otp/reproof/", { body: { phone_number: phone }, language });
}

/** Proves the number with the long code. */
export function verifyReproof(phone: string, code: string, language: string) {
  return request("POST", "/api/auth/otp/reproof/verify/", { body: { phone_number: phone, code }, language });
}

/** Exchanges the code for a session (A07), or for the question for the second factor. */
export async function verifyCode(phone: string, code: string, language: string): Promise<Entered | SecondStep> {
  try {
    const body = { phone_number: phone, code, session: "cookie" };
    return await request<Entered>("POST", "/api/auth/otp/verify/", { body, language });
  } catch (error) {
    const second = secondStepOf(error);
    if (second) return second;
    throw error;
  }
}

/** The question for the second factor in a login's 403. */
export function secondStepOf(error: unknown): SecondStep | undefined {
  if (!(error instanceof ApiError) || error.code !== "auth.second_factor_required") return undefined;
  const { challenge, expires_in } = error.body;
  if (typeof challenge !== "string") return undefined;
  return { challenge, expiresIn: typeof expires_in === "number" ? expires_in : 300 };
}

/** Finishes a login with a code of the application, or a recovery code. */
export function verifySecondStep(challenge: string, code: string, language: string) {
  return request<Entered>("POST", "/api/auth/second-factor/verify/", { body: { challenge, code }, language });
}

/** Opens a session with the code that an admin made for somebody who lost the phone. */
export function recover(code: string, language: string) {
  return request<Entered & { refresh: string }>("POST", "/api/auth/recovery/", { body: { code }, language });
}

/** A new access token by the cookie's refresh token. */
export function refresh() {
  return request<Entered>("POST", "/api/auth/token/refresh/", { body: {} });
}

export function fetchMe(token: string) {
  return request<Me>("GET", "/api/auth/me/", { token });
}

/** Ends the session of this access token. */
export function logout(token: string) {
  return request("POST", "/api/auth/logout/", { token, body: {} });
}
