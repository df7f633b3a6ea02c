/** Both languages, loaded with the page; which one speaks stands in the URL. */
import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import arApp from "./ar/app.json";
import arLive from "./ar/live.json";
import enApp from "./en/app.json";
import enLive from "./en/live.json";

export type Language = "en" | "ar";

export function directionOf(language: Language): "ltr" | "rtl" {
  return language === "ar" ? "rtl" : "ltr";
}

/** The language of a browser that has chosen none. */
export function preferredLanguage(): Language {
  return navigator.languages
    .find((l) => /^(en|ar)\b/i.test(l))
    ?.toLowerCase()
    .startsWith("ar")
    ? "ar"
    : "en";
}

void i18next.use(initReactI18next).init({
  resources: { en: { app: enApp, live: enLive }, ar: { app: arApp, live: arLive } },
  lng: preferredLanguage(),
  fallbackLng: "en",
  defaultNS: "app",
  interpolation: { escapeValue: false },
});

export { i18next };
