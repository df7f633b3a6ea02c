import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ClientMessage, ServerMessage } from "./protocol";
import type { Session, SessionEvent } from "./session";
import { Wall } from "./wall";

const lanes: string[] = [];
vi.mock("./hls", () => ({
  HLS_TILES_MAX: 4,
  HlsLane: class {
    readonly video = video();
    constructor(url: string) {
      lanes.push(url);
    }
    close() {}
  },
}));

interface FakeVideo extends HTMLVideoElement {
  /** Puts a frame on display. */
  frame(rtp?: number): void;
  /** Counts a frame that never reaches the screen. */
  unseen(): void;
}

function video(): FakeVideo {
  const element = document.createElement("video") as FakeVideo;
  let total = 0;
  let waiting: ((now: number, metadata: object) => void)[] = [];
  Object.assign(element, {
    play: () => Promise.resolve(),
    getVideoPlaybackQuality: () => ({ totalVideoFrames: total, droppedVideoFrames: 0 }),
    requestVideoFrameCallback: (then: (now: number, metadata: object) => void) => waiting.push(then),
    unseen() {
      total += 1;
    },
    frame(rtp?: number) {
      total += 1;
      const called = waiting;
      waiting = [];
      for (const then of called)
        then(0, { width: 320, height: 180, ...(rtp === undefined ? {} : { rtpTimestamp: rtp }) });
    },
  });
  return element;
}

class FakeSession {
  readonly videos: FakeVideo[];
  readonly sent: ClientMessage[] = [];
  isOpen = false;
  closed = false;
  received = 0;

  constructor(
    readonly size: number,
    readonly on: (event: SessionEvent) => void,
  ) {
    this.videos = Array.from({ length: size }, video);
  }

  open() {
    return Promise.resolve();
  }
  ready() {
    this.isOpen = true;
    this.on({ type: "open" });
  }
  send(messages: readonly ClientMessage[]) {
    this.sent.push(...messages);
  }
  packets() {
    return Promise.resolve(this.received);
  }
  jitter() {
    return Promise.resolve(new Map<number, number>());
  }
  fail(reason: string) {
    this.lose(reason);
  }
  lose(reason = "gone") {
    this.isOpen = false;
    this.on({ type: "lost", reason, unauthenticated: false, retryMs: null });
  }
  close() {
    this.closed = true;
  }
  says(message: ServerMessage) {
    this.on({ type: "message", message });
  }
  /** The last assign of a camera. */
  assign(camera: string) {
    const all = this.sent.filter((m) => m.t === "assign" && m.camera === camera);
    const last = all.at(-1);
    if (last?.t !== "assign") throw new Error(`${camera} was never assigned`);
    return last;
  }
  live(camera: string, first_rtp = 1_000) {
    const { slot, seq } = this.assign(camera);
    this.says({ t: "state", slot, seq, phase: "live", first_rtp });
    return this.videos[slot] as FakeVideo;
  }
}

let sessions: FakeSession[];
let wall: Wall;
let stop: () => void;

function show(...cameras: string[]) {
  wall.show(
    cameras.map((id) => ({ key: `${id}#0`, camera: { id }, visible: true, maximised: false })),
    Math.max(4, cameras.length),
  );
}

function view(camera: string) {
  const tile = wall.all().find((t) => t.ask.camera.id === camera);
  if (tile === undefined) throw new Error(`${camera} is not on the wall`);
  return tile.view;
}

function session(index: number): FakeSession {
  const found = sessions[index];
  if (found === undefined) throw new Error(`there is no session ${index}`);
  return found;
}

beforeEach(() => {
  vi.useFakeTimers();
  sessions = [];
  lanes.length = 0;
  wall = new Wall((size, _window, on) => {
    const made = new FakeSession(size, on);
    sessions.push(made);
    return made as unknown as Session;
  });
  stop = wall.start();
});

afterEach(() => {
  stop();
  vi.useRealTimers();
});

