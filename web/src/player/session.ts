/**
 * One peer connection with a fixed pool of receive-only video slots and the `ctl` channel. Opens in one round trip, pings,
 * says when it is lost, closes. It never reconnects and knows no cameras: the wall above it does both.
 */

import {
  batches,
  type ClientMessage,
  parseMessages,
  type ServerMessage,
  type SessionAnswer,
} from "./protocol";
import { ApiError, closeSession, openSession } from "./signalling";

/** The pool sizes a session may have. */
const POOLS = [4, 9, 16, 36, 64] as const;
/** Not connected for this long means lost. */
const ICE_LOST_MS = 2_000;
/** Time for the whole opening, from the offer to the open channel. */
const OPEN_MS = 12_000;
const HEARTBEAT_MS = 5_000;

export type SessionEvent =
  | { type: "open" }
  | { type: "message"; message: ServerMessage }
  | { type: "lost"; reason: string; unauthenticated: boolean; retryMs: number | null };

/** The smallest pool for this many cells. */
export function poolFor(cells: number): number {
  return POOLS.find((size) => size >= cells) ?? 64;
}

/** The H.264 payload type that decodes every profile without B-frames, and its retransmissions; one of them keeps the offer small. */
export function preferredCodecs(all: readonly RTCRtpCodec[]): RTCRtpCodec[] {
  const h264 = all.filter(
    (c) => c.mimeType.toLowerCase() === "video/h264" && /packetization-mode=1/.test(c.sdpFmtpLine ?? ""),
  );
  const profile = (id: string) =>
    h264.find((c) => (c.sdpFmtpLine ?? "").toLowerCase().includes(`profile-level-id=${id}`));
  const first = profile("42001f") ?? profile("42e01f") ?? h264[0];
  return first === undefined
    ? []
    : [first, ...all.filter((c) => c.mimeType.toLowerCase() === "video/rtx").slice(0, 1)];
}

export class Session {
  readonly videos: HTMLVideoElement[] = [];
  /** When it opened; null before. */
  openedAt: number | null = null;
  private readonly pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  private readonly ctl = this.pc.createDataChannel("ctl", { ordered: true });
  private answer: SessionAnswer | null = null;
  private ended = false;
  private heartbeat: ReturnType<typeof setInterval> | undefined;
  private deadline: ReturnType<typeof setTimeout> | undefined;
  private iceTimer: ReturnType<typeof setTimeout> | undefined;
  private heardAt = performance.now();
  private readonly abort = new AbortController();

  constructor(
    readonly size: number,
    private readonly windowId: string,
    private readonly on: (event: SessionEvent) => void,
  ) {}

  async open(): Promise<void> {
    this.deadline = setTimeout(() => this.lose("opening took too long"), OPEN_MS);
    this.pc.addEventListener("iceconnectionstatechange", () => this.iceChanged());
    this.ctl.addEventListener("open", () => this.opened());
    this.ctl.addEventListener("close", () => this.lose("control channel closed"));
    this.ctl.addEventListener("message", (event) => this.heard(String(event.data)));
    try {
      await this.negotiate();
    } catch (error) {
      const api = error instanceof ApiError ? error : null;
      this.lose(String(error), api?.status === 401, api?.retryAfterMs ?? null);
    }
  }

  send(messages: readonly ClientMessage[]): void {
    if (this.ended || this.ctl.readyState !== "open") return;
    for (const text of batches(messages)) this.ctl.send(text);
  }

  get isOpen(): boolean {
    return this.openedAt !== null && !this.ended;
  }

  /** RTP packets received on all slots since the start; what a stall is checked with. */
  async packets(): Promise<number> {
    let sum = 0;
    for (const entry of (await this.pc.getStats()).values()) {
      if (entry.type === "inbound-rtp" && entry.kind === "video") sum += entry.packetsReceived ?? 0;
    }
    return sum;
  }

