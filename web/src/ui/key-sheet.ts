import { create } from "zustand";

/** Whether the sheet of keys is open: asked for by the rail, shown by the page whose keys they are. */
export const useKeySheet = create<{ open: boolean; toggle: () => void; close: () => void }>((set) => ({
  open: false,
  toggle: () => set((s) => ({ open: !s.open })),
  close: () => set({ open: false }),
}));
