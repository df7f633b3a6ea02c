/** What the player must know of a camera; the wire type satisfies it. */
export interface PlayerCamera {
  readonly id: string;
  readonly streams?:
    | readonly {
        readonly kind: string;
        readonly width?: number | null | undefined;
        readonly path?: string | null | undefined;
      }[]
    | undefined;
}

export function subWidth(camera: PlayerCamera): number | null {
  return camera.streams?.find((s) => s.kind === "sub")?.width ?? null;
}

/** Whether the camera has only its main stream; such a tile says so. */
export function isMainOnly(camera: PlayerCamera): boolean {
  const streams = camera.streams ?? [];
  return streams.length > 0 && !streams.some((s) => s.kind === "sub");
}

/** Where LL-HLS of this camera is served under the page's own origin. */
export function hlsUrl(camera: PlayerCamera): string {
  const sub = camera.streams?.find((s) => s.kind === "sub") ?? camera.streams?.[0];
  const path = sub?.path ?? (sub?.kind === "sub" ? `camera_${camera.id}_sub` : `camera_${camera.id}`);
  return `/live/${encodeURIComponent(path)}/index.m3u8`;
}
