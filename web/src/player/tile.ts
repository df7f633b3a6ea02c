/** One camera on the wall: where its picture comes from now, where it will come from, and what may be said of it. */
import { Backoff } from "./backoff";
import type { PlayerCamera } from "./camera";
import { ageSeconds, type Word, wordOf } from "./freshness";
import { HlsLane } from "./hls";
import { Line } from "./line";
import { type Refusal, rtpSeconds, type StateMessage, utcMs } from "./protocol";
import type { Session } from "./session";
import type { Slot, SlotTable } from "./slot-table";

/** An open session with its slots and their video elements. */
export interface Pool {
  readonly session: Session;
  readonly table: SlotTable;
  readonly lines: Line[];
}

/** A slot that a tile holds. */
export interface Seat {
  readonly pool: Pool;
  readonly slot: Slot;
  readonly line: Line;
}

export interface Ask {
  /** Names this tile as long as its camera stays on the wall, wherever it moves. */
  key: string;
  camera: PlayerCamera;
  /** False while another tile covers the wall: the reservation stays, the media pauses. */
  visible: boolean;
  maximised: boolean;
}

/** What a tile shows, as an unchanging snapshot. */
export interface TileView {
  readonly word: Word;
  /** True when no picture of this camera is there to be seen. */
  readonly covered: boolean;
  readonly ageS: number;
  readonly lane: "rtc" | "hls";
  readonly reason: string | null;
  /** When the camera was first seen to be offline, in milliseconds of UTC. */
  readonly offlineSince: number | null;
  readonly refusal: Refusal | null;
  readonly fps: number;
  readonly kbps: number | null;
  readonly width: number;
  readonly height: number;
  readonly codec: string | null;
  readonly rendition: string | null;
  readonly gopMs: number | null;
  readonly quota: string | null;
  readonly reduced: boolean;
}

/** What changes with every frame; read when someone looks. */
export interface TileCounters {
  readonly latencyMs: number | null;
  readonly displayed: number;
  readonly dropped: number;
}

/** How often the newest frame of a tile is looked at for its size and age. */
const SAMPLE_MS = 2_000;

export class Tile {
  host: HTMLElement | null = null;
  width = 0;
  height = 0;
  /** The seat whose picture is shown. */
  seat: Seat | null = null;
  /** The seat that takes over with its first picture, after the session was replaced. */
  next: Seat | null = null;
  hls: { lane: HlsLane; line: Line } | null = null;
  displayedAt: number | null = null;
  refusal: Refusal | null = null;
  retryAt = 0;
  latencyMs: number | null = null;
  offlineSince: number | null = null;
  readonly backoff = new Backoff();
  view: TileView;
  private sampledAt = Number.NEGATIVE_INFINITY;
  private readonly listeners = new Set<() => void>();

