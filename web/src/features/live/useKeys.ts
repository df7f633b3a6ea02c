import { useEffect } from "react";
import { useKeySheet } from "../../ui/key-sheet";
import { useScreen } from "./store";
import type { Actions } from "./useActions";
import { useView } from "./useView";
import { GRIDS } from "./view";

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

export function toggleFullScreen(): void {
  if (document.fullscreenElement !== null) void document.exitFullscreen();
  else void document.documentElement.requestFullscreen().catch(() => undefined); // refused: the page stays as it is
}

/** The keys of the whole page. Those of a tile stand with the tile. */
export function useKeys(actions: Actions) {
  const { full } = useView();
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.defaultPrevented) return stepBack(actions, full);
      if (isTyping(event.target) || event.ctrlKey || event.metaKey) return;
      const grid =
        event.altKey && /^Digit[1-8]$/.test(event.code) ? GRIDS[Number(event.code.slice(5)) - 1] : undefined;
      if (grid !== undefined) actions.resize(grid);
      else if (event.altKey) return;
      else if (event.key === "/" || event.code === "Slash") {
        if (event.shiftKey) useKeySheet.getState().toggle();
        else openFind();
      } else if (event.code === "KeyF") toggleFullScreen();
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [actions, full]);
}

function openFind() {
  useScreen.getState().set({ panel: true });
  requestAnimationFrame(() => document.getElementById("find-camera")?.focus());
}

function stepBack(actions: Actions, full: number | null) {
  const { carried, choosing } = useScreen.getState();
  if (carried !== null || choosing !== null) actions.cancel();
  else if (full !== null) actions.maximise(null);
}
