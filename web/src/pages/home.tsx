import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

/** The first page: the three doors of the platform. */
export function Home() {
  const { t } = useTranslation();
  return (
    <>
      <section className="hero">
        <h1>{t("brand")}</h1>
        <p>{t("tagline")}</p>
      </section>
      <div className="doors">
        <article className="card">
          <h2>{t("home.patientTitle")}</h2>
          <p>{t("home.patientText")}</p>
          <Link to="/patient" className="button">
            {t("home.patientAction")}
          </Link>
        </article>
        <article className="card">
          <h2>{t("home.staffTitle")}</h2>
          <p>{t("home.staffText")}</p>
          <Link to="/login" className="button">
            {t("home.staffAction")}
          </Link>
        </article>
        <article className="card">
          <h2>{t("home.apiTitle")}</h2>
          <p>{t("home.apiText")}</p>
          <a href="/api/docs/" className="button quiet">
            {t("home.apiAction")}
          </a>
        </article>
      </div>
    </>
  );
}
