/** The wall's view as it stands in the URL, and the pure steps from one view to the next. */

export const GRIDS = [1, 4, 9, 16, 25, 36, 49, 64] as const;
export type Grid = (typeof GRIDS)[number];

/** What `?grid=&cams=&full=&q=&agency=` says. A cell without a camera is empty text. */
export interface View {
  grid?: Grid;
  /** Camera ids by cell, joined with commas; undefined before the wall was ever filled. */
  cams?: string;
  /** The maximised cell. */
  full?: number;
  q?: string;
  agency?: string;
}

export const DEFAULT_GRID: Grid = 16;

export function parseView(search: Record<string, unknown>): View {
  const grid = GRIDS.find((g) => g === Number(search.grid));
  const full = search.full === undefined || search.full === "" ? Number.NaN : Number(search.full);
  return {
    ...(grid === undefined ? {} : { grid }),
    ...(typeof search.cams === "string" ? { cams: search.cams } : {}),
    ...(Number.isInteger(full) && full >= 0 && full < 64 ? { full } : {}),
    ...(typeof search.q === "string" && search.q !== "" ? { q: search.q } : {}),
    ...(typeof search.agency === "string" && search.agency !== "" ? { agency: search.agency } : {}),
  };
}

/** The cells of a wall, each a camera id or null. */
export type Cells = readonly (string | null)[];

export function cellsOf(cams: string | undefined, grid: number): (string | null)[] {
  const ids = (cams ?? "").split(",");
  return Array.from({ length: grid }, (_, cell) => ids[cell]?.trim() || null);
}

/** Writes cells back; what lies beyond the grid stays, so a smaller layout forgets nothing. An empty wall is one comma. */
export function camsOf(cells: Cells, before: string | undefined): string {
  const rest = (before ?? "").split(",").slice(cells.length);
  const ids = [...cells.map((id) => id ?? ""), ...rest].slice(0, 64);
  while (ids.length > 0 && ids.at(-1) === "") ids.pop();
  return ids.length === 0 ? "," : ids.join(",");
}

/** Puts the cameras that are not yet on the wall into its empty cells, in order. */
export function filled(cells: Cells, ids: readonly string[]): (string | null)[] {
  const on = new Set(cells);
  const rest = ids.filter((id) => !on.has(id));
  return cells.map((id) => id ?? rest.shift() ?? null);
}

export function placed(cells: Cells, cell: number, id: string): (string | null)[] {
  const from = cells.indexOf(id);
  if (from === cell) return [...cells];
  // A camera that is already on the wall moves; what stood there takes its place.
  return from >= 0 ? swapped(cells, from, cell) : cells.map((old, i) => (i === cell ? id : old));
}

export function swapped(cells: Cells, a: number, b: number): (string | null)[] {
  return cells.map((id, i) => (i === a ? (cells[b] ?? null) : i === b ? (cells[a] ?? null) : id));
}

export function removed(cells: Cells, cell: number): (string | null)[] {
  return cells.map((id, i) => (i === cell ? null : id));
}

/** A larger layout of a full wall is filled too; a wall with holes keeps them. */
export function regrown(
  cams: string | undefined,
  from: number,
  to: Grid,
  ids: readonly string[],
): (string | null)[] {
  const before = cellsOf(cams, from);
  const after = cellsOf(cams, to);
  const grows = to > from && before.every((id) => id !== null);
  return grows ? filled(after, ids) : after;
}

/** Names each cell's tile so that it keeps its picture wherever it moves: the camera, and which of its appearances it is. */
export function keysOf(cells: Cells): (string | null)[] {
  const seen = new Map<string, number>();
  return cells.map((id) => {
    if (id === null) return null;
    const nth = seen.get(id) ?? 0;
    seen.set(id, nth + 1);
    return `${id}#${nth}`;
  });
}

/** The cell next to `cell` in this direction, staying inside the grid. */
export function neighbour(cell: number, grid: number, side: number, key: string): number {
  const column = cell % side;
  switch (key) {
    case "ArrowLeft":
      return column > 0 ? cell - 1 : cell;
    case "ArrowRight":
      return column < side - 1 ? cell + 1 : cell;
    case "ArrowUp":
      return cell >= side ? cell - side : cell;
    case "ArrowDown":
      return cell + side < grid ? cell + side : cell;
    case "Home":
      return 0;
    case "End":
      return grid - 1;
    default:
      return cell;
  }
}
