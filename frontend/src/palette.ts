// Colours of layers. Ordered palettes are told apart without colour vision by their lightness.
export interface Legend {
  kind: string;
  scale: number;
  offset: number;
  breaks: number[];
  nodata: number;
  below: number;
  above: number;
  classes: [number, string, string][];
}

const SEQUENTIAL: Record<string, string[]> = {
  water: ["#f6efdc", "#e3e4b8", "#b7d9b0", "#7ccdbb", "#45b4c2", "#2a90bb", "#2267a5", "#253f8e", "#17215f"],
  green: ["#f4efe2", "#dfe3b4", "#b9d17d", "#8dba56", "#5f9e43", "#387f3a", "#1e6233", "#0e4628", "#062c18"],
  heat: ["#2c2a78", "#4356a8", "#6d8fca", "#a9c4e2", "#eee9df", "#f3c39a", "#e48a5b", "#c24d35", "#8b1c24"],
  earth: ["#2f5d50", "#5e8a63", "#97ae74", "#c9c58b", "#e2cf9b", "#cba574", "#a8784f", "#835a42", "#efe9e4"],
  plain: ["#f3f0f7", "#dcd5ea", "#bfb3da", "#a08fc8", "#8570b6", "#6d52a3", "#57388d", "#42226f", "#2c1150"],
  variation: ["#fdf3e1", "#fbdcae", "#f6bd7a", "#ec9a55", "#db7440", "#bf5134", "#9a342d", "#722026", "#4a121d"],
};
const DIVERGING: Record<string, string[]> = {
  water: ["#5b3510", "#91591e", "#c18f4f", "#e3cb9d", "#f3f0ea", "#b9ddd6", "#6fb5ad", "#2b8078", "#08504a"],
  relation: ["#7a1133", "#b63b4c", "#dd7f79", "#f3c3b7", "#f4f1ee", "#bdd3e6", "#7ba7cf", "#3d72ae", "#173f7c"],
};
const PERCENTILES: [number, string, [string, string]][] = [
  [2, "#6b0012", ["D4 exceptional drought", "D4 异常干旱"]],
  [5, "#c4231c", ["D3 extreme drought", "D3 极端干旱"]],
  [10, "#ee8a2e", ["D2 severe drought", "D2 重度干旱"]],
  [20, "#f8c77a", ["D1 moderate drought", "D1 中度干旱"]],
  [30, "#fbf0a6", ["D0 abnormally dry", "D0 异常偏干"]],
  [70, "#e9e9e6", ["usual", "正常"]],
  [90, "#9ccbe0", ["wet", "偏湿"]],
  [100.01, "#2f79b5", ["very wet", "很湿"]],
];
const KINDS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#8c6d31", "#7a7a7a", "#b5c800", "#5d3a9b"];
const GRADES = ["#cfd8c3", "#f0e0a2", "#eeb25e", "#d9703a", "#8f2118"];
const STATES = ["#dfe5e8", "#f5d877", "#ee9a3a", "#b8211f", "#4f9d69"];
const DROUGHT = ["#e9e9e6", "#fbf0a6", "#f8c77a", "#ee8a2e", "#c4231c", "#6b0012"];
const named = (id: string): string[] | null =>
  /vegetation\.grade$/.test(id) ? GRADES : /states\.state$/.test(id) ? STATES : /drought_class$/.test(id) ? DROUGHT : null;
const TREND = ["#91591e", "#e3cb9d", "#f3f0ea", "#b9ddd6", "#2b8078"];

const WATER_COLOURS: Record<string, string> = { soil: "#8a5a2b", precipitation: "#1f78b4", ground_ice: "#41b6c4", snow_melt: "#7b6bb5", glacier_melt: "#5aa0d6", river: "#2c7a52", stream: "#2c7a52", streamflow: "#2c7a52", groundwater: "#8a5a2b", snow: "#7b6bb5", rain: "#1f78b4", spring: "#b8860b", lake: "#0b7a75", supra_permafrost: "#c2457c" };
export const colourOfWater = (water: string): string => WATER_COLOURS[water.replaceAll(" ", "_")] ?? "#777777";
/** Sources whose shares are drawn as pies. */
export const WATERS: Record<string, [string, string]> = {
  precipitation: ["Precipitation", "降水"],
  ground_ice: ["Ground ice", "地下冰"],
  snow_melt: ["Snow melt", "融雪"],
  glacier_melt: ["Glacier melt", "冰川融水"],
  snow: ["Snow", "雪"],
  rain: ["Rain", "雨"],
  groundwater: ["Groundwater", "地下水"],
};

export interface Swatch {
  colour: string;
  label: [string, string];
  /** First and last byte that it colours. */
  from: number;
  to: number;
}

