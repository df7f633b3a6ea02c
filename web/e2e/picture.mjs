/**
 * Reads the machine-readable picture from the pixels of tiles. All places are on a grid of 320×180: frame counter bits at
 * (18 + 24·b, 12), camera number bits at (18 + 24·c, 168), the camera's colour at (303, 12). The counter counts modulo 512.
 */
export const COUNTER_PERIOD = 512;
const COLOUR_TOLERANCE = 40;

/** Runs in the page: what every tile says and shows right now. */
export function readTiles() {
  const canvas = document.createElement("canvas");
  canvas.width = 320;
  canvas.height = 180;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const bits = (count, y) => {
    const row = pen.getImageData(0, y, 320, 1).data;
    let value = 0;
    for (let bit = 0; bit < count; bit += 1) {
      const at = 4 * (18 + 24 * bit);
      if (row[at] + row[at + 1] + row[at + 2] >= 3 * 128) value |= 1 << bit;
    }
    return value;
  };
  const picture = (video) => {
    if (video === null || video.readyState < 2) return null;
    pen.drawImage(video, 0, 0, 320, 180);
    return {
      counter: bits(12, 12),
      camera: bits(8, 168),
      colour: [...pen.getImageData(303, 12, 1, 1).data.slice(0, 3)],
    };
  };
  return [...document.querySelectorAll('[data-testid="tile"]')].map((tile) => {
    const video = tile.querySelector("video[data-shown]");
    const quality = video?.getVideoPlaybackQuality();
    return {
      cell: Number(tile.dataset.cell),
      id: tile.dataset.camera,
      state: tile.dataset.state,
      covered: tile.dataset.covered === "true",
      displayed: quality === undefined ? 0 : quality.totalVideoFrames - quality.droppedVideoFrames,
      time: video?.currentTime ?? 0,
      width: video?.videoWidth ?? 0,
      picture: picture(video),
    };
  });
}

/** The colour of a camera: hues by the golden angle. */
export function colourOf(number) {
  const hue = ((number * 137.508) % 360) / 60;
  return [5, 3, 1].map((shift) => {
    const k = (shift + hue) % 6;
    return Math.round((0.9 - 0.6 * Math.min(1, Math.max(0, Math.min(k, 4 - k)))) * 255);
  });
}

export function sameColour(a, b) {
  return a.every((value, channel) => Math.abs(value - b[channel]) <= COLOUR_TOLERANCE);
}

/** Frames from one counter to a later one. */
export function counted(from, to) {
  return (to - from + COUNTER_PERIOD) % COUNTER_PERIOD;
}

/** The number that a camera draws, where the server tells it. */
export function numberOf(camera) {
  const number = Number(camera?.metadata?.picture_number);
  return Number.isInteger(number) && number > 0 ? number : null;
}
