import { render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { i18next } from "../../i18n/i18n";
import type { Refusal } from "../../player/protocol";
import { Tile, type TileView } from "../../player/tile";
import { TileCover } from "./TileCover";

const blank = new Tile("a#0", { key: "a#0", camera: { id: "a" }, visible: true, maximised: false }).view;

async function check(language: "en" | "ar", view: Partial<TileView>, text: string) {
  await i18next.changeLanguage(language);
  render(<TileCover view={{ ...blank, ...view }} />);
  expect(screen.getByText(text)).toBeInTheDocument();
}

function refusal(code: string, more: Partial<Refusal> = {}): Partial<TileView> {
  return { word: "denied", refusal: { code, message_en: "As sent", message_ar: "كما أُرسل", ...more } };
}

const full = refusal("RATE_LIMIT_EXCEEDED", { source: "METRO", current: 30, limit: 30 });

afterEach(() => i18next.changeLanguage("en"));

describe("what stands in place of a picture", () => {
  it.each([
    ["en", { word: "connecting" }, "Connecting…"],
    ["ar", { word: "connecting" }, "جارٍ الاتصال…"],
    ["en", { word: "stale", ageS: 7 }, "No picture for 7 s. Retrying."],
    ["ar", { word: "stale", ageS: 7 }, "لا توجد صورة منذ 7 ث. تُعاد المحاولة."],
    ["en", { word: "offline", reason: "connection refused" }, "connection refused"],
    ["en", refusal("FORBIDDEN"), "You do not have access to this camera."],
    ["ar", refusal("FORBIDDEN"), "ليست لديك صلاحية لهذه الكاميرا."],
    ["en", full, "Metro has reached its limit (30/30)."],
    ["ar", full, "وصلت المترو إلى حدّها (30/30)."],
    ["en", refusal("LANE_UNSUITABLE"), "This browser cannot show H.264 (B)."],
    ["en", refusal("ANYTHING_ELSE"), "As sent"],
    ["ar", refusal("ANYTHING_ELSE"), "كما أُرسل"],
  ] as const)("in %s", (language, view, text) => check(language, view as Partial<TileView>, text));
});
