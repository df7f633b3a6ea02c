/**
 * How large a picture each tile asks for. The server picks the smallest rendition whose width is at least 0.8 of what
 * is wanted; this side keeps the main stream for few large tiles and keeps sizes from flapping.
 */
import type { Want } from "./protocol";

/** A tile from this width on may claim the main stream. */
export const MAIN_WIDTH_MIN = 960;
/** Main streams on one wall at once. */
export const MAIN_MAX = 4;
/** A rendition serves a tile up to its own width divided by this. */
const FIT = 0.8;
/** Width of the smallest sub-stream, asked for until the first picture and where a camera does not tell its own. */
const LOWEST = { w: 320, h: 180 };
const HYSTERESIS = 0.2;
const DWELL_MS = 3_000;
const SUB_FPS = 15;
const MAIN_FPS = 25;

export interface Claim {
  key: string;
  /** Size in device pixels. */
  w: number;
  h: number;
  maximised: boolean;
}

/** The keys that get the main stream: maximised first, then by size, at most `MAIN_MAX`. */
export function mainClaims(claims: readonly Claim[], most = MAIN_MAX): Set<string> {
  return new Set(
    claims
      .filter((c) => c.maximised || c.w >= MAIN_WIDTH_MIN)
      .sort((a, b) => Number(b.maximised) - Number(a.maximised) || b.w * b.h - a.w * a.h)
      .slice(0, most)
      .map((c) => c.key),
  );
}

/** What a tile asks for. Without a claim to the main stream it never asks for more than the sub-stream can fill. */
export function wantOf(claim: Claim, main: boolean, hasPicture: boolean, subWidth: number | null): Want {
  if (!hasPicture) return { ...LOWEST, fps: SUB_FPS, mode: "all" };
  if (main) {
    const w = Math.max(claim.w, claim.maximised ? MAIN_WIDTH_MIN : 0);
    return { w, h: claim.h, fps: MAIN_FPS, mode: "all" };
  }
  const most = Math.floor((subWidth ?? LOWEST.w) / FIT);
  const w = Math.min(claim.w, most);
  return { w, h: Math.max(1, Math.round((claim.h * w) / Math.max(1, claim.w))), fps: SUB_FPS, mode: "all" };
}

/** Whether a new want replaces the sent one: at once for another mode, else past 20 % of change and 3 s of dwell. */
export function replaces(next: Want, sent: Want, sinceSentMs: number): boolean {
  if (next.mode !== sent.mode) return true;
  if (next.fps === sent.fps && Math.abs(next.w - sent.w) <= HYSTERESIS * sent.w) return false;
  return sinceSentMs >= DWELL_MS || next.fps > sent.fps;
}
