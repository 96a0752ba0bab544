import type { TFunction } from "i18next";

import type { ApiError } from "../api/client";

/**
 * Refusals whose text is a literal of a replaced system, in that system's language alone: their code says what a person is
 * to read instead.
 */
const OWN_WORDS = [
  "auth.code_wrong",
  "auth.code_unknown",
  "auth.code_burned",
  "auth.code_not_sent",
  "auth.code_not_allowed",
  "auth.codes_stopped",
  "auth.account_closed",
  "auth.number_needs_proof",
  "auth.challenge_required",
  "request.throttled",
];

/** What a refusal says to a person; empty when neither we nor the answer know. */
export function refusalText(error: ApiError, t: TFunction, number: (value: number) => string): string {
  if (error.code === "auth.code_wrong") {
    const left = /\d+/.exec(error.text);
    if (left) return t("refusal.auth.code_wrong_left", { count: Number(left[0]), shown: number(Number(left[0])) });
  }
  if (error.code && OWN_WORDS.includes(error.code)) return t(`refusal.${error.code}`);
  if (error.code === "request.invalid" && error.body.phone_number) return t("refusal.phone");
  if (error.code === "request.invalid" && error.body.code) return t("refusal.code");
  return error.text;
}
