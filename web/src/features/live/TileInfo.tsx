import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Camera } from "../../api/types";
import { bitRate } from "../../i18n/format";
import type { Tile, TileCounters } from "../../player/tile";
import { useNames } from "./names";
import css from "./TileCell.module.css";

/** Everything known of a tile's picture. */
export function TileInfo({ tile, camera }: { tile: Tile; camera: Camera | undefined }) {
  const { view } = tile;
  const counters = useCounters(tile);
  const { t, i18n } = useTranslation("live");
  const names = useNames();
  const rows: [string, string | null][] = [
    [t("info.lane"), t(`info.${view.lane}`)],
    [
      t("info.rendition"),
      view.rendition === null ? null : t(`info.${view.rendition}`, { defaultValue: view.rendition }),
    ],
    [t("info.why"), view.reason === null ? null : t(`reason.${view.reason}`, { defaultValue: view.reason })],
    [t("info.codec"), view.codec],
    [t("info.size"), view.width > 0 ? `${view.width} × ${view.height}` : null],
    [t("info.fps"), `${view.fps} fps`],
    [t("info.bitrate"), view.kbps === null ? null : bitRate(view.kbps)],
    [t("info.latency"), counters.latencyMs === null ? null : `${counters.latencyMs} ms`],
    [t("info.frames"), `${counters.displayed} / ${counters.dropped}`],
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

function useCounters(tile: Tile): TileCounters {
  const [counters, setCounters] = useState(() => tile.counters());
  useEffect(() => {
    const timer = setInterval(() => setCounters(tile.counters()), 1_000);
    return () => clearInterval(timer);
  }, [tile]);
  return counters;
}
