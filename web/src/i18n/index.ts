import i18next from "i18next";
import { initReactI18next } from "react-i18next";

import en from "./en.json";
import fa from "./fa.json";
import fr from "./fr.json";
import { initialLanguage, isLanguage, languages } from "./languages";

function applyToDocument(language: string): void {
  if (!isLanguage(language)) return;
  document.documentElement.lang = language;
  document.documentElement.dir = languages[language].dir;
  document.title = i18next.t("title");
}

i18next.on("languageChanged", applyToDocument);
i18next.on("initialized", () => applyToDocument(i18next.language));

void i18next.use(initReactI18next).init({
  lng: initialLanguage(),
  fallbackLng: "en",
  resources: { fa: { translation: fa }, fr: { translation: fr }, en: { translation: en } },
  interpolation: { escapeValue: false },
});

export default i18next;
