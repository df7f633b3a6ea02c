import { type FocusEvent, type KeyboardEvent, type RefObject, useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { Camera } from "../../api/types";
import { useScreen } from "./store";
import { TileBoundary } from "./TileBoundary";
import { TileCell } from "./TileCell";
import type { Actions } from "./useActions";
import { useView } from "./useView";
import { neighbour } from "./view";
import css from "./WallGrid.module.css";

const ARROWS = /^(Arrow(Left|Right|Up|Down)|Home|End)$/;

/** The tiles, always left to right: their places mean places of screens, not of text. */
export function WallGrid({ cameras, actions }: { cameras: ReadonlyMap<string, Camera>; actions: Actions }) {
  const { t } = useTranslation("live");
  const { grid, columns, cells, keys, full } = useView();
  const focus = useScreen((s) => Math.min(s.focus, grid - 1));
  const ref = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if (full !== null) ref.current?.querySelector<HTMLElement>(`[data-cell="${full}"]`)?.focus();
  }, [full]);

  const keepFocus = useKeptFocus(ref, cells);

  const onKeyDown = (event: KeyboardEvent) => {
    const cell = Number((event.target as HTMLElement).closest<HTMLElement>("[data-cell]")?.dataset.cell);
    if (!Number.isInteger(cell) || event.altKey) return;
    if (ARROWS.test(event.key) && full === null) {
      event.preventDefault();
      ref.current
        ?.querySelector<HTMLElement>(`[data-cell="${neighbour(cell, grid, columns, event.key)}"]`)
        ?.focus();
    } else if (event.target === event.currentTarget.querySelector(`[data-cell="${cell}"]`)) {
      tileKey(event, cell, cells[cell] ?? null, actions);
    }
  };

  return (
    // biome-ignore lint/a11y/useSemanticElements: a wall of tiles is no set of form fields
    <div
      ref={ref}
      className={css.wall}
      dir="ltr"
      role="group"
      tabIndex={-1}
      aria-label={t("tile.wall")}
      data-full={full !== null}
      style={{
        gridTemplateColumns: `repeat(${full === null ? columns : 1}, minmax(0, 1fr))`,
        gridAutoRows: `minmax(0, 1fr)`,
      }}
      onKeyDown={onKeyDown}
      {...keepFocus}
    >
      {cells.map((id, cell) => (
        <TileBoundary key={keys[cell] ?? `empty-${cell}`} message={t("tile.failed")}>
          <TileCell
            id={id}
            tileKey={keys[cell] ?? null}
            cell={cell}
            camera={id === null ? undefined : cameras.get(id)}
            focusable={cell === (full ?? focus)}
            full={full === cell}
            hidden={full !== null && full !== cell}
            actions={actions}
          />
        </TileBoundary>
      ))}
    </div>
  );
}

/** A tile that changes its content is another element: the focus it had goes to what took its place. */
function useKeptFocus(ref: RefObject<HTMLDivElement | null>, cells: readonly (string | null)[]) {
  const inside = useRef(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a change of cells is what takes the focus away
  useEffect(() => {
    const { focus, refocus, set } = useScreen.getState();
    const lost = inside.current && document.activeElement === document.body;
    if (lost || refocus) ref.current?.querySelector<HTMLElement>(`[data-cell="${focus}"]`)?.focus();
    if (refocus) set({ refocus: false });
  }, [cells, ref]);
  return {
    onFocus: () => {
      inside.current = true;
    },
    onBlur: (event: FocusEvent) => {
      if (event.relatedTarget !== null) inside.current = false;
    },
  };
}

function tileKey(event: KeyboardEvent, cell: number, id: string | null, actions: Actions) {
  const { carried } = useScreen.getState();
  if (event.key === "Enter" && carried !== null) actions.drop(cell);
  else if (event.key === "Enter" && event.ctrlKey) actions.pick({ kind: "cell", cell });
  else if (event.key === "Enter" && id === null) actions.choose(cell);
  else if (event.key === "Enter") actions.toggleFull(cell);
  else if (event.key === "Delete" || event.key === "Backspace") actions.remove(cell);
  else return;
  event.preventDefault();
}
