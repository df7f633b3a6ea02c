/** Calls to the server's interface: same origin, JSON, problems as errors with their code and both texts. */
import { setSignedOut } from "./session";
import type { Camera, CameraList } from "./types";

export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly messages: { en: string; ar: string },
    readonly requestId: string | null,
  ) {
    super(messages.en);
  }
}

const PAGE = 1_000;
/** A list longer than this is cut; the wall's list is not the place for more. */
const CAMERAS_MAX = 20_000;

async function problemOf(response: Response): Promise<Problem> {
  if (response.status === 401) setSignedOut(true);
  const body: unknown = await response.json().catch(() => null);
  const error = (body as { error?: { code?: string; message_en?: string; message_ar?: string } } | null)
    ?.error;
  const plain = `HTTP ${response.status}`;
  return new Problem(
    response.status,
    error?.code ?? "UNKNOWN",
    { en: error?.message_en ?? plain, ar: error?.message_ar ?? plain },
    response.headers.get("X-Request-ID"),
  );
}

async function get<T>(path: string, signal: AbortSignal): Promise<T> {
  const response = await fetch(path, { signal, headers: { Accept: "application/json" } });
  if (!response.ok) throw await problemOf(response);
  return (await response.json()) as T;
}

/** Every camera the caller may see, page by page. */
export async function listCameras(signal: AbortSignal): Promise<Camera[]> {
  const cameras: Camera[] = [];
  for (;;) {
    const page = await get<CameraList>(`/api/v1/cameras?limit=${PAGE}&offset=${cameras.length}`, signal);
    // The time of the look-up differs with every answer; without it an unchanged list stays the same list.
    cameras.push(...page.cameras.map(({ last_update: _, ...camera }) => camera));
    if (page.cameras.length === 0 || cameras.length >= Math.min(page.total, CAMERAS_MAX)) return cameras;
  }
}

/** Trades the token for a cookie. */
export async function signIn(token: string): Promise<void> {
  const response = await fetch("/api/v1/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token }),
  });
  if (!response.ok) throw await problemOf(response);
  setSignedOut(false);
}
