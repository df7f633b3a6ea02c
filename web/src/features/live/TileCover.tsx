import { IconAlertTriangle, IconLock, IconPlugConnectedX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { clockTime } from "../../i18n/format";
import type { TileView } from "../../player/tile";
import { useNames } from "./names";
import css from "./TileCell.module.css";

/** What stands where no picture may be shown: why, and what happens next. */
export function TileCover({ view }: { view: TileView }) {
  const text = useText(view);
  return (
    <div className={css.cover} dir="auto">
      {view.word === "offline" && <IconPlugConnectedX size={22} stroke={1.5} aria-hidden />}
      {view.word === "denied" && <Refused code={view.refusal?.code} />}
      {view.word === "connecting" && <span className={css.skeleton} aria-hidden />}
      {text.map((line) => (
        <p key={line} dir="auto">
          {line}
        </p>
      ))}
    </div>
  );
}

function Refused({ code }: { code: string | undefined }) {
  return code === "FORBIDDEN" ? (
    <IconLock size={22} stroke={1.5} aria-hidden />
  ) : (
    <IconAlertTriangle size={22} stroke={1.5} aria-hidden />
  );
}

function useText(view: TileView): string[] {
  const { t, i18n } = useTranslation("live");
  const names = useNames();
  const arabic = i18n.language === "ar";
  if (view.word === "stale") return [t("state.stale", { s: view.ageS })];
  if (view.word === "offline") {
    const since = new Date(view.offlineSince ?? Date.now());
    const line = t("state.offline", { time: clockTime(since, arabic ? "ar" : "en") });
    return view.reason === null ? [line] : [line, view.reason];
  }
  const refusal = view.refusal;
  if (view.word !== "denied" || refusal === null) return [t("state.connecting")];
  switch (refusal.code) {
    case "FORBIDDEN":
      return [t("state.forbidden")];
    case "LANE_UNSUITABLE":
      return [t("state.codec", { codec: view.codec ?? "H.264 (B)" }), t("state.codec_fix")];
    case "RATE_LIMIT_EXCEEDED":
      return refusal.limit === undefined
        ? [arabic ? refusal.message_ar : refusal.message_en]
        : [
            t("state.quota", {
              agency: names.agency(refusal.source ?? ""),
              used: refusal.current,
              limit: refusal.limit,
            }),
          ];
    default:
      return [arabic ? refusal.message_ar : refusal.message_en];
  }
}
