/** What a tile may say of its picture. Only a displayed frame makes a tile LIVE; what the server says of the camera never does. */
import type { Mode, Phase } from "./protocol";

export type Word = "connecting" | "live" | "stale" | "offline" | "denied";

/** A picture is live with a displayed frame in this time. */
export const LIVE_MS = 2_000;

export interface Seen {
  /** What the server last said of the slot; null while it has said nothing. */
  phase: Phase | null;
  /** When a frame of this camera was last displayed, in milliseconds; null when never. */
  displayedAt: number | null;
  mode: Mode;
  gopMs: number | null;
}

/** How old the newest displayed frame of a live tile may be. */
export function liveLimitMs(mode: Mode, gopMs: number | null): number {
  return mode === "key" && gopMs !== null ? Math.max(LIVE_MS, 1.5 * gopMs) : LIVE_MS;
}

export function wordOf(now: number, seen: Seen): Word {
  if (seen.phase === "denied") return "denied";
  const fresh = seen.displayedAt !== null && now - seen.displayedAt <= liveLimitMs(seen.mode, seen.gopMs);
  if (seen.phase === "offline" && !fresh) return "offline";
  if (seen.displayedAt === null) return "connecting";
  return fresh ? "live" : "stale";
}

/** Whole seconds since the last displayed frame. */
export function ageSeconds(now: number, displayedAt: number | null): number {
  return displayedAt === null ? 0 : Math.max(0, Math.floor((now - displayedAt) / 1_000));
}
