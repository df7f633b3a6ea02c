/** Waits between tries: 1, 2, 4, 8 s and on at 8 s for ever, each with up to 25 % of jitter either way. */
const STEPS_MS = [1_000, 2_000, 4_000, 8_000] as const;
const JITTER = 0.25;

export class Backoff {
  private tries = 0;

  constructor(private readonly random: () => number = Math.random) {}

  /** Milliseconds to wait before the next try. */
  next(): number {
    const step = STEPS_MS[Math.min(this.tries, STEPS_MS.length - 1)] ?? 8_000;
    this.tries += 1;
    return Math.round(step * (1 - JITTER + 2 * JITTER * this.random()));
  }

  /** After a success the next failure waits the shortest time again. */
  reset(): void {
    this.tries = 0;
  }
}
