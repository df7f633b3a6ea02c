import { useTranslation } from "react-i18next";
import type { TileView } from "../../player/tile";
import css from "./TileCell.module.css";

/** What a picture is not: as new, as large or as fluent as it could be, and why. */
export function TileBadges({ view, mainOnly }: { view: TileView; mainOnly: boolean }) {
  const { t } = useTranslation("live");
  return (
    <>
      {view.lane === "hls" && <span className={css.badge}>{t("state.hls")}</span>}
      {(mainOnly || view.reason === "main_only") && <span className={css.badge}>{t("state.main_only")}</span>}
      {view.reason === "congestion" && (
        <span className={css.badge} data-warns title={t("state.congestion_why")}>
          {t("state.congestion")}
        </span>
      )}
      {view.reduced && <span className={css.badge}>{t("state.key")}</span>}
    </>
  );
}
