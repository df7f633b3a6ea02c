/**
 * Notices that this machine cannot show all it receives, from the share of decoded frames that never reached the screen.
 * Level 1: sub-streams only. Level 2: keyframes only on the wall, each such tile says so. Steps up slowly, down slower.
 */
const WINDOW_MS = 2_000;
const UP_WINDOWS = 4;
const DOWN_WINDOWS = 10;
/** Share of dropped frames from which a window counts as overloaded, per level to reach. */
const SUB_ONLY_FROM = 0.25;
const KEYFRAMES_FROM = 0.75;
const CALM_BELOW = 0.05;

export class Overload {
  level = 0;
  private last: { at: number; displayed: number; dropped: number } | null = null;
  private bad = 0;
  private good = 0;

  /** Sums over the wall, ever growing but for cameras that left. */
  observe(now: number, displayed: number, dropped: number): void {
    if (this.last === null) this.last = { at: now, displayed, dropped };
    if (now - this.last.at < WINDOW_MS) return;
    const shown = displayed - this.last.displayed;
    const lost = dropped - this.last.dropped;
    this.last = { at: now, displayed, dropped };
    if (shown < 0 || lost < 0 || shown + lost === 0) return; // the wall changed, or nothing plays
    this.judge(lost / (shown + lost));
  }

  private judge(share: number): void {
    const limit = this.level === 0 ? SUB_ONLY_FROM : KEYFRAMES_FROM;
    this.bad = share >= limit ? this.bad + 1 : 0;
    this.good = share < CALM_BELOW ? this.good + 1 : 0;
    if (this.bad >= UP_WINDOWS && this.level < 2) {
      this.level += 1;
      this.bad = 0;
    } else if (this.good >= DOWN_WINDOWS && this.level > 0) {
      this.level -= 1;
      this.good = 0;
    }
  }
}
