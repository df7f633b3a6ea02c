/**
 * The wall: keeps the right cameras in slots of one session, replaces the session when it is lost or too small, and tells
 * each tile what may be said of its picture. Tiles ask, this decides. No React, no DOM but the video elements.
 */
import { Backoff } from "./backoff";
import { hlsUrl, subWidth } from "./camera";
import { HLS_TILES_MAX } from "./hls";
import { Line } from "./line";
import { Overload } from "./overload";
import type { ClientMessage, DeniedMessage, ServerMessage, Want } from "./protocol";
import { mainClaims, wantOf } from "./rendition";
import { poolFor, Session, type SessionEvent } from "./session";
import { SlotTable } from "./slot-table";
import { type Ask, type Pool, Tile } from "./tile";

const TICK_MS = 500;
const REPORT_MS = 10_000;
/** An assign that nothing answers is sent again after this. */
const UNANSWERED_MS = 5_000;
/** No picture in any live slot for this long starts the check for packets. */
const NO_PICTURE_MS = 2_000;
/** A replaced session closes when its tiles have moved, at the latest after this. */
const RETIRE_MS = 5_000;
/** A hidden window gives its slots back after this. */
const HIDDEN_MS = 10_000;
/** A refusal for want of a right is tried again this slowly. */
const FORBIDDEN_RETRY_MS = 60_000;

export interface WallStatus {
  readonly link: "idle" | "connecting" | "open" | "lost" | "unauthenticated";
  readonly tiles: number;
  readonly live: number;
  readonly kbps: number;
  readonly reason: string | null;
  readonly busy: boolean;
}

export class Wall {
  private readonly tiles = new Map<string, Tile>();
  private cells = 1;
  private active: Pool | null = null;
  private opening: Pool | null = null;
  private retiring: { pool: Pool; since: number }[] = [];
  private outbox: ClientMessage[] = [];
  private readonly backoff = new Backoff();
  private readonly overload = new Overload();
  private reopenAt = 0;
  private utcOffsetMs = 0;
  private reportedAt = 0;
  private hiddenAt: number | null = null;
  private packets: { at: number; count: number } | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;
  private current: WallStatus = { link: "idle", tiles: 0, live: 0, kbps: 0, reason: null, busy: false };
  private unauthenticated = false;
  private lostReason: string | null = null;
  private readonly listeners = new Set<() => void>();
  private readonly windowId = randomId();

  constructor(
    private readonly makeSession: (
      size: number,
      windowId: string,
      on: (event: SessionEvent) => void,
    ) => Session = (size, windowId, on) => new Session(size, windowId, on),
  ) {}

  /** Begins to work; the returned function ends it and gives every slot back. */
  start(): () => void {
    const wake = () => this.visibility();
    const leave = () => this.hangUp();
    document.addEventListener("visibilitychange", wake);
    window.addEventListener("pagehide", leave);
    this.timer = setInterval(() => this.tick(), TICK_MS);
    return () => {
      document.removeEventListener("visibilitychange", wake);
      window.removeEventListener("pagehide", leave);
      this.stop();
    };
  }

  /** What the wall shows from now on, in a layout of so many cells. */
  show(asks: readonly Ask[], cells: number): void {
    this.cells = cells;
    const wanted = new Set(asks.map((ask) => ask.key));
    for (const [key, tile] of this.tiles) if (!wanted.has(key)) this.drop(tile);
    for (const ask of asks) this.tile(ask.key, ask).ask = ask;
    this.tick();
  }

  /** The tile of this key, made when it is new. */
  tile(key: string, ask: Ask): Tile {
    let tile = this.tiles.get(key);
    if (tile === undefined) {
      tile = new Tile(key, ask);
      this.tiles.set(key, tile);
    }
    return tile;
  }

