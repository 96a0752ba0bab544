import { request } from "./client";

export interface PatientLogin {
  patient: { id: number; full_name: string; phone_number: string | null };
  access_info: { access_count: number; is_permanent: boolean };
}

export interface Report {
  id: string;
  report_file: string;
  created_at: string;
  download_count: number;
  is_accessible: boolean;
  file_size: string;
}

/** Opens a portal session with the permanent key (R03); the session travels as an HttpOnly cookie. */
export function portalLogin(accessKey: string, password: string, language: string) {
  return request<PatientLogin>("POST", "/api/patients/portal/login/", {
    body: { access_key: accessKey, password },
    language,
  });
}

/** The reports of the patient who is logged in (R06, R18). */
export async function listReports(): Promise<Report[]> {
  const answer = await request<Report[] | { results: Report[] }>("GET", "/api/reports/patient/");
  return Array.isArray(answer) ? answer : answer.results;
}

export function portalLogout() {
  return request("POST", "/api/patients/portal/logout/", { body: {} });
}

export function downloadUrl(id: string): string {
  return `/api/reports/download/${encodeURIComponent(id)}/`;
}
