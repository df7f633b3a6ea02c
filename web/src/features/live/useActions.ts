import { useCallback, useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { Camera } from "../../api/types";
import { useNames } from "./names";
import { useScreen } from "./store";
import { useView } from "./useView";
import { filled, type Grid, placed, regrown, removed, swapped } from "./view";

/** Everything an operator can do to the wall, each with the words that say what happened. */
export function useActions(cameras: readonly Camera[]) {
  const { t } = useTranslation("live");
  const { view, grid, cells, full, change, setCells } = useView();
  const { set } = useScreen.getState();
  const names = useNames();
  const nameOf = useCallback(
    (id: string) =>
      names.camera(
        cameras.find((c) => c.id === id),
        id,
      ),
    [cameras, names],
  );

  return useMemo(() => {
    const ids = () => cameras.map((c) => c.id);
    return {
      place(id: string, cell: number) {
        setCells(placed(cells, cell, id));
        set({
          focus: cell,
          carried: null,
          choosing: null,
          said: t("say.placed", { name: nameOf(id), cell: cell + 1 }),
        });
      },
      /** Into the cell that was asked for, else the first empty one, else the focused one. */
      add(id: string) {
        const { choosing, focus } = useScreen.getState();
        const empty = cells.indexOf(null);
        const cell = choosing ?? (empty >= 0 ? empty : Math.min(focus, grid - 1));
        this.place(id, cell);
        if (choosing !== null) set({ refocus: true });
        if (choosing === null && empty < 0) set({ said: t("say.full") });
      },
      swap(a: number, b: number) {
        if (a !== b) setCells(swapped(cells, a, b));
        set({ focus: b, carried: null, said: t("say.swapped", { a: a + 1, b: b + 1 }) });
      },
      remove(cell: number) {
        if (cells[cell] == null) return;
        setCells(removed(cells, cell));
        set({ said: t("say.removed", { cell: cell + 1 }) });
      },
      fill() {
        setCells(filled(cells, ids()));
        set({ said: t("say.filled") });
      },
      clear() {
        setCells(cells.map(() => null));
        set({ said: t("say.cleared") });
      },
      resize(next: Grid) {
        const grown = regrown(view.cams, grid, next, ids());
        const rest = (view.cams ?? "").split(",").slice(next);
        const cams = [...grown.map((id) => id ?? ""), ...rest].join(",").replace(/,+$/, "");
        change({
          grid: next,
          full: undefined,
          ...(view.cams === undefined ? {} : { cams: cams === "" ? "," : cams }),
        });
        set({ focus: Math.min(useScreen.getState().focus, next - 1) });
      },
      maximise(cell: number | null) {
        change({ full: cell ?? undefined });
      },
      toggleFull(cell: number) {
        if (cells[cell] != null) change({ full: full === null ? cell : undefined });
      },
      find(q: string) {
        change({ q: q === "" ? undefined : q });
      },
      filter(agency: string | undefined) {
        change({ agency });
      },
      pick(carried: { kind: "camera"; id: string } | { kind: "cell"; cell: number }) {
        const id = carried.kind === "camera" ? carried.id : cells[carried.cell];
        if (id == null) return;
        set({ carried, said: t("say.placing", { name: nameOf(id) }) });
      },
      drop(cell: number) {
        const { carried } = useScreen.getState();
        if (carried?.kind === "camera") this.place(carried.id, cell);
        else if (carried?.kind === "cell") this.swap(carried.cell, cell);
      },
      cancel() {
        set({ carried: null, choosing: null, said: t("say.cancelled") });
      },
      choose(cell: number) {
        set({ choosing: cell, panel: true });
        requestAnimationFrame(() => document.getElementById("find-camera")?.focus());
      },
      nameOf,
    };
  }, [cameras, cells, grid, full, view.cams, change, setCells, set, t, nameOf]);
}

export type Actions = ReturnType<typeof useActions>;
