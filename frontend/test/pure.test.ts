import { describe, expect, test } from "vitest";
import { lookup, readByte, spread, swatches, type Legend } from "../src/palette";
import { accumulate } from "../src/api";
import { readAddress, readCorners, writeAddress, writeCorners } from "../src/state";
import { scaleBar, toCell, toScreen, wholeArea, zoomAt } from "../src/parts/view";
import { WORDS, number, say, sayValue } from "../src/words";

const legend: Legend = { kind: "continuous", scale: 0.0012, offset: -0.0012, breaks: [0, 0.1, 0.2, 0.3], nodata: 255, below: 0, above: 252, classes: [] };
const frame = { columns: 166, rows: 72, stretch: 1.27, width: 800, height: 500 };

describe("the address", () => {
  test("comes back as it was written, whatever is in it", () => {
    const address = { page: "map", values: { study: "a b&c=d#e", at: "80.5,30.5", t: "2021-07-15" } };
    expect(readAddress(writeAddress(address))).toEqual(address);
  });
  test("of no page is the map", () => {
    expect(readAddress("#/../../etc/passwd").page).toBe("map");
    expect(readAddress("").page).toBe("map");
  });
  test("holds cells and polygons, and nothing else as a place", () => {
    expect(readCorners("80.5,30.5")).toEqual([[80.5, 30.5]]);
    expect(readCorners("1,2;3,4")).toBeNull();
    expect(readCorners("1,x")).toBeNull();
    expect(readCorners("1,2,3")).toBeNull();
    const ring: [number, number][] = [[0, 0], [3, 0], [3, 2.25]];
    expect(readCorners(writeCorners(ring))).toEqual(ring);
  });
});

describe("colours", () => {
  test("classes of the legend cover every byte once, and missing has none", () => {
    const list = swatches("grids.soil_moisture", legend);
    const owners = Array.from({ length: 253 }, (_, code) => list.filter((one) => code >= one.from && code <= one.to).length);
    expect(owners.every((n) => n === 1)).toBe(true);
    const table = lookup(list, 255);
    expect(table[255]).toBe(0);
    expect([...table.slice(0, 253)].every((c) => c >>> 24 === 255)).toBe(true);
  });
  test("percentile classes cover every byte once", () => {
    const percent: Legend = { ...legend, kind: "percentile", scale: 0.4, offset: -0.4, breaks: [0, 100] };
    const list = swatches("percentile", percent);
    const owners = Array.from({ length: 251 }, (_, k) => list.filter((one) => k + 1 >= one.from && k + 1 <= one.to).length);
    expect(owners.every((n) => n === 1)).toBe(true);
    const owner = (p: number) => list.find((one) => Math.round(p / 0.4) + 1 >= one.from && Math.round(p / 0.4) + 1 <= one.to)!.label[0];
    expect(owner(1.2)).toContain("D4");
    expect(owner(28)).toContain("D0");
    expect(owner(50)).toContain("usual");
  });
  test("a byte gives its value back, or says that it lies outside", () => {
    expect(readByte(1, legend).value).toBeCloseTo(0);
    expect(readByte(251, legend).value).toBeCloseTo(0.3);
    expect(readByte(252, legend).edge).toBe("above");
    expect(readByte(0, legend).edge).toBe("below");
    expect(readByte(255, legend).value).toBeNull();
  });
  test("are mixed between neighbours", () => {
    expect(spread(["#000000", "#ffffff"], 3)).toEqual(["#000000", "#808080", "#ffffff"]);
  });
});

describe("blocks", () => {
  test("of differences give their maps back, across 256 too", () => {
    const maps = new Uint8Array([10, 250, 255, 12, 3, 255, 5, 200, 0]);
    const sent = maps.map((v, k) => (k < 3 ? v : v - maps[k - 3]!));
    expect(accumulate(sent, 3)).toEqual(maps);
  });
});

describe("the view", () => {
  test("screen and cell are each other's inverse, and zooming keeps the point", () => {
    const view = wholeArea(frame);
    const [x, y] = toScreen(view, frame, 12.5, 60);
    const [column, row] = toCell(view, frame, x, y);
    expect(column).toBeCloseTo(12.5);
    expect(row).toBeCloseTo(60);
    const near = zoomAt(view, frame, 3, x, y);
    const [x2, y2] = toScreen(near, frame, 12.5, 60);
    expect(x2).toBeCloseTo(x);
    expect(y2).toBeCloseTo(y);
  });
  test("the whole area fits", () => {
    const view = wholeArea(frame);
    const [left, top] = toScreen(view, frame, 0, 0);
    const [right, bottom] = toScreen(view, frame, 166, 72);
    expect(left).toBeGreaterThanOrEqual(0);
    expect(top).toBeGreaterThanOrEqual(0);
    expect(right).toBeLessThanOrEqual(800);
    expect(bottom).toBeLessThanOrEqual(500);
  });
  test("the scale bar is round and as long as it says", () => {
    const bar = scaleBar(4.37, 5);
    expect([1, 2, 5, 10, 20, 50, 100]).toContain(bar.km);
    expect(bar.pixels).toBeCloseTo((bar.km / 4.37) * 5);
  });
});

describe("words", () => {
  test("are there in both languages", () => {
    for (const [english, chinese] of Object.values(WORDS)) {
      expect(english.length).toBeGreaterThan(0);
      expect(chinese.length).toBeGreaterThan(0);
    }
    expect(say("zh", "map")).toBe("地图");
    expect(sayValue("en", "state", "firing")).toBe("firing");
    expect(sayValue("en", "state", "<b>")).toBe("<b>");
  });
});

test("numbers have a true minus, and powers of ten where they are tiny", () => {
  expect(number("en", -12.345)).toBe("−12.3");
  expect(number("en", -0.00002539)).toBe("−2.54 × 10⁻⁵");
  expect(number("zh", 0)).toBe("0");
});