  constructor(
    readonly key: string,
    public ask: Ask,
  ) {
    this.view = this.snapshot(0);
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  attach(host: HTMLElement): () => void {
    this.host = host;
    this.place();
    return () => {
      if (this.host === host) this.host = null;
    };
  }

  /** Puts the elements where they belong: the shown one, and under it the one that waits. */
  place(): void {
    if (this.host === null) return;
    const shown = this.hls?.line ?? this.seat?.line;
    const waiting = this.next?.line;
    for (const old of [...this.host.querySelectorAll("video")]) {
      if (old !== shown?.video && old !== waiting?.video) old.remove();
    }
    waiting?.moveTo(this.host);
    shown?.moveTo(this.host);
    if (waiting !== undefined) waiting.video.removeAttribute("data-shown");
    shown?.video.setAttribute("data-shown", "");
  }

  sit(seat: Seat): void {
    // A seat that never showed this camera is not worth waiting on.
    if (this.seat !== null && !this.seat.slot.covered) this.next = seat;
    else {
      this.seat?.line.park();
      this.seat = seat;
    }
    seat.line.restart();
    this.place();
  }

  /** The seat whose slot answers for this tile now. */
  get current(): Seat | null {
    return this.next ?? this.seat;
  }

  promote(): void {
    if (this.next === null) return;
    this.seat?.line.park();
    this.seat = this.next;
    this.next = null;
    this.place();
  }

  startHls(url: string): void {
    const lane = new HlsLane(url);
    this.seat?.line.park();
    this.seat = null;
    this.next = null;
    this.hls = { lane, line: new Line(lane.video) };
    this.place();
  }

  stopHls(): void {
    this.hls?.lane.close();
    this.hls = null;
  }

  /** Reads the counters and takes a sample of the newest frame. */
  observe(now: number, utcOffsetMs: number): void {
    const sample = now - this.sampledAt >= SAMPLE_MS;
    if (sample) this.sampledAt = now;
    if (this.hls !== null) {
      if (this.hls.line.read(now)) this.displayedAt = now;
      if (sample) this.hls.line.onFrame("size", () => undefined);
      return;
    }
    for (const seat of [this.seat, this.next]) {
      if (seat === null) continue;
      const moved = seat.line.read(now);
      // Closing a connection flushes a last frame to the screen; it is as old as the loss.
      if (seat.slot.covered || !seat.pool.session.isOpen) continue;
      if (moved) this.displayedAt = now;
      if (sample) seat.line.onFrame("age", (frame) => this.sample(seat, frame.rtp, utcOffsetMs));
    }
  }

  private sample(seat: Seat, rtp: number | undefined, utcOffsetMs: number): void {
    const clock = seat.slot.state?.clock;
    if (rtp === undefined || clock === undefined) return;
    const taken = utcMs(clock.utc) + rtpSeconds(clock.rtp, rtp) * 1_000;
    const latency = Date.now() + utcOffsetMs - taken;
    if (Number.isFinite(latency)) this.latencyMs = Math.max(0, Math.round(latency));
  }

  counters(): TileCounters {
    const line = this.hls?.line ?? this.seat?.line;
    return { latencyMs: this.latencyMs, displayed: line?.displayed ?? 0, dropped: line?.dropped ?? 0 };
  }

  /** Makes the snapshot anew; listeners hear of it when it differs. */
  refresh(now: number): void {
    const view = this.snapshot(now);
    const before = this.view;
    if ((Object.keys(view) as (keyof TileView)[]).every((key) => view[key] === before[key])) return;
    this.view = view;
    for (const listener of this.listeners) listener();
  }

  private snapshot(now: number): TileView {
    const current = this.current;
    const state: StateMessage | null = current?.slot.state ?? null;
    const gopMs = state?.gop_ms ?? null;
    const mode = current?.slot.want?.mode ?? "all";
    const phase = this.refusal !== null ? "denied" : (state?.phase ?? null);
    const line = this.hls?.line ?? this.seat?.line ?? null;
    const shown =
      this.hls !== null ? this.displayedAt !== null : this.seat !== null && !this.seat.slot.covered;
    const word = wordOf(now, { phase, displayedAt: this.displayedAt, mode, gopMs });
    this.offlineSince = word === "offline" ? (this.offlineSince ?? Date.now()) : null;
    return {
      word,
      offlineSince: this.offlineSince,
      covered: !shown || word === "denied" || word === "offline",
      ageS: word === "stale" ? ageSeconds(now, this.displayedAt) : 0,
      lane: this.hls !== null ? "hls" : "rtc",
      reason: state?.reason ?? null,
      refusal: this.refusal,
      fps: word === "live" ? Math.round(line?.fps ?? 0) : 0,
      kbps: state?.kbps === undefined ? null : Math.round(state.kbps),
      width: line?.width ?? 0,
      height: line?.height ?? 0,
      codec: state?.codec ?? null,
      rendition: state?.rendition ?? null,
      gopMs,
      quota:
        state?.quota === undefined
          ? null
          : `${state.quota.source} ${state.quota.current}/${state.quota.limit}`,
      reduced: mode === "key",
    };
  }
}