  all(): Tile[] {
    return [...this.tiles.values()];
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  status(): WallStatus {
    return this.current;
  }

  private stop(): void {
    clearInterval(this.timer);
    this.hangUp();
  }

  /** Gives everything back. A page that comes back from the browser's cache opens a new session with its next tick. */
  private hangUp(): void {
    for (const pool of [this.active, this.opening, ...this.retiring.map((r) => r.pool)])
      pool?.session.close();
    for (const tile of this.tiles.values()) tile.stopHls();
    this.active = null;
    this.opening = null;
    this.retiring = [];
  }

  private tick(): void {
    const now = performance.now();
    if (this.hiddenAt !== null && now - this.hiddenAt > HIDDEN_MS) this.sleep();
    this.keepSession(now);
    for (const tile of this.tiles.values()) tile.observe(now, this.utcOffsetMs);
    this.judgeLoad(now);
    this.seat(now);
    this.wants(now);
    this.flush();
    this.retire(now);
    this.watchPackets(now);
    this.report(now);
    this.publish(now);
  }

  // -- sessions --

  private keepSession(now: number): void {
    if (this.unauthenticated || this.opening !== null || this.tiles.size === 0 || this.asleep) return;
    const enough = this.active !== null && this.active.session.size >= Math.min(64, this.cells);
    if (enough || now < this.reopenAt) return;
    const size = poolFor(this.cells);
    const session: Session = this.makeSession(size, this.windowId, (event) => this.heard(pool, event));
    const pool: Pool = { session, table: new SlotTable(size), lines: [] };
    this.opening = pool;
    void session.open();
  }

  private heard(pool: Pool, event: SessionEvent): void {
    if (event.type === "open") this.opened(pool);
    else if (event.type === "lost") this.lost(pool, event);
    else this.message(pool, event.message);
  }

  private opened(pool: Pool): void {
    pool.lines.push(...pool.session.videos.map((video) => new Line(video)));
    if (this.active !== null) this.retiring.push({ pool: this.active, since: performance.now() });
    this.active = pool;
    this.opening = null;
    this.lostReason = null;
    this.packets = null;
    this.backoff.reset();
    this.tick();
  }

  private lost(pool: Pool, event: Extract<SessionEvent, { type: "lost" }>): void {
    const now = performance.now();
    this.retiring = this.retiring.filter((r) => r.pool !== pool);
    if (pool !== this.active && pool !== this.opening) return;
    // The first try after a working session is made at once; the picture stays meanwhile, with its age.
    this.reopenAt = now + (event.retryMs ?? (pool === this.active ? 0 : this.backoff.next()));
    if (pool === this.active) this.active = null;
    else this.opening = null;
    this.lostReason = event.reason;
    this.unauthenticated = event.unauthenticated;
    for (const tile of this.tiles.values()) if (tile.next?.pool === pool) tile.next = null;
    this.tick();
  }

  private retire(now: number): void {
    this.retiring = this.retiring.filter(({ pool, since }) => {
      const used = this.all().some((tile) => tile.seat?.pool === pool && tile.next !== null);
      if (used && now - since < RETIRE_MS) return true;
      pool.session.close();
      return false;
    });
  }

  /** No picture anywhere while the server says there is: only then packets are counted, and standing still means lost. */
  private watchPackets(now: number): void {
    const pool = this.active;
    const live = this.all().filter(
      (t) =>
        t.current?.pool === pool &&
        t.current?.slot.state?.phase === "live" &&
        t.current.slot.want?.mode === "all",
    );
    const quiet = (t: Tile) =>
      now - Math.max(t.displayedAt ?? 0, t.current?.slot.stateAt ?? now) > NO_PICTURE_MS;
    if (pool === null || document.hidden || live.length === 0 || !live.every(quiet)) {
      this.packets = null;
      return;
    }
    void pool.session.packets().then((count) => {
      if (pool !== this.active) return;
      if (this.packets === null || this.packets.count !== count) this.packets = { at: now, count };
      else if (now - this.packets.at >= TICK_MS) pool.session.fail("no media");
    });
  }

  // -- messages --

  private message(pool: Pool, message: ServerMessage): void {
    const now = performance.now();
    switch (message.t) {
      case "state": {
        const slot = pool.table.state(now, message);
        const tile = slot === null ? undefined : this.holder(pool, slot.index);
        if (slot === null || tile === undefined) return;
        if (message.phase === "live") tile.backoff.reset();
        if (slot.covered) this.uncover(pool, slot.index);
        tile.refresh(now);
        return;
      }
      case "denied":
        this.refused(now, pool, message);
        return;
      case "pong":
        this.utcOffsetMs = offsetFrom(message.ts, message.utc) ?? this.utcOffsetMs;
        return;
      case "closing":
        return; // the session has turned it into a loss
    }
  }

  private holder(pool: Pool, index: number): Tile | undefined {
    return this.all().find((t) => [t.seat, t.next].some((s) => s?.pool === pool && s.slot.index === index));
  }

  private refused(now: number, pool: Pool, message: DeniedMessage): void {
    const slot = pool.table.denied(message);
    const tile = slot === null ? undefined : this.holder(pool, slot.index);
    if (slot === null || tile === undefined) return;
    const { code, lanes, retry_after } = message.error;
    if (code === "LANE_UNSUITABLE") {
      this.outbox.push(pool.table.release(slot));
      tile.seat = null;
      tile.next = null;
      const others = this.all().filter((t) => t.hls !== null).length;
      if (lanes?.includes("hls") === true && others < HLS_TILES_MAX) tile.startHls(hlsUrl(tile.ask.camera));
      else tile.refusal = message.error;
      tile.retryAt = Number.POSITIVE_INFINITY;
      this.flush();
    } else {
      tile.refusal = message.error;
      const wait = code === "FORBIDDEN" ? FORBIDDEN_RETRY_MS : tile.backoff.next();
      tile.retryAt = now + Math.max(wait, (retry_after ?? 0) * 1_000);
    }
    tile.refresh(now);
  }

  /** Waits for the first frame that provably belongs to the slot's camera. */
  private uncover(pool: Pool, index: number): void {
    const line = pool.lines[index];
    const slot = pool.table.slots[index];
    if (line === undefined || slot === undefined) return;
    line.onFrame("uncover", (frame) => {
      if (!slot.covered || slot.camera === null) return;
      const now = performance.now();
      if (!pool.table.displayed(now, slot, frame.rtp)) return this.uncover(pool, index);
      const tile = this.holder(pool, index);
      if (tile === undefined) return;
      tile.displayedAt = now;
      tile.refusal = null;
      if (tile.next?.slot === slot) tile.promote();
      tile.refresh(now);
    });
  }

  // -- slots --

  private get asleep(): boolean {
    return this.hiddenAt !== null && performance.now() - this.hiddenAt > HIDDEN_MS;
  }

  private seat(now: number): void {
    const pool = this.active;
    if (pool === null || !pool.session.isOpen || this.asleep) return;
    for (const tile of this.tiles.values()) {
      if (tile.hls !== null || now < tile.retryAt) continue;
      const held = tile.current?.pool === pool ? tile.current : null;
      if (held === null && tile.ask.visible) this.sit(now, pool, tile);
      else if (held === null)
        continue; // hidden, and never seen: it asks for nothing
      else if (
        held.slot.denied !== null ||
        (held.slot.state === null && now - held.slot.wantAt > UNANSWERED_MS)
      ) {
        tile.refusal = null;
        this.outbox.push(
          pool.table.assign(now, held.slot, tile.ask.camera.id, this.want(tile, false, false)),
        );
        this.uncover(pool, held.slot.index);
      }
    }
  }

  private sit(now: number, pool: Pool, tile: Tile): void {
    const slot = pool.table.free();
    const line = slot === undefined ? undefined : pool.lines[slot.index];
    if (slot === undefined || line === undefined) return; // a larger session is on its way
    this.outbox.push(pool.table.assign(now, slot, tile.ask.camera.id, this.want(tile, false, false)));
    tile.refusal = null;
    tile.sit({ pool, slot, line });
    this.uncover(pool, slot.index);
  }

  private want(tile: Tile, main: boolean, hasPicture: boolean): Want {
    const claim = { key: tile.key, w: tile.width, h: tile.height, maximised: tile.ask.maximised };
    const want = wantOf(
      claim,
      main && this.overload.level < 1,
      hasPicture && tile.width > 0,
      subWidth(tile.ask.camera),
    );
    if (!tile.ask.visible) return { ...want, mode: "pause" };
    return this.overload.level >= 2 && !tile.ask.maximised ? { ...want, mode: "key" } : want;
  }

  private wants(now: number): void {
    const seen = this.all().filter((t) => t.ask.visible);
    const main = mainClaims(
      seen.map((t) => ({ key: t.key, w: t.width, h: t.height, maximised: t.ask.maximised })),
    );
    for (const tile of this.tiles.values()) {
      const held = tile.current;
      if (held === null || held.pool !== this.active) continue;
      const want = this.want(tile, main.has(tile.key), !held.slot.covered);
      const message = held.pool.table.rewant(now, held.slot, want);
      if (message !== null) this.outbox.push(message);
    }
  }

  private drop(tile: Tile): void {
    this.tiles.delete(tile.key);
    tile.stopHls();
    for (const seat of [tile.seat, tile.next]) {
      if (seat === null) continue;
      seat.line.park();
      const message = seat.pool.table.release(seat.slot);
      if (seat.pool === this.active) this.outbox.push(message);
    }
  }

  private flush(): void {
    if (this.outbox.length === 0) return;
    this.active?.session.send(this.outbox);
    this.outbox = [];
  }

  // -- the window and the load --

  private visibility(): void {
    if (document.hidden) {
      this.hiddenAt ??= performance.now();
      return;
    }
    this.hiddenAt = null;
    this.tick();
  }

  private sleep(): void {
    for (const tile of this.tiles.values()) {
      if (tile.seat === null && tile.next === null) continue;
      for (const seat of [tile.seat, tile.next]) {
        if (seat !== null && seat.pool === this.active) this.outbox.push(seat.pool.table.release(seat.slot));
      }
      tile.seat = null;
      tile.next = null;
    }
    this.flush();
  }

  private judgeLoad(now: number): void {
    let displayed = 0;
    let dropped = 0;
    for (const tile of this.tiles.values()) {
      displayed += tile.seat?.line.displayed ?? 0;
      dropped += tile.seat?.line.dropped ?? 0;
    }
    this.overload.observe(now, displayed, dropped);
  }

  private report(now: number): void {
    const pool = this.active;
    if (pool === null || now - this.reportedAt < REPORT_MS) return;
    this.reportedAt = now;
    void pool.session.jitter().then((jitter) => {
      const slots = this.all().flatMap(({ seat, latencyMs }) => {
        if (seat === null || seat.pool !== pool || seat.slot.covered) return [];
        const { index } = seat.slot;
        const measured = latencyMs === null ? {} : { latency_ms: latencyMs };
        return [
          {
            slot: index,
            fps: Math.round(seat.line.fps),
            dropped: seat.line.dropped,
            jitter_ms: jitter.get(index) ?? 0,
            ...measured,
          },
        ];
      });
      if (slots.length > 0) pool.session.send([{ t: "report", slots }]);
    });
  }

  private publish(now: number): void {
    let seen = 0;
    let live = 0;
    let kbps = 0;
    for (const tile of this.tiles.values()) {
      tile.refresh(now);
      seen += Number(tile.ask.visible);
      if (!tile.ask.visible || tile.view.word !== "live") continue;
      live += 1;
      kbps += tile.view.kbps ?? 0;
    }
    const link = this.unauthenticated
      ? "unauthenticated"
      : this.active !== null
        ? "open"
        : this.tiles.size === 0
          ? "idle"
          : this.lostReason !== null
            ? "lost"
            : "connecting";
    const status: WallStatus = {
      link,
      tiles: seen,
      live,
      kbps,
      reason: this.lostReason,
      busy: this.overload.level > 0,
    };
    const before = this.current;
    if ((Object.keys(status) as (keyof WallStatus)[]).every((key) => status[key] === before[key])) return;
    this.current = status;
    for (const listener of this.listeners) listener();
  }
}

/** The server's clock minus this machine's, in milliseconds, from one ping and its answer. */
function offsetFrom(sentMs: number, utc: string | number): number | null {
  const server = typeof utc === "number" ? utc : Date.parse(utc);
  const now = Date.now();
  return Number.isFinite(server) && Number.isFinite(sentMs) ? server - (sentMs + (now - sentMs) / 2) : null;
}

/** A UUID also where the page has no secure origin, and with it no `crypto.randomUUID`. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
