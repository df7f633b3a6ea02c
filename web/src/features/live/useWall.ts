import { createContext, useContext, useEffect, useState, useSyncExternalStore } from "react";
import type { Camera } from "../../api/types";
import type { Ask } from "../../player/tile";
import { Wall } from "../../player/wall";
import { watch } from "./debug";

export const WallContext = createContext<Wall | null>(null);

export function useWall(): Wall {
  const wall = useContext(WallContext);
  if (wall === null) throw new Error("a tile outside a wall");
  return wall;
}

/** One wall for the page. It works from the first effect to the last. */
export function useNewWall(): Wall {
  const [wall] = useState(() => new Wall());
  useEffect(() => {
    const stop = wall.start();
    const unwatch = watch(wall);
    return () => {
      unwatch();
      stop();
    };
  }, [wall]);
  return wall;
}

export function useWallStatus(wall: Wall) {
  return useSyncExternalStore(
    (listener) => wall.subscribe(listener),
    () => wall.status(),
  );
}

/** What the wall is asked for: every cell that holds a camera; beside a maximised one the others pause. */
export function asksOf(
  cells: readonly (string | null)[],
  keys: readonly (string | null)[],
  full: number | null,
  cameras: ReadonlyMap<string, Camera>,
): Ask[] {
  return cells.flatMap((id, cell) => {
    const key = keys[cell];
    if (id === null || key == null) return [];
    return [
      {
        key,
        camera: cameras.get(id) ?? { id },
        visible: full === null || full === cell,
        maximised: full === cell,
      },
    ];
  });
}
