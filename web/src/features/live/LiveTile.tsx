import { IconArrowsMaximize, IconArrowsMinimize, IconInfoCircle, IconX } from "@tabler/icons-react";
import { type ReactNode, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { bitRate } from "../../i18n/format";
import { isMainOnly } from "../../player/camera";
import type { Tile, TileView } from "../../player/tile";
import { useNames } from "./names";
import { useScreen } from "./store";
import { TileBadges } from "./TileBadges";
import type { TileProps } from "./TileCell";
import css from "./TileCell.module.css";
import { TileCover } from "./TileCover";
import { TileInfo } from "./TileInfo";
import { useTileDrag } from "./useTileDrag";
import { useWall } from "./useWall";

type Props = TileProps & { id: string; tileKey: string };

/** A camera on the wall: its picture, and above it a line that says what the picture is worth. */
export function LiveTile({ id, tileKey, cell, camera, focusable, full, hidden, actions }: Props) {
  const { t } = useTranslation("live");
  const names = useNames();
  const wall = useWall();
  const tile = wall.tile(tileKey, {
    key: tileKey,
    camera: camera ?? { id },
    visible: !hidden,
    maximised: full,
  });
  const view = useSyncExternalStore(
    (listener) => tile.subscribe(listener),
    () => tile.view,
  );
  const picture = usePicture(tile);
  const { ref, over, dragged } = useTileDrag(cell, true, actions);
  const [info, setInfo] = useState(false);
  const carried = useScreen((s) => s.carried?.kind === "cell" && s.carried.cell === cell);
  const name = names.camera(camera, id);
  const word = t(`word.${view.word}`, { s: view.ageS });

  return (
    // biome-ignore lint/a11y/useSemanticElements: a place on the wall is no set of form fields
    <div
      ref={ref}
      className={css.tile}
      role="group"
      data-testid="tile"
      data-cell={cell}
      data-camera={id}
      data-state={view.word}
      data-covered={view.covered}
      data-over={over}
      data-dragged={dragged || carried}
      data-full={full}
      hidden={hidden}
      tabIndex={focusable ? 0 : -1}
      aria-label={t("tile.name", { name, cell: cell + 1, state: word })}
      onFocus={() => useScreen.getState().set({ focus: cell })}
      onDoubleClick={() => actions.toggleFull(cell)}
    >
      <div className={css.chrome}>
        <span className={css.dot} aria-hidden />
        <span className={css.name} title={name}>
          <bdi dir="auto">{name}</bdi>
        </span>
        <TileBadges view={view} mainOnly={camera !== undefined && isMainOnly(camera)} />
        <span className={css.word}>{word}</span>
        <Rate view={view} />
      </div>
      <div ref={picture} className={css.picture} />
      {view.covered && <TileCover view={view} />}
      {info && <TileInfo tile={tile} camera={camera} />}
      <div className={css.tools}>
        <ToolButton label={t("tile.info")} reached={focusable} pressed={info} onClick={() => setInfo(!info)}>
          <IconInfoCircle size={16} stroke={1.7} aria-hidden />
        </ToolButton>
        <ToolButton
          label={t(full ? "tile.back" : "tile.maximise")}
          reached={focusable}
          onClick={() => actions.toggleFull(cell)}
        >
          {full ? (
            <IconArrowsMinimize size={16} stroke={1.7} aria-hidden />
          ) : (
            <IconArrowsMaximize size={16} stroke={1.7} aria-hidden />
          )}
        </ToolButton>
        <ToolButton label={t("tile.remove")} reached={focusable} onClick={() => actions.remove(cell)}>
          <IconX size={16} stroke={1.7} aria-hidden />
        </ToolButton>
      </div>
    </div>
  );
}

/** Gives the tile its place in the page, and its size in device pixels. */
function usePicture(tile: Tile) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const host = ref.current;
    if (host === null) return undefined;
    const observer = new ResizeObserver(() => {
      const ratio = window.devicePixelRatio || 1;
      tile.width = Math.round(host.clientWidth * ratio);
      tile.height = Math.round(host.clientHeight * ratio);
    });
    observer.observe(host);
    const detach = tile.attach(host);
    return () => {
      observer.disconnect();
      detach();
    };
  }, [tile]);
  return ref;
}

function Rate({ view }: { view: TileView }) {
  if (view.word !== "live") return null;
  return (
    <span className={css.rate}>
      {view.fps} fps{view.kbps === null ? "" : ` · ${bitRate(view.kbps)}`}
    </span>
  );
}

function ToolButton(props: {
  reached: boolean;
  label: string;
  onClick: () => void;
  pressed?: boolean;
  children: ReactNode;
}) {
  return (
    <button
      type="button"
      className={css.tool}
      aria-label={props.label}
      title={props.label}
      tabIndex={props.reached ? 0 : -1}
      {...(props.pressed === undefined ? {} : { "aria-pressed": props.pressed })}
      onClick={props.onClick}
      onDoubleClick={(event) => event.stopPropagation()}
    >
      {props.children}
    </button>
  );
}
