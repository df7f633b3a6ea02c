/**
 * Which camera each slot of a session carries, and when its picture may be seen. Pure: time and messages are passed in,
 * messages to send come out. It holds the rule that no picture ever stands under another camera's name: a slot is
 * covered from the moment its camera changes until a frame that provably belongs to the new one is displayed.
 */
import { type ClientMessage, type DeniedMessage, rtpReached, type StateMessage, type Want } from "./protocol";
import { replaces } from "./rendition";

/** Where frames carry no RTP timestamp, the first one displayed this long after `live` counts. */
const UNSTAMPED_MS = 300;

export interface Slot {
  readonly index: number;
  camera: string | null;
  /** Number of the last assign or release. */
  seq: number;
  want: Want | null;
  wantAt: number;
  assignedAt: number;
  /** True while a frame of an earlier camera could be on display. */
  covered: boolean;
  state: StateMessage | null;
  stateAt: number;
  denied: DeniedMessage | null;
}

export class SlotTable {
  readonly slots: Slot[];
  private seq = 0;
  /** The seq of the assign that brought the current camera: later ones only change its quality. */
  private readonly cameraSeq: number[];

  constructor(count: number) {
    this.slots = Array.from({ length: count }, (_, index) => ({
      index,
      camera: null,
      seq: 0,
      want: null,
      wantAt: 0,
      assignedAt: 0,
      covered: true,
      state: null,
      stateAt: 0,
      denied: null,
    }));
    this.cameraSeq = this.slots.map(() => 0);
  }

  free(): Slot | undefined {
    // The longest unused first: frames of its old camera have left the jitter buffer.
    return this.slots.filter((s) => s.camera === null).sort((a, b) => a.seq - b.seq)[0];
  }

  /** Shows a camera in a slot. Always a message: asking again is how a refused slot is tried once more. */
  assign(now: number, slot: Slot, camera: string, want: Want): ClientMessage {
    const changed = slot.camera !== camera || slot.denied !== null;
    this.seq += 1;
    Object.assign(slot, { camera, seq: this.seq, want, wantAt: now, denied: null });
    if (changed) {
      this.cameraSeq[slot.index] = this.seq;
      Object.assign(slot, { assignedAt: now, covered: true, state: null });
    }
    return { t: "assign", seq: this.seq, slot: slot.index, camera, want };
  }

  /** A message when the new want differs enough from the sent one. */
  rewant(now: number, slot: Slot, want: Want): ClientMessage | null {
    if (slot.camera === null || slot.want === null || slot.denied !== null) return null;
    if (!replaces(want, slot.want, now - slot.wantAt)) return null;
    return this.assign(now, slot, slot.camera, want);
  }

  release(slot: Slot): ClientMessage {
    this.seq += 1;
    Object.assign(slot, {
      camera: null,
      seq: this.seq,
      want: null,
      covered: true,
      state: null,
      denied: null,
    });
    return { t: "release", seq: this.seq, slot: slot.index };
  }

  /** Takes a state in; one that answers an assign older than the slot's last is dropped. */
  state(now: number, message: StateMessage): Slot | null {
    const slot = this.current(message);
    if (slot === null) return null;
    const before = slot.state;
    // A quality switch keeps the timeline; only the state that answers a camera change says where that camera begins.
    const first_rtp = message.first_rtp ?? before?.first_rtp;
    const live = message.phase === "live" && before?.phase !== "live";
    slot.state = first_rtp === undefined ? message : { ...message, first_rtp };
    if (live || before === null) slot.stateAt = now;
    return slot;
  }

  denied(message: DeniedMessage): Slot | null {
    const slot = this.current(message);
    if (slot !== null) Object.assign(slot, { denied: message, covered: true });
    return slot;
  }

  /** A frame of the slot is on display. Returns true when it belongs to the slot's camera; then the cover is off. */
  displayed(now: number, slot: Slot, rtp: number | undefined): boolean {
    if (!slot.covered) return true;
    const state = slot.state;
    if (slot.camera === null || state === null || slot.denied !== null) return false;
    const since = now - slot.stateAt;
    const proven =
      rtp !== undefined && state.first_rtp !== undefined
        ? rtpReached(rtp, state.first_rtp)
        : state.phase === "live" && since >= UNSTAMPED_MS;
    if (proven) slot.covered = false;
    return proven;
  }

  private current(message: { slot: number; seq: number }): Slot | null {
    const slot = this.slots[message.slot];
    const oldest = slot === undefined ? 0 : (this.cameraSeq[slot.index] ?? 0);
    return slot === undefined || slot.camera === null || message.seq < oldest ? null : slot;
  }
}
