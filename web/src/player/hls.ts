/** The LL-HLS lane of a single tile, for what a peer connection cannot carry. Loads hls.js when the first tile needs it. */
import { Backoff } from "./backoff";

/** Tiles on this lane at once; each costs megabytes and requests. */
export const HLS_TILES_MAX = 4;
/** Behind live by more than this: play faster; by more than the second: jump to the live edge. */
const CATCH_UP_S = 2.5;
const JUMP_S = 6;

export class HlsLane {
  readonly video = document.createElement("video");
  private stopped = false;
  private destroy: (() => void) | null = null;
  private readonly backoff = new Backoff();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly url: string) {
    this.video.muted = true;
    this.video.autoplay = true;
    this.video.playsInline = true;
    void this.start();
  }

  close(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.destroy?.();
    this.video.remove();
  }

  private async start(): Promise<void> {
    const { default: Hls } = await import("hls.js/light");
    if (this.stopped) return;
    if (!Hls.isSupported()) return;
    const hls = new Hls({
      lowLatencyMode: true,
      backBufferLength: 10,
      maxBufferLength: 6,
      liveMaxLatencyDuration: JUMP_S,
      liveSyncDuration: CATCH_UP_S / 2,
      maxLiveSyncPlaybackRate: 1.1,
    });
    this.destroy = () => hls.destroy();
    hls.on(Hls.Events.FRAG_BUFFERED, () => this.backoff.reset());
    hls.on(Hls.Events.ERROR, (_event, data) => {
      if (data.fatal) this.again();
    });
    hls.loadSource(this.url);
    hls.attachMedia(this.video);
  }

  private again(): void {
    this.destroy?.();
    this.destroy = null;
    if (!this.stopped) this.timer = setTimeout(() => void this.start(), this.backoff.next());
  }
}
