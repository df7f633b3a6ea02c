import { useMediaQuery } from "@mantine/hooks";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import { camsOf, cellsOf, DEFAULT_GRID, type Grid, keysOf, type View } from "./view";

const PHONE = "(width < 600px)";
const UPRIGHT = "(orientation: portrait)";
/** The largest layout that a phone shows. */
const PHONE_GRID: Grid = 4;

/** The view in the URL, and the one way to change it. */
export function useView() {
  const view = useSearch({ from: "/live" });
  const navigate = useNavigate();
  const phone = useMediaQuery(PHONE, undefined, { getInitialValueInEffect: false }) ?? false;
  const upright = useMediaQuery(UPRIGHT, undefined, { getInitialValueInEffect: false }) ?? false;
  const asked: Grid = view.grid ?? DEFAULT_GRID;
  const grid: Grid = phone && asked > PHONE_GRID ? PHONE_GRID : asked;
  const columns = phone && upright ? 1 : Math.sqrt(grid);
  const cells = useMemo(() => cellsOf(view.cams, grid), [view.cams, grid]);
  const keys = useMemo(() => keysOf(cells), [cells]);
  const full = view.full !== undefined && view.full < grid && cells[view.full] != null ? view.full : null;

  const change = useCallback(
    (next: { [K in keyof View]?: View[K] | undefined }) => {
      void navigate({ to: "/live", search: (old) => ({ ...old, ...next }) as typeof old, replace: true });
    },
    [navigate],
  );
  const setCells = useCallback(
    (next: readonly (string | null)[]) => change({ cams: camsOf(next, view.cams), full: undefined }),
    [change, view.cams],
  );
  return { view, grid, columns, cells, keys, full, change, setCells };
}
