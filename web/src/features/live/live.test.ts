import { describe, expect, it } from "vitest";
import type { Camera } from "../../api/types";
import { agencies, find, findables, folded } from "./find";
import { camsOf, cellsOf, filled, keysOf, neighbour, parseView, placed, regrown, swapped } from "./view";

describe("the view in the URL", () => {
  it("reads what it knows and drops the rest", () => {
    expect(parseView({ grid: "16", cams: "a,,b", full: "2", q: "", agency: "METRO", x: 1 })).toEqual({
      grid: 16,
      cams: "a,,b",
      full: 2,
      agency: "METRO",
    });
    expect(parseView({ grid: "17", full: "-1" })).toEqual({});
  });

  it("keeps holes, and cameras beyond a smaller layout", () => {
    expect(cellsOf("a,,b", 4)).toEqual(["a", null, "b", null]);
    expect(camsOf(["x"], "a,b,c,d")).toBe("x,b,c,d");
    expect(camsOf([null, null], undefined)).toBe(",");
    expect(cellsOf(",", 4)).toEqual([null, null, null, null]);
  });

  it("moves a camera that is already there instead of showing it twice", () => {
    expect(placed(["a", "b", null, null], 2, "c")).toEqual(["a", "b", "c", null]);
    expect(placed(["a", "b", null, null], 2, "a")).toEqual([null, "b", "a", null]);
    expect(placed(["a", "b"], 1, "a")).toEqual(["b", "a"]);
    expect(swapped(["a", "b", "c"], 0, 2)).toEqual(["c", "b", "a"]);
  });

  it("fills holes in order and grows a full wall", () => {
    expect(filled(["b", null, null], ["a", "b", "c"])).toEqual(["b", "a", "c"]);
    expect(regrown("a,b,c,d", 4, 9, ["a", "b", "c", "d", "e"]).slice(0, 5)).toEqual([
      "a",
      "b",
      "c",
      "d",
      "e",
    ]);
    expect(regrown("a,,c,d", 4, 9, ["a", "b", "c", "d", "e"])[4]).toBeNull();
    expect(regrown("a,b,c,d", 4, 1, ["a"])).toEqual(["a"]);
  });

  it("names a tile by its camera so that a swap keeps the picture", () => {
    expect(keysOf(["a", "b", "a", null])).toEqual(["a#0", "b#0", "a#1", null]);
  });

  it("walks with the arrows and stops at the edges", () => {
    expect(neighbour(0, 16, 4, "ArrowLeft")).toBe(0);
    expect(neighbour(3, 16, 4, "ArrowRight")).toBe(3);
    expect(neighbour(3, 16, 4, "ArrowDown")).toBe(7);
    expect(neighbour(15, 16, 4, "ArrowDown")).toBe(15);
    expect(neighbour(5, 16, 4, "End")).toBe(15);
    expect(neighbour(1, 4, 1, "ArrowDown")).toBe(2);
  });
});

describe("finding a camera", () => {
  const camera = (id: string, name: string, name_ar: string, source: string): Camera => ({
    id,
    name,
    name_ar,
    source,
    status: "ONLINE",
  });
  const cameras = [
    camera("1", "Creek Bridge East", "جسر الخور شرق", "DUBAI_POLICE"),
    camera("2", "Union Station 2", "محطّة الإتحاد ٢", "METRO"),
  ];
  const all = findables(cameras);
  const ids = (query: string, agency?: string) => find(all, query, agency).map((c) => c.id);

  it("takes every word, in any order and either language", () => {
    expect(ids("east creek")).toEqual(["1"]);
    expect(ids("محطه الاتحاد 2")).toEqual(["2"]);
    expect(ids("")).toEqual(["1", "2"]);
    expect(ids("", "METRO")).toEqual(["2"]);
    expect(ids("east", "METRO")).toEqual([]);
  });

  it("folds spellings and counts agencies", () => {
    expect(folded("أُرْدُنّ")).toBe("اردن");
    expect(agencies(cameras)).toEqual([
      ["DUBAI_POLICE", 1],
      ["METRO", 1],
    ]);
  });

  it("searches 10,000 cameras within the time of a key press", () => {
    const many = findables(
      Array.from({ length: 10_000 }, (_, i) => camera(String(i), `Road ${i} North`, `طريق ${i}`, "OTHER")),
    );
    const begin = performance.now();
    expect(find(many, "road 9999", undefined)).toHaveLength(1);
    expect(performance.now() - begin).toBeLessThan(300);
  });
});