const rgb = (hex: string): [number, number, number] => [
  parseInt(hex.slice(1, 3), 16),
  parseInt(hex.slice(3, 5), 16),
  parseInt(hex.slice(5, 7), 16),
];

/** Take n colours from a list, mixed where n is not its length. */
export function spread(colours: string[], n: number): string[] {
  return Array.from({ length: n }, (_, k) => {
    const at = n === 1 ? 0.5 * (colours.length - 1) : (k / (n - 1)) * (colours.length - 1);
    const low = Math.min(Math.floor(at), colours.length - 2);
    const a = rgb(colours[low]!);
    const b = rgb(colours[low + 1]!);
    const mixed = a.map((v, i) => Math.round(v + (at - low) * (b[i]! - v)));
    return `#${mixed.map((v) => v.toString(16).padStart(2, "0")).join("")}`;
  });
}

export function paletteOf(id: string, kind: string): string[] {
  if (kind === "diverging") return DIVERGING[/correlation/.test(id) ? "relation" : "water"]!;
  if (/\.cv(_|$)|\.cv$/.test(id)) return SEQUENTIAL.variation!;
  if (/degraded$|grade\.damage$/.test(id)) return SEQUENTIAL.variation!;
  if (/temperature/.test(id) && !/detector/.test(id)) return SEQUENTIAL.heat!;
  if (/ndvi|cover|capacity|response|vegetation\.season/.test(id) && !/detector/.test(id)) return SEQUENTIAL.green!;
  if (/elevation/.test(id) && !/detector/.test(id)) return SEQUENTIAL.earth!;
  if (/soil_moisture|precipitation|detector|season/.test(id)) return SEQUENTIAL.water!;
  return SEQUENTIAL.plain!;
}

/** Limits of classes, all with as many decimals as the one that needs most. */
function tidy(edges: number[]): string[] {
  const rounded = edges.map((value) => +value.toPrecision(4));
  const decimals = Math.max(...rounded.map((value) => String(value).split(".")[1]?.length ?? 0));
  return rounded.map((value) => (/e/.test(String(value)) ? String(value) : value.toFixed(Math.min(decimals, 6))).replaceAll("-", "−"));
}

/** The classes of a legend with their colours, from the lowest to the highest. */
export function swatches(id: string, legend: Legend): Swatch[] {
  if (legend.classes.length) {
    const trend = /trend_class/.test(id);
    const ordered = /stratum|change_last/.test(id);
    const n = legend.classes.length;
    const colours = named(id) ?? (trend ? TREND : ordered ? spread(SEQUENTIAL.water!, n) : KINDS);
    return legend.classes.map(([, en, zh], k) => ({
      colour: colours[k % colours.length]!,
      label: [en, zh],
      from: k + 1,
      to: k + 1,
    }));
  }
  const byte = (value: number): number => (value - legend.offset) / legend.scale;
  if (legend.kind === "percentile") {
    let last = 0;
    return PERCENTILES.map(([upto, colour, label]) => {
      const from = last;
      last = Math.floor(byte(Math.min(upto, 100))) + (upto > 100 ? 1 : 0);
      const range = `${upto > 100 ? "90–100" : `≤ ${upto}`} %`;
      const plain = id !== "percentile";
      return { colour, label: plain ? [range, range] : [`${label[0]} (${range})`, `${label[1]}（${range}）`], from, to: last - 1 };
    });
  }
  const edges = legend.breaks;
  const words = tidy(edges);
  const n = edges.length - 1;
  const colours = spread(paletteOf(id, legend.kind), n);
  return colours.map((colour, k) => {
    const first = k === 0;
    const last = k === n - 1;
    const text = `${words[k]} – ${words[k + 1]}`;
    return {
      colour,
      label: [text, text],
      from: first ? legend.below : Math.ceil(byte(edges[k]!) - 1e-6),
      to: last ? legend.above : Math.ceil(byte(edges[k + 1]!) - 1e-6) - 1,
    };
  });
}

/** RGBA of each byte, as one number in the order of the machine's memory. */
export function lookup(list: Swatch[], nodata: number): Uint32Array {
  const table = new Uint32Array(256);
  for (const one of list) {
    const [r, g, b] = rgb(one.colour);
    for (let k = Math.max(0, one.from); k <= Math.min(254, one.to); k++)
      table[k] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  table[nodata] = 0;
  return table;
}

/** The value that a byte stands for, in words. */
export function readByte(code: number, legend: Legend): { value: number | null; edge: "" | "below" | "above" } {
  if (code === legend.nodata) return { value: null, edge: "" };
  if (legend.classes.length) return { value: legend.classes[code - 1]?.[0] ?? null, edge: "" };
  if (code === legend.below) return { value: legend.breaks[0]!, edge: "below" };
  if (code === legend.above) return { value: legend.breaks.at(-1)!, edge: "above" };
  return { value: legend.offset + legend.scale * code, edge: "" };
}
