import { describe, expect, it } from "vitest";
import { Backoff } from "./backoff";
import { ageSeconds, liveLimitMs, wordOf } from "./freshness";
import { Overload } from "./overload";
import {
  batches,
  type ClientMessage,
  MESSAGE_BYTES_MAX,
  parseMessages,
  rtpReached,
  rtpSeconds,
} from "./protocol";
import { mainClaims, replaces, wantOf } from "./rendition";
import { poolFor } from "./session";

const seen = { phase: "live", displayedAt: 1_000, mode: "all", gopMs: null } as const;

describe("freshness", () => {
  it.each([
    ["a frame just now", 1_500, seen, "live"],
    ["a frame 2 s ago", 3_000, seen, "live"],
    ["a frame longer ago, whatever the server says", 3_001, seen, "stale"],
    ["no frame yet, though the server says live", 3_000, { ...seen, displayedAt: null }, "connecting"],
    ["the camera is gone", 9_000, { ...seen, phase: "offline" }, "offline"],
    ["the camera is said to be gone but pictures come", 1_100, { ...seen, phase: "offline" }, "live"],
    ["a refusal", 1_100, { ...seen, phase: "denied" }, "denied"],
    [
      "keyframes only, within one and a half intervals",
      6_900,
      { ...seen, mode: "key", gopMs: 4_000 },
      "live",
    ],
    ["keyframes only, past it", 7_100, { ...seen, mode: "key", gopMs: 4_000 }, "stale"],
  ] as const)("with %s", (_case, now, what, word) => {
    expect(wordOf(now, what)).toBe(word);
  });

  it("never lets a short GOP make a tile stale early", () => {
    expect(liveLimitMs("key", 500)).toBe(2_000);
    expect(ageSeconds(9_900, 1_000)).toBe(8);
  });
});

describe("back-off", () => {
  it("waits 1, 2, 4, 8, 8 s and starts over after a success", () => {
    const backoff = new Backoff(() => 0.5);
    expect([1, 2, 3, 4, 5].map(() => backoff.next())).toEqual([1_000, 2_000, 4_000, 8_000, 8_000]);
    backoff.reset();
    expect(backoff.next()).toBe(1_000);
  });

  it("spreads tries by a quarter either way", () => {
    expect(new Backoff(() => 0).next()).toBe(750);
    expect(new Backoff(() => 1).next()).toBe(1_250);
  });
});

describe("renditions", () => {
  const claim = (key: string, w: number, maximised = false) => ({ key, w, h: (w * 9) / 16, maximised });

  it("gives the main stream to four large tiles, the maximised one first", () => {
    const claims = [1000, 1100, 1200, 1300, 1400].map((w) => claim(String(w), w));
    expect([...mainClaims([...claims, claim("max", 300, true)])]).toEqual(["max", "1400", "1300", "1200"]);
    expect(mainClaims([claim("a", 959)]).size).toBe(0);
  });

  it("starts with the lowest and never asks a small tile's camera for its main stream", () => {
    expect(wantOf(claim("a", 1_900, true), true, false, 640)).toEqual({
      w: 320,
      h: 180,
      fps: 15,
      mode: "all",
    });
    expect(wantOf(claim("a", 480), false, true, 320).w).toBe(400);
    expect(wantOf(claim("a", 480), false, true, 640).w).toBe(480);
    expect(wantOf(claim("a", 1_280), true, true, 320)).toEqual({ w: 1_280, h: 720, fps: 25, mode: "all" });
  });

  it("stays with a size within 20 % and for 3 s", () => {
    const sent = { w: 400, h: 225, fps: 15, mode: "all" } as const;
    expect(replaces({ ...sent, w: 470 }, sent, 60_000)).toBe(false);
    expect(replaces({ ...sent, w: 600 }, sent, 1_000)).toBe(false);
    expect(replaces({ ...sent, w: 600 }, sent, 3_000)).toBe(true);
    expect(replaces({ ...sent, mode: "pause" }, sent, 0)).toBe(true);
  });
});

describe("messages", () => {
  it("reads one or many and drops what it does not know", () => {
    expect(parseMessages('{"t":"pong","ts":1,"utc":"2026-01-01T00:00:00Z"}')).toHaveLength(1);
    expect(parseMessages('[{"t":"state","slot":1,"seq":2,"phase":"live"},{"t":"news"},7]')).toHaveLength(1);
    expect(parseMessages('{"t":"state","slot":1,"seq":2,"phase":"dancing"}')).toEqual([]);
    expect(parseMessages("not json")).toEqual([]);
  });

  it("sends releases first and no text over the limit", () => {
    const assigns = Array.from(
      { length: 300 },
      (_, slot): ClientMessage => ({
        t: "assign",
        seq: slot,
        slot,
        camera: "c".repeat(36),
        want: { w: 1, h: 1, fps: 1, mode: "all" },
      }),
    );
    const texts = batches([...assigns, { t: "release", seq: 900, slot: 3 }]);
    expect(texts.length).toBeGreaterThan(1);
    expect(texts.every((text) => text.length <= MESSAGE_BYTES_MAX)).toBe(true);
    expect(texts.flatMap((text) => JSON.parse(text) as ClientMessage[])).toHaveLength(301);
    expect((JSON.parse(texts[0] ?? "[]") as ClientMessage[])[0]?.t).toBe("release");
    expect(batches([])).toEqual([]);
  });

  it("counts RTP time over the wrap", () => {
    expect(rtpReached(5, 0xffff_fff0)).toBe(true);
    expect(rtpReached(0xffff_fff0, 5)).toBe(false);
    expect(rtpSeconds(0xffff_ffff, 89_999)).toBeCloseTo(1);
    expect(rtpSeconds(90_000, 0)).toBeCloseTo(-1);
  });
});

describe("pools", () => {
  it.each([
    [1, 4],
    [4, 4],
    [9, 9],
    [25, 36],
    [49, 64],
  ])("for %i cells has %i slots", (cells, slots) => expect(poolFor(cells)).toBe(slots));
});

describe("overload", () => {
  it("steps up on lasting loss and down when it is calm", () => {
    const load = new Overload();
    let [now, displayed, dropped] = [0, 0, 0];
    const pass = (seconds: number, shownPerS: number, lostPerS: number) => {
      for (let i = 0; i < seconds; i += 1) {
        now += 1_000;
        displayed += shownPerS;
        dropped += lostPerS;
        load.observe(now, displayed, dropped);
      }
    };
    pass(4, 50, 50);
    expect(load.level).toBe(0);
    pass(8, 50, 50);
    expect(load.level).toBe(1);
    pass(60, 50, 50);
    expect(load.level).toBe(1); // half lost is a reason for sub-streams, not for keyframes alone
    pass(60, 100, 0);
    expect(load.level).toBe(0);
  });
});
