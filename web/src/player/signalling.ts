/** The HTTP side of a wall session: open, close. Same origin, relative to the page; the cookie says who asks. */
import type { SessionAnswer } from "./protocol";

export interface SessionRequest {
  lane: "rtc";
  offer: string;
  window_id: string;
  slots: number;
  decoders: { h264: boolean; h265: boolean; av1: boolean };
}

const SESSIONS = "/api/v1/wall/session";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryAfterMs: number | null,
  ) {
    super(message);
  }
}

async function gzipped(text: string): Promise<Blob> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Response(stream).blob();
}

export async function openSession(request: SessionRequest, signal: AbortSignal): Promise<SessionAnswer> {
  const response = await fetch(SESSIONS, {
    method: "POST",
    signal,
    headers: { "Content-Type": "application/json", "Content-Encoding": "gzip" },
    body: await gzipped(JSON.stringify(request)),
  });
  if (!response.ok) throw await failure(response);
  return (await response.json()) as SessionAnswer;
}

async function failure(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => null);
  const error = (body as { error?: { code?: string; message_en?: string } } | null)?.error;
  const seconds = Number(response.headers.get("Retry-After"));
  const retryMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : null;
  return new ApiError(
    response.status,
    error?.code ?? "UNKNOWN",
    error?.message_en ?? `HTTP ${response.status}`,
    retryMs,
  );
}

/** Ends a session; works while the page unloads. The unguessable id suffices. */
export function closeSession(id: string): void {
  navigator.sendBeacon(`${SESSIONS}/${encodeURIComponent(id)}/close`);
}