describe("the wall", () => {
  it("shows a camera once a frame of it is displayed, and says stale when frames stop", () => {
    show("a");
    session(0).ready();
    const picture = session(0).live("a");
    expect(view("a")).toMatchObject({ word: "connecting", covered: true });
    picture.frame(999);
    expect(view("a")).toMatchObject({ word: "connecting", covered: true });
    picture.frame(1_000);
    expect(view("a")).toMatchObject({ word: "live", covered: false });
    vi.advanceTimersByTime(3_000);
    expect(view("a")).toMatchObject({ word: "stale", covered: false });
    expect(view("a").ageS).toBeGreaterThanOrEqual(2);
  });

  it("calls a picture that stood still live again only when a frame is painted, whatever the browser counts", () => {
    show("a");
    session(0).ready();
    const picture = session(0).live("a");
    picture.frame(1_000);
    vi.advanceTimersByTime(5_000);
    picture.unseen();
    vi.advanceTimersByTime(500);
    expect(view("a").word).toBe("stale");
    picture.frame(2_000);
    vi.advanceTimersByTime(500);
    expect(view("a").word).toBe("live");
    picture.unseen(); // while pictures flow the counters are enough
    vi.advanceTimersByTime(500);
    expect(view("a").word).toBe("live");
  });

  it("keeps slots and pictures when tiles change places", () => {
    show("a", "b");
    session(0).ready();
    session(0).live("a").frame(1_000);
    session(0).live("b").frame(1_000);
    const sent = session(0).sent.filter((m) => m.t === "release" || m.t === "assign").length;
    show("b", "a");
    expect(session(0).sent.filter((m) => m.t === "release" || m.t === "assign")).toHaveLength(sent);
    expect(view("a").covered).toBe(false);
  });

  it("releases what left before it assigns what came", () => {
    show("a", "b", "c", "d");
    session(0).ready();
    session(0).sent.length = 0;
    show("a", "b", "c", "e");
    expect(session(0).sent.map((m) => m.t)).toEqual(["release", "assign"]);
  });

  it("takes a larger pool for a larger layout and drops the old one when every tile has moved", () => {
    show("a");
    session(0).ready();
    session(0).live("a").frame(1_000);
    show("a", "b", "c", "d", "e");
    expect(session(1).size).toBe(9);
    session(1).ready();
    expect(view("a").covered).toBe(false);
    vi.advanceTimersByTime(500);
    expect(session(0).closed).toBe(false);
    session(1).live("a").frame(1_000);
    vi.advanceTimersByTime(500);
    expect(session(0).closed).toBe(true);
    expect(view("a")).toMatchObject({ word: "live", covered: false });
  });

  it("opens another session at once when one is lost, and keeps the last picture with its age", () => {
    show("a");
    session(0).ready();
    session(0).live("a").frame(1_000);
    session(0).lose();
    expect(sessions).toHaveLength(2);
    vi.advanceTimersByTime(4_000);
    expect(view("a")).toMatchObject({ word: "stale", covered: false });
    session(1).ready();
    session(1).live("a").frame(1_000);
    expect(view("a")).toMatchObject({ word: "live", covered: false });
  });

  it("does not call the frame live that a closing connection flushes", () => {
    show("a");
    session(0).ready();
    const picture = session(0).live("a");
    picture.frame(1_000);
    vi.advanceTimersByTime(3_000);
    session(0).lose();
    picture.frame(2_000);
    vi.advanceTimersByTime(500);
    expect(view("a").word).toBe("stale");
  });

  it("waits longer after each opening that fails", () => {
    show("a");
    const opened = () => sessions.length;
    session(0).lose();
    vi.advanceTimersByTime(500);
    expect(opened()).toBe(1);
    vi.advanceTimersByTime(1_500);
    expect(opened()).toBe(2);
    session(1).lose();
    vi.advanceTimersByTime(1_000);
    expect(opened()).toBe(2);
    vi.advanceTimersByTime(2_500);
    expect(opened()).toBe(3);
  });

  it("calls a session lost when no packets come though the server says live, and not while packets come", async () => {
    show("a");
    session(0).ready();
    session(0).live("a").frame(1_000);
    for (let i = 0; i < 20; i += 1) {
      session(0).received += 10;
      await vi.advanceTimersByTimeAsync(500);
    }
    expect(sessions).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(sessions).toHaveLength(2);
  });

  it("tries a refused camera again, not before the server allows it", () => {
    show("a");
    session(0).ready();
    const { slot, seq } = session(0).assign("a");
    const error = { code: "RATE_LIMIT_EXCEEDED", message_en: "full", message_ar: "ممتلئة", retry_after: 5 };
    session(0).says({ t: "denied", slot, seq, error });
    expect(view("a")).toMatchObject({ word: "denied", refusal: error });
    vi.advanceTimersByTime(4_500);
    expect(session(0).assign("a").seq).toBe(seq);
    vi.advanceTimersByTime(1_500);
    expect(session(0).assign("a").seq).toBeGreaterThan(seq);
    session(0).live("a").frame(1_000);
    expect(view("a").word).toBe("live");
  });

  it("plays what the peer connection cannot carry over HLS, in four tiles at most", () => {
    const cameras = ["a", "b", "c", "d", "e"];
    show(...cameras);
    session(0).ready();
    for (const camera of cameras) {
      const { slot, seq } = session(0).assign(camera);
      const error = { code: "LANE_UNSUITABLE", message_en: "B", message_ar: "B", lanes: ["hls"] };
      session(0).says({ t: "denied", slot, seq, error });
    }
    expect(lanes).toHaveLength(4);
    expect(view("a")).toMatchObject({ lane: "hls", word: "connecting" });
    expect(view("e")).toMatchObject({ lane: "rtc", word: "denied" });
    expect(session(0).sent.filter((m) => m.t === "release")).toHaveLength(5);
  });

  it("pauses the tiles that a maximised one hides and keeps their slots", () => {
    show("a", "b");
    session(0).ready();
    wall.show(
      ["a", "b"].map((id) => ({
        key: `${id}#0`,
        camera: { id },
        visible: id === "a",
        maximised: id === "a",
      })),
      1,
    );
    expect(session(0).assign("b").want.mode).toBe("pause");
    expect(session(0).sent.some((m) => m.t === "release")).toBe(false);
  });

  it("gives slots back when the window has been hidden for 10 s, and asks anew on return", () => {
    show("a");
    session(0).ready();
    const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    document.dispatchEvent(new Event("visibilitychange"));
    vi.advanceTimersByTime(9_000);
    expect(session(0).sent.some((m) => m.t === "release")).toBe(false);
    vi.advanceTimersByTime(2_000);
    expect(session(0).sent.some((m) => m.t === "release")).toBe(true);
    const before = session(0).assign("a").seq;
    hidden.mockReturnValue(false);
    document.dispatchEvent(new Event("visibilitychange"));
    expect(session(0).assign("a").seq).toBeGreaterThan(before);
    hidden.mockRestore();
  });
});
