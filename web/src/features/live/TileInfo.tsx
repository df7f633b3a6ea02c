import { useTranslation } from "react-i18next";
import type { Camera } from "../../api/types";
import { bitRate } from "../../i18n/format";
import type { TileView } from "../../player/tile";
import { useNames } from "./names";
import css from "./TileCell.module.css";

/** Everything known of a tile's picture. */
export function TileInfo({ view, camera }: { view: TileView; camera: Camera | undefined }) {
  const { t, i18n } = useTranslation("live");
  const names = useNames();
  const rows: [string, string | null][] = [
    [t("info.lane"), t(`info.${view.lane}`)],
    [
      t("info.rendition"),
      view.rendition === null ? null : t(`info.${view.rendition}`, { defaultValue: view.rendition }),
    ],
    [t("info.codec"), view.codec],
    [t("info.size"), view.width > 0 ? `${view.width} × ${view.height}` : null],
    [t("info.fps"), `${view.fps} fps`],
    [t("info.bitrate"), view.kbps === null ? null : bitRate(view.kbps)],
    [t("info.latency"), view.latencyMs === null ? null : `${view.latencyMs} ms`],
    [t("info.frames"), `${view.displayed} / ${view.dropped}`],
    [t("info.gop"), view.gopMs === null ? null : `${(view.gopMs / 1_000).toFixed(1)} s`],
    [t("info.agency"), camera === undefined ? null : names.agency(camera.source)],
    [t("info.quota"), view.quota],
  ];
  return (
    <dl className={css.info} dir={i18n.dir()}>
      {rows.map(([name, value]) =>
        value === null ? null : (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <bdi>{value}</bdi>
            </dd>
          </div>
        ),
      )}
    </dl>
  );
}
