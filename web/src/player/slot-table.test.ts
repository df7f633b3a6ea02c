import { describe, expect, it } from "vitest";
import type { StateMessage, Want } from "./protocol";
import { SlotTable } from "./slot-table";

const WANT: Want = { w: 320, h: 180, fps: 15, mode: "all" };

function state(slot: number, seq: number, phase: StateMessage["phase"], first_rtp?: number): StateMessage {
  return { t: "state", slot, seq, phase, ...(first_rtp === undefined ? {} : { first_rtp }) };
}

function table() {
  const table = new SlotTable(4);
  const slot = table.slots[2];
  if (slot === undefined) throw new Error("four slots");
  return { table, slot };
}

describe("the slot table", () => {
  it("covers a slot until a frame of its new camera is displayed", () => {
    const { table: slots, slot } = table();
    slots.assign(0, slot, "a", WANT);
    slots.state(10, state(2, slot.seq, "live", 5_000));
    expect(slots.displayed(20, slot, 4_999)).toBe(false);
    expect(slot.covered).toBe(true);
    expect(slots.displayed(30, slot, 5_000)).toBe(true);
    expect(slot.covered).toBe(false);
  });

  it("never shows a late frame of the old camera under the new name", () => {
    const { table: slots, slot } = table();
    slots.assign(0, slot, "a", WANT);
    slots.state(1, state(2, slot.seq, "live", 100));
    slots.displayed(2, slot, 200);
    slots.assign(3, slot, "b", WANT);
    expect(slots.displayed(4, slot, 300)).toBe(false); // the server has said nothing of b yet
    slots.state(5, state(2, slot.seq, "live", 400));
    expect(slots.displayed(6, slot, 399)).toBe(false);
    expect(slots.displayed(7, slot, 401)).toBe(true);
  });

  it("drops what the server said of the camera before", () => {
    const { table: slots, slot } = table();
    slots.assign(0, slot, "a", WANT);
    const old = slot.seq;
    slots.assign(1, slot, "b", WANT);
    expect(slots.state(2, state(2, old, "live", 1))).toBeNull();
    expect(
      slots.denied({ t: "denied", slot: 2, seq: old, error: { code: "X", message_en: "", message_ar: "" } }),
    ).toBeNull();
  });

  it("compares RTP timestamps over the wrap", () => {
    const { table: slots, slot } = table();
    slots.assign(0, slot, "a", WANT);
    slots.state(1, state(2, slot.seq, "live", 0xffff_ff00));
    expect(slots.displayed(2, slot, 0xffff_fe00)).toBe(false);
    expect(slots.displayed(3, slot, 0x10)).toBe(true);
  });

  it("waits 300 ms after live where frames carry no timestamp", () => {
    const { table: slots, slot } = table();
    slots.assign(0, slot, "a", WANT);
    slots.state(100, state(2, slot.seq, "keyframe"));
    expect(slots.displayed(900, slot, undefined)).toBe(false);
    slots.state(1_000, state(2, slot.seq, "live"));
    expect(slots.displayed(1_299, slot, undefined)).toBe(false);
    expect(slots.displayed(1_300, slot, undefined)).toBe(true);
  });

  it("keeps the picture over a quality switch", () => {
    const { table: slots, slot } = table();
    slots.assign(0, slot, "a", WANT);
    slots.state(1, state(2, slot.seq, "live", 10));
    slots.displayed(2, slot, 10);
    const message = slots.rewant(5_000, slot, { w: 1280, h: 720, fps: 25, mode: "all" });
    expect(message).toMatchObject({ t: "assign", camera: "a", want: { w: 1280 } });
    expect(slot.covered).toBe(false);
    expect(slot.state?.phase).toBe("live");
  });

  it("gives the slot that rested longest to the next camera", () => {
    const { table: slots } = table();
    for (const camera of ["a", "b", "c", "d"]) {
      const free = slots.free();
      if (free !== undefined) slots.assign(0, free, camera, WANT);
    }
    expect(slots.free()).toBeUndefined();
    const [first, second] = slots.slots;
    if (first === undefined || second === undefined) throw new Error("four slots");
    slots.release(second);
    slots.release(first);
    expect(slots.free()).toBe(second);
  });

  it("covers a refused slot and tries it again as a new camera", () => {
    const { table: slots, slot } = table();
    slots.assign(0, slot, "a", WANT);
    slots.denied({
      t: "denied",
      slot: 2,
      seq: slot.seq,
      error: { code: "X", message_en: "", message_ar: "" },
    });
    expect(slots.rewant(9_000, slot, { ...WANT, w: 900 })).toBeNull();
    slots.assign(9_000, slot, "a", WANT);
    expect(slot).toMatchObject({ denied: null, covered: true, state: null });
  });
});
