import type { Wall } from "../../player/wall";

declare global {
  interface Window {
    /** Counters of the wall for tests and support; read-only, no secrets. */
    __wall?: { status(): unknown; tiles(): unknown[] };
  }
}

export function watch(wall: Wall): () => void {
  window.__wall = Object.freeze({
    status: () => ({ ...wall.status() }),
    tiles: () =>
      wall.all().map((tile) => ({
        key: tile.key,
        camera: tile.ask.camera.id,
        slot: tile.seat?.slot.index ?? null,
        ...tile.view,
        ...tile.counters(),
      })),
  });
  return () => {
    delete window.__wall;
  };
}
