import { useTranslation } from "react-i18next";

/** The languages of the platform, with their direction and the locale that formats dates and numbers. */
export const languages = {
  fa: { name: "فارسی", dir: "rtl", locale: "fa-IR-u-ca-persian" },
  fr: { name: "Français", dir: "ltr", locale: "fr-FR" },
  en: { name: "English", dir: "ltr", locale: "en-GB" },
} as const;

export type Language = keyof typeof languages;

export function isLanguage(value: string | null | undefined): value is Language {
  return value != null && value in languages;
}

/** The language to start with: the one chosen before, else the browser's, else Persian. */
export function initialLanguage(): Language {
  const chosen = localStorage.getItem("tabib.language");
  if (isLanguage(chosen)) return chosen;
  for (const tag of navigator.languages) {
    const base = tag.split("-")[0];
    if (isLanguage(base)) return base;
  }
  return "fa";
}

export function formatDate(value: string, language: Language): string {
  return new Intl.DateTimeFormat(languages[language].locale, {
    day: "numeric",
    month: "long",
    year: "numeric",
  }).format(new Date(value));
}

export function formatNumber(value: number, language: Language): string {
  return new Intl.NumberFormat(languages[language].locale).format(value);
}

/** Day and time of day. */
export function formatMoment(value: string, language: Language): string {
  return new Intl.DateTimeFormat(languages[language].locale, { dateStyle: "medium", timeStyle: "short" }).format(
    new Date(value),
  );
}

/** The language of the page. */
export function useLanguage(): Language {
  const { i18n } = useTranslation();
  return isLanguage(i18n.language) ? i18n.language : "en";
}
