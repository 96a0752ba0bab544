import { useTranslation } from "react-i18next";

import { formatNumber, useLanguage } from "../i18n/languages";

interface PagerProps {
  page: number;
  /** Whether there is a page after this one. */
  more: boolean;
  onPage: (page: number) => void;
}

/** The way through a list of pages; nothing for a list of one. */
export function Pager({ page, more, onPage }: PagerProps) {
  const { t } = useTranslation();
  const language = useLanguage();
  if (page === 1 && !more) return null;
  return (
    <nav className="actions" aria-label={t("pages.label")}>
      <button type="button" className="button quiet small" onClick={() => onPage(page - 1)} disabled={page === 1}>
        {t("pages.previous")}
      </button>
      <span className="quiet-text">{t("pages.current", { page: formatNumber(page, language) })}</span>
      <button type="button" className="button quiet small" onClick={() => onPage(page + 1)} disabled={!more}>
        {t("pages.next")}
      </button>
    </nav>
  );
}