  /** The jitter of each slot that receives, in milliseconds. */
  async jitter(): Promise<Map<number, number>> {
    const slots = new Map(this.answer?.slots.map((s) => [s.mid, s.slot]));
    const found = new Map<number, number>();
    for (const entry of (await this.pc.getStats()).values()) {
      const slot = entry.type === "inbound-rtp" ? slots.get(entry.mid) : undefined;
      if (slot !== undefined) found.set(slot, Math.round((entry.jitter ?? 0) * 1_000));
    }
    return found;
  }

  /** Reported from outside, when pictures say what the connection does not. */
  fail(reason: string): void {
    this.lose(reason);
  }

  /** Ends the connection. Its video elements keep their last frame. */
  close(): void {
    if (this.ended) return;
    this.end();
  }

  private async negotiate(): Promise<void> {
    const codecs = preferredCodecs(RTCRtpReceiver.getCapabilities("video")?.codecs ?? []);
    if (codecs.length === 0) throw new Error("this browser receives no H.264");
    for (let slot = 0; slot < this.size; slot += 1) {
      const transceiver = this.pc.addTransceiver("video", { direction: "recvonly" });
      transceiver.setCodecPreferences(codecs);
      this.videos.push(pooledVideo(transceiver.receiver.track));
    }
    this.pc.addTransceiver("audio", { direction: "recvonly" });
    await this.pc.setLocalDescription();
    const answer = await openSession(
      {
        lane: "rtc",
        offer: this.pc.localDescription?.sdp ?? "",
        window_id: this.windowId,
        slots: this.size,
        decoders: { h264: true, h265: false, av1: false },
      },
      this.abort.signal,
    );
    this.answer = answer;
    if (this.ended) return closeSession(answer.session_id);
    this.orderVideos(answer);
    await this.pc.setRemoteDescription({ type: "answer", sdp: answer.answer });
  }

  /** Puts the video elements in the order of the server's slot numbers. */
  private orderVideos(answer: SessionAnswer): void {
    const byMid = new Map(this.pc.getTransceivers().map((t, i) => [t.mid, this.videos[i]]));
    const ordered = answer.slots.map((s) => [s.slot, byMid.get(s.mid)] as const);
    for (const [slot, video] of ordered) if (video !== undefined) this.videos[slot] = video;
  }

  private opened(): void {
    clearTimeout(this.deadline);
    this.openedAt = performance.now();
    this.heardAt = this.openedAt;
    this.heartbeat = setInterval(() => this.beat(), this.answer?.heartbeat_ms ?? HEARTBEAT_MS);
    this.on({ type: "open" });
  }

  private beat(): void {
    const silent = performance.now() - this.heardAt > (this.answer?.lost_ms ?? 3 * HEARTBEAT_MS);
    if (silent) this.lose("no answer to pings");
    else this.send([{ t: "ping", ts: Date.now() }]);
  }

  private heard(text: string): void {
    this.heardAt = performance.now();
    for (const message of parseMessages(text)) {
      if (message.t === "closing") this.lose(message.reason, false, message.retry_ms);
      else this.on({ type: "message", message });
    }
  }

  private iceChanged(): void {
    const state = this.pc.iceConnectionState;
    clearTimeout(this.iceTimer);
    if (state === "connected" || state === "completed" || this.openedAt === null) return;
    if (state === "failed" || state === "closed") this.lose(`ICE ${state}`);
    else this.iceTimer = setTimeout(() => this.lose(`ICE ${state}`), ICE_LOST_MS);
  }

  private lose(reason: string, unauthenticated = false, retryMs: number | null = null): void {
    if (this.ended) return;
    this.end();
    this.on({ type: "lost", reason, unauthenticated, retryMs });
  }

  private end(): void {
    this.ended = true;
    clearInterval(this.heartbeat);
    clearTimeout(this.deadline);
    clearTimeout(this.iceTimer);
    this.abort.abort();
    if (this.answer !== null) closeSession(this.answer.session_id);
    this.pc.close();
  }
}

function pooledVideo(track: MediaStreamTrack): HTMLVideoElement {
  const video = document.createElement("video");
  video.muted = true;
  video.autoplay = true;
  video.playsInline = true;
  video.disablePictureInPicture = true;
  video.srcObject = new MediaStream([track]);
  return video;
}
