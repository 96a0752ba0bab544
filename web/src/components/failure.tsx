import { useTranslation } from "react-i18next";

import { ApiError } from "../api/client";
import { formatNumber, useLanguage } from "../i18n/languages";
import { refusalText } from "./words";

/** Tells in words why a request failed, and when to try again if the answer says so. */
export function Failure({ error }: { error: Error | null }) {
  const { t } = useTranslation();
  const language = useLanguage();
  if (!error) return null;
  const number = (value: number) => formatNumber(value, language);
  let text = t("error.network");
  let wait: string | undefined;
  if (error instanceof ApiError) {
    text = refusalText(error, t, number) || t("error.unknown", { status: number(error.status) });
    if (error.retryAfter) wait = t("error.wait", { seconds: number(Math.ceil(error.retryAfter)) });
  }
  return (
    <div className="failure" role="alert">
      <p dir="auto">{text}</p>
      {wait && <p>{wait}</p>}
    </div>
  );
}
