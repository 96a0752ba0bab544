import { useTranslation } from "react-i18next";

/** Something is on its way. */
export function Waiting() {
  const { t } = useTranslation();
  return <p role="status">{t("busy")}</p>;
}
