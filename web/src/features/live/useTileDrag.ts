import { combine } from "@atlaskit/pragmatic-drag-and-drop/combine";
import { draggable, dropTargetForElements } from "@atlaskit/pragmatic-drag-and-drop/element/adapter";
import { useEffect, useRef, useState } from "react";
import type { Actions } from "./useActions";

/** Lets a cell take what is dropped on it, and, when it holds a camera, be dragged to another. */
export function useTileDrag(cell: number, holds: boolean, actions: Actions) {
  const ref = useRef<HTMLDivElement>(null);
  const [over, setOver] = useState(false);
  const [dragged, setDragged] = useState(false);

  useEffect(() => {
    const element = ref.current;
    if (element === null) return undefined;
    const target = dropTargetForElements({
      element,
      canDrop: ({ source }) => source.data.cell !== cell,
      onDragEnter: () => setOver(true),
      onDragLeave: () => setOver(false),
      onDrop: ({ source }) => {
        setOver(false);
        const { camera, cell: from } = source.data;
        if (typeof camera === "string") actions.place(camera, cell);
        else if (typeof from === "number") actions.swap(from, cell);
      },
    });
    if (!holds) return target;
    const source = draggable({
      element,
      getInitialData: () => ({ cell }),
      onDragStart: () => setDragged(true),
      onDrop: () => setDragged(false),
    });
    return combine(target, source);
  }, [cell, holds, actions]);

  return { ref, over, dragged };
}
