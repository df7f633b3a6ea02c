import { useDirection, useMantineColorScheme } from "@mantine/core";
import { IconKeyboard, IconLanguage, IconLayoutGrid, IconMoon, IconSun } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { isSignedOut, onSession } from "../api/session";
import { SignIn } from "../features/login/SignIn";
import { directionOf, type Language, preferredLanguage } from "../i18n/i18n";
import { useKeySheet } from "../ui/key-sheet";
import { RailButton } from "../ui/RailButton";
import css from "./Shell.module.css";

/** The frame of every page: the rail with the pages there are, language, theme and keys. */
export function Shell() {
  const { t, i18n } = useTranslation();
  const search = useSearch({ from: "__root__" });
  const navigate = useNavigate();
  const keys = useKeySheet();
  const queries = useQueryClient();
  const signedOut = useSyncExternalStore(onSession, isSignedOut);
  const language: Language = search.lng ?? preferredLanguage();
  const day = search.theme === "day";
  useLanguage(language, i18n.changeLanguage);
  useTheme(day);
  const title = t("product");
  useEffect(() => {
    document.title = title;
  }, [title]);

  const change = (next: { lng?: Language; theme?: "day" | undefined }) =>
    void navigate({ to: ".", search: (old) => ({ ...old, ...next }) as typeof old, replace: true });

  return (
    <div className={css.shell}>
      <nav className={css.rail} aria-label={t("rail.nav")}>
        <img className={css.mark} src="/icon.svg" alt="" width={28} height={28} />
        <Link
          to="/live"
          search={(old) => old}
          className={css.page}
          activeOptions={{ includeSearch: false }}
          activeProps={{ "data-active": true }}
        >
          <IconLayoutGrid size={20} stroke={1.6} aria-hidden />
          <span>{t("rail.live")}</span>
        </Link>
        <div className={css.space} />
        <RailButton
          label={t("rail.language")}
          onClick={() => change({ lng: language === "ar" ? "en" : "ar" })}
        >
          <IconLanguage size={20} stroke={1.6} aria-hidden />
        </RailButton>
        <RailButton label={t("rail.theme")} onClick={() => change({ theme: day ? undefined : "day" })}>
          {day ? (
            <IconMoon size={20} stroke={1.6} aria-hidden />
          ) : (
            <IconSun size={20} stroke={1.6} aria-hidden />
          )}
        </RailButton>
        <RailButton label={t("rail.help")} onClick={keys.toggle}>
          <IconKeyboard size={20} stroke={1.6} aria-hidden />
        </RailButton>
      </nav>
      <main className={css.main}>
        {signedOut ? <SignIn onDone={() => void queries.resetQueries()} /> : <Outlet />}
      </main>
    </div>
  );
}

function useLanguage(language: Language, apply: (language: string) => Promise<unknown>) {
  const { setDirection } = useDirection();
  useEffect(() => {
    void apply(language);
    document.documentElement.lang = language;
    setDirection(directionOf(language));
  }, [language, apply, setDirection]);
}

function useTheme(day: boolean) {
  const { setColorScheme } = useMantineColorScheme();
  useEffect(() => {
    document.documentElement.dataset.theme = day ? "day" : "night";
    setColorScheme(day ? "light" : "dark");
  }, [day, setColorScheme]);
}
