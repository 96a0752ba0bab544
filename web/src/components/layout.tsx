import { Link, Outlet } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import { ChallengeProgress } from "./challenge-progress";
import { LanguageSwitch } from "./language-switch";

/** The frame of every page: skip link, name, language, content, footer. */
export function Layout() {
  const { t } = useTranslation();
  return (
    <>
      <a className="skip" href="#main">
        {t("skip")}
      </a>
      <header>
        <Link to="/" className="brand">
          <img src="/tabib.svg" alt="" width="32" height="32" />
          <span>{t("brand")}</span>
        </Link>
        <LanguageSwitch />
      </header>
      <main id="main">
        <ChallengeProgress />
        <Outlet />
      </main>
      <footer>{t("footer")}</footer>
    </>
  );
}
