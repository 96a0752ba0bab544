import { useTranslation } from "react-i18next";

import { isLanguage, languages } from "../i18n/languages";

/** Chooses among Persian, French and English, and remembers the choice on this device. */
export function LanguageSwitch() {
  const { t, i18n } = useTranslation();
  const choose = (language: string) => {
    if (!isLanguage(language)) return;
    localStorage.setItem("tabib.language", language);
    void i18n.changeLanguage(language);
  };
  return (
    <div className="languages" role="group" aria-label={t("language")}>
      {Object.entries(languages).map(([language, { name }]) => (
        <button
          key={language}
          type="button"
          lang={language}
          aria-pressed={i18n.language === language}
          onClick={() => choose(language)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
