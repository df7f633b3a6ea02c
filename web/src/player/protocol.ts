/**
 * The words of the wall session: what travels on the `ctl` channel and in the opening request.
 * Reads what the server sends without trusting it; an unknown message is dropped, never an error.
 */

export type Mode = "all" | "key" | "pause";

/** What a tile wants to show, in device pixels. */
export interface Want {
  w: number;
  h: number;
  fps: number;
  mode: Mode;
}

export type Phase = "pending" | "keyframe" | "live" | "stale" | "offline" | "denied";

export interface SlotReport {
  slot: number;
  fps: number;
  dropped: number;
  jitter_ms: number;
  /** Absent where frames or states carry no time. */
  latency_ms?: number;
}

export type ClientMessage =
  | { t: "assign"; seq: number; slot: number; camera: string; want: Want }
  | { t: "release"; seq: number; slot: number }
  | { t: "report"; slots: SlotReport[] }
  | { t: "ping"; ts: number };

export interface Quota {
  source: string;
  current: number;
  limit: number;
}

export interface StateMessage {
  t: "state";
  slot: number;
  seq: number;
  phase: Phase;
  reason?: string;
  rendition?: string;
  codec?: string;
  w?: number;
  h?: number;
  fps?: number;
  kbps?: number;
  gop_ms?: number;
  first_rtp?: number;
  clock?: { rtp: number; utc: string | number };
  quota?: Quota;
}

export interface Refusal {
  code: string;
  message_en: string;
  message_ar: string;
  source?: string;
  current?: number;
  limit?: number;
  retry_after?: number;
  lanes?: string[];
}

export interface DeniedMessage {
  t: "denied";
  slot: number;
  seq: number;
  error: Refusal;
}

export type ServerMessage =
  | StateMessage
  | DeniedMessage
  | { t: "pong"; ts: number; utc: string | number }
  | { t: "closing"; reason: string; retry_ms: number };

/** What the server answers to the opening request. */
export interface SessionAnswer {
  session_id: string;
  answer: string;
  slots: { slot: number; mid: string }[];
  heartbeat_ms: number;
  lost_ms: number;
}

/** The largest message on `ctl`, in bytes of UTF-8. */
export const MESSAGE_BYTES_MAX = 16_000;

const PHASES: readonly string[] = ["pending", "keyframe", "live", "stale", "offline", "denied"];

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function understood(value: unknown): ServerMessage | null {
  if (!isRecord(value)) return null;
  const hasSlot = Number.isInteger(value.slot) && Number.isInteger(value.seq);
  switch (value.t) {
    case "state":
      return hasSlot && PHASES.includes(String(value.phase)) ? (value as unknown as StateMessage) : null;
    case "denied":
      return hasSlot && isRecord(value.error) ? (value as unknown as DeniedMessage) : null;
    case "pong":
    case "closing":
      return value as unknown as ServerMessage;
    default:
      return null;
  }
}

/** The messages in one `ctl` text: an object, or an array of them. */
export function parseMessages(text: string): ServerMessage[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  const all = Array.isArray(value) ? value : [value];
  return all.map(understood).filter((message) => message !== null);
}

/** Texts that carry these messages in order, none larger than the limit. Releases come first, so a full agency can swap tiles. */
export function batches(messages: readonly ClientMessage[]): string[] {
  const ordered = [
    ...messages.filter((m) => m.t === "release"),
    ...messages.filter((m) => m.t !== "release"),
  ];
  const texts: string[] = [];
  let batch: string[] = [];
  let bytes = 2;
  for (const message of ordered) {
    const text = JSON.stringify(message);
    const size = new TextEncoder().encode(text).length + 1;
    if (batch.length > 0 && bytes + size > MESSAGE_BYTES_MAX) {
      texts.push(`[${batch.join(",")}]`);
      batch = [];
      bytes = 2;
    }
    batch.push(text);
    bytes += size;
  }
  if (batch.length === 1) texts.push(batch[0] ?? "");
  else if (batch.length > 1) texts.push(`[${batch.join(",")}]`);
  return texts;
}

/** Whether RTP timestamp `a` is `b` or later, over the wrap of 32 bits. */
export function rtpReached(a: number, b: number): boolean {
  return (a - b) >>> 0 < 0x8000_0000;
}

/** Seconds from RTP timestamp `from` to `to` on the 90 kHz clock, negative when `to` is earlier. */
export function rtpSeconds(from: number, to: number): number {
  const ticks = (to - from) >>> 0;
  return (ticks < 0x8000_0000 ? ticks : ticks - 0x1_0000_0000) / 90_000;
}

/** Milliseconds of UTC from a wire time: RFC 3339 text, or milliseconds. */
export function utcMs(value: string | number): number {
  return typeof value === "number" ? value : Date.parse(value);
}
