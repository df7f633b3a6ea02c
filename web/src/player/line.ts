/** One video element and what is known of the frames it displays. */

export interface Frame {
  rtp: number | undefined;
  width: number;
  height: number;
}

interface FrameMetadata {
  rtpTimestamp?: number;
  width: number;
  height: number;
}

/** After so long without a new frame the counters alone are not believed. */
const QUIET_MS = 1_000;

export class Line {
  /** Frames displayed and dropped since the element began. */
  displayed = 0;
  dropped = 0;
  fps = 0;
  width = 0;
  height = 0;
  private pending = false;
  private readonly waiting = new Map<string, (frame: Frame) => void>();
  /** A frame was painted since the last reading. */
  private painted = false;
  private movedAt = Number.NEGATIVE_INFINITY;
  private marks: { at: number; displayed: number }[] = [];

  constructor(readonly video: HTMLVideoElement) {}

  /**
   * Reads the counters. True when a frame was displayed since the last reading. After a silence only a painted frame counts:
   * the browser also counts frames that it flushes unseen when a stream breaks off or begins anew.
   */
  read(now: number): boolean {
    const quality = this.video.getVideoPlaybackQuality();
    const displayed = Math.max(0, quality.totalVideoFrames - quality.droppedVideoFrames);
    const moved = displayed > this.displayed;
    this.displayed = displayed;
    this.dropped = quality.droppedVideoFrames;
    this.marks = [...this.marks.filter((m) => now - m.at <= 3_000), { at: now, displayed }];
    const first = this.marks[0];
    if (first !== undefined && now - first.at >= 900) {
      this.fps = Math.max(0, ((displayed - first.displayed) * 1_000) / (now - first.at));
    }
    const quiet = now - this.movedAt > QUIET_MS;
    const shown = this.painted || (moved && !quiet);
    this.painted = false;
    if (shown) this.movedAt = now;
    else if (quiet) this.await();
    return shown;
  }

  /** Calls back once, when the next frame is on display. Asking again for the same purpose replaces what was asked before. */
  onFrame(purpose: string, then: (frame: Frame) => void): void {
    this.waiting.set(purpose, then);
    this.await();
  }

  private await(): void {
    if (this.pending) return;
    this.pending = true;
    this.video.requestVideoFrameCallback((_now, metadata: FrameMetadata) => {
      this.pending = false;
      this.painted = true;
      this.width = metadata.width;
      this.height = metadata.height;
      const waiting = [...this.waiting.values()];
      this.waiting.clear();
      for (const then of waiting)
        then({ rtp: metadata.rtpTimestamp, width: metadata.width, height: metadata.height });
    });
  }

  /** Puts the element into a tile without a break where the browser can, below what is there already. */
  moveTo(host: HTMLElement): void {
    if (this.video.parentElement === host) return;
    const mover = host as HTMLElement & { moveBefore?: (node: Node, before: Node | null) => void };
    if (this.video.isConnected && host.isConnected && mover.moveBefore !== undefined) {
      mover.moveBefore(this.video, host.firstChild);
    } else {
      host.prepend(this.video);
    }
    void this.video.play().catch(() => undefined); // refused only while the tile is leaving the page
  }

  park(): void {
    this.video.remove();
  }

  /** Forgets the rate, after the picture changed hands. */
  restart(): void {
    this.marks = [];
    this.fps = 0;
  }
}
