/** Finding a camera by what an operator types, in either language, whatever the spelling of alef, ya and marks. */
import type { Camera } from "../../api/types";

/** Lower case, without Arabic vowel signs and tatweel, with one form of alef, ya, ta marbuta and digits. */
export function folded(text: string): string {
  return text
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[\u0300-\u036f\u064b-\u065f\u0670\u0640]/g, "")
    .replace(/[أإآٱ]/g, "ا")
    .replace(/ى/g, "ي")
    .replace(/ة/g, "ه")
    .replace(/[٠-٩]/g, (digit) => String(digit.charCodeAt(0) - 0x0660));
}

export interface Findable {
  camera: Camera;
  text: string;
}

export function findables(cameras: readonly Camera[]): Findable[] {
  return cameras.map((camera) => ({
    camera,
    text: folded([camera.name, camera.name_ar, camera.location?.address ?? "", camera.id].join("\n")),
  }));
}

/** Cameras of the agency whose texts hold every word. */
export function find(all: readonly Findable[], query: string, agency: string | undefined): Camera[] {
  const words = folded(query).split(/\s+/).filter(Boolean);
  return all
    .filter(
      ({ camera, text }) =>
        (agency === undefined || camera.source === agency) && words.every((w) => text.includes(w)),
    )
    .map(({ camera }) => camera);
}

/** How many cameras each agency has, in the order of first appearance. */
export function agencies(cameras: readonly Camera[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { source } of cameras) counts.set(source, (counts.get(source) ?? 0) + 1);
  return [...counts];
}
