import { IconPlus } from "@tabler/icons-react";
import { memo } from "react";
import { useTranslation } from "react-i18next";
import type { Camera } from "../../api/types";
import { LiveTile } from "./LiveTile";
import { useScreen } from "./store";
import css from "./TileCell.module.css";
import type { Actions } from "./useActions";
import { useTileDrag } from "./useTileDrag";

export interface TileProps {
  id: string | null;
  tileKey: string | null;
  cell: number;
  camera: Camera | undefined;
  focusable: boolean;
  full: boolean;
  hidden: boolean;
  actions: Actions;
}

/** One place on the wall: empty, or with a camera in it. */
export const TileCell = memo(function TileCell(props: TileProps) {
  return props.id === null || props.tileKey === null ? (
    <EmptyTile {...props} />
  ) : (
    <LiveTile {...props} id={props.id} tileKey={props.tileKey} />
  );
});

function EmptyTile({ cell, focusable, hidden, actions }: TileProps) {
  const { t } = useTranslation("live");
  const { ref, over } = useTileDrag(cell, false, actions);
  const choosing = useScreen((s) => s.choosing === cell);
  return (
    // biome-ignore lint/a11y/useSemanticElements: a place on the wall is no set of form fields
    <div
      ref={ref}
      className={css.empty}
      role="group"
      data-testid="tile"
      data-cell={cell}
      data-camera=""
      data-state="empty"
      data-over={over}
      data-choosing={choosing}
      hidden={hidden}
      tabIndex={focusable ? 0 : -1}
      aria-label={t("tile.empty_name", { cell: cell + 1 })}
      onFocus={() => useScreen.getState().set({ focus: cell })}
      onDoubleClick={() => actions.choose(cell)}
    >
      <IconPlus size={18} stroke={1.5} aria-hidden />
      <p dir="auto">{t("state.empty")}</p>
    </div>
  );
}
