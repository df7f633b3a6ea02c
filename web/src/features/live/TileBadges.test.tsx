import { render } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { i18next } from "../../i18n/i18n";
import { Tile, type TileView } from "../../player/tile";
import { TileBadges } from "./TileBadges";

const blank = new Tile("a#0", { key: "a#0", camera: { id: "a" }, visible: true, maximised: false }).view;

async function check(language: "en" | "ar", view: Partial<TileView>, mainOnly: boolean, badges: string[]) {
  await i18next.changeLanguage(language);
  const { container } = render(<TileBadges view={{ ...blank, ...view }} mainOnly={mainOnly} />);
  expect([...container.querySelectorAll("span")].map((badge) => badge.textContent)).toEqual(badges);
}

afterEach(() => i18next.changeLanguage("en"));

describe("badges above a picture", () => {
  it.each([
    ["en", {}, false, []],
    ["en", { reason: "congestion" }, false, ["slow network"]],
    ["ar", { reason: "congestion" }, false, ["شبكة بطيئة"]],
    ["en", { reason: "main_only" }, false, ["main only"]],
    ["ar", { reason: "main_only" }, true, ["رئيسي فقط"]],
    ["en", { reason: "connection refused" }, false, []],
    ["en", { lane: "hls", reduced: true }, true, ["HLS, about 2 s behind", "main only", "reduced"]],
  ] as const)("in %s: %j", (language, view, mainOnly, badges) =>
    check(language, view as Partial<TileView>, mainOnly, [...badges]),
  );

  it("a slow network says what happens next", async () => {
    await i18next.changeLanguage("en");
    const view = { ...blank, reason: "congestion" };
    const { getByText } = render(<TileBadges view={view} mainOnly={false} />);
    expect(getByText("slow network").title).toContain("tried again");
  });
});
