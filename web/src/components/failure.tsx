import { useTranslation } from "react-i18next";

import { ApiError } from "../api/client";
import { formatNumber, isLanguage } from "../i18n/languages";

/** Tells in words why a request failed, and when to try again if the answer says so. */
export function Failure({ error }: { error: Error | null }) {
  const { t, i18n } = useTranslation();
  if (!error) return null;
  const number = (value: number) => (isLanguage(i18n.language) ? formatNumber(value, i18n.language) : String(value));
  let text = t("error.network");
  let wait: string | undefined;
  if (error instanceof ApiError) {
    text = error.text || t("error.unknown", { status: number(error.status) });
    if (error.retryAfter) wait = t("error.wait", { seconds: number(Math.ceil(error.retryAfter)) });
  }
  return (
    <div className="failure" role="alert">
      <p dir="auto">{text}</p>
      {wait && <p>{wait}</p>}
    </div>
  );
}
