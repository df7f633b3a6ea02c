import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { bitRate, clockTime, zoneOffset } from "../../i18n/format";
import type { Language } from "../../i18n/i18n";
import type { WallStatus } from "../../player/wall";
import css from "./StatusBar.module.css";

function useClock(): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** One line of truth under the wall: the link, how many tiles are live, what they cost, the time. */
export function StatusBar({ status }: { status: WallStatus }) {
  const { t, i18n } = useTranslation("live");
  const now = useClock();
  const language: Language = i18n.language === "ar" ? "ar" : "en";
  return (
    <footer className={css.bar}>
      <span className={css.link} data-link={status.link}>
        {t(`status.${status.link}`)}
      </span>
      {status.tiles > 0 && (
        <span data-testid="live-count">{t("bar.live", { live: status.live, all: status.tiles })}</span>
      )}
      {status.kbps > 0 && <bdi dir="ltr">{bitRate(status.kbps)}</bdi>}
      <span className={css.space} />
      <bdi dir="ltr" className={css.time}>
        {clockTime(now, language)} <span>{zoneOffset(now)}</span>
      </bdi>
    </footer>
  );
}
