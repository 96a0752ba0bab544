import { request } from "./client";

export interface Session {
  access: string;
  refresh: string;
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
}

/** Asks for a login code by SMS (A07). */
export function requestCode(phone: string, language: string) {
  return request<{ ttl: number }>("POST", "/api/auth/otp/request/", { body: { phone_number: phone }, language });
}

/** Exchanges the code for a session (A07). */
export function verifyCode(phone: string, code: string, language: string) {
  return request<Session>("POST", "/api/auth/otp/verify/", { body: { phone_number: phone, code }, language });
}

export function fetchMe(token: string) {
  return request<Me>("GET", "/api/auth/me/", { token });
}

export function logout(session: Session) {
  return request("POST", "/api/auth/logout/", { token: session.access, body: { refresh: session.refresh } });
}
