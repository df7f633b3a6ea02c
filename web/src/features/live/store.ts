import { create } from "zustand";

/** What is being carried by keyboard: a camera of the list, or the content of a cell. */
export type Carried = { kind: "camera"; id: string } | { kind: "cell"; cell: number };

interface Screen {
  /** The cell that has, or last had, the focus. */
  focus: number;
  carried: Carried | null;
  /** The cell a camera is being chosen for. */
  choosing: number | null;
  /** The focus goes to its cell with the next change of the wall. */
  refocus: boolean;
  panel: boolean;
  said: string;
  set: (next: Partial<Omit<Screen, "set">>) => void;
}

/** What is neither server state nor in the URL. */
export const useScreen = create<Screen>((set) => ({
  focus: 0,
  carried: null,
  choosing: null,
  refocus: false,
  panel: window.innerWidth >= 900,
  said: "",
  set,
}));
