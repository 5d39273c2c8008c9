// Time series by uPlot, redrawn when the theme, the language or the width changes.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Line {
  label: string;
  values: (number | null)[];
  colour: string;
  width?: number;
  dash?: number[];
  bars?: boolean;
  scale?: string;
  hidden?: boolean;
  points?: boolean;
}
export interface ChartProps {
  times: number[];
  lines: Line[];
  bands?: { upper: number; lower: number; colour: string }[];
  unit: string;
  second?: string;
  label: string;
  dark: boolean;
  language: string;
  height?: number;
  /** Spans of time that are shaded [s]. */
  shaded?: [number, number][];
  shade?: string;
  levels?: { value: number; label: string }[];
  /** Points in time with a word each [s]. */
  events?: { at: number; label: string }[];
}

/** A chart; the day that is looked at and the span that is shown move without drawing it anew. */
export function Chart({ of: props, marker = null, span = null }: { of: ChartProps; marker?: number | null; span?: [number, number] | null }) {
  const place = useRef<HTMLDivElement>(null);
  const drawn = useRef<uPlot | null>(null);
  const day = useRef(marker);
  day.current = marker;
  useEffect(() => {
    const home = place.current!;
    const began = performance.now();
    const wanted = options(props, home.clientWidth || 600, day);
    wanted.hooks!.ready = [() => (home.dataset.drawn = String(performance.now() - began))];
    const chart = new uPlot(wanted, data(props), home);
    drawn.current = chart;
    if (span) chart.setScale("x", { min: span[0], max: span[1] });
    const seen = new ResizeObserver(() => {
      if (home.clientWidth && home.clientWidth !== chart.width)
        chart.setSize({ width: home.clientWidth, height: chart.height });
    });
    seen.observe(home);
    return () => {
      seen.disconnect();
      drawn.current = null;
      chart.destroy();
    };
  }, [props]);
  useEffect(() => {
    drawn.current?.redraw(false);
  }, [marker]);
  useEffect(() => {
    if (span) drawn.current?.setScale("x", { min: span[0], max: span[1] });
  }, [span?.[0], span?.[1]]);
  return <div class="chart" ref={place} role="img" aria-label={props.label} />;
}

const data = (props: ChartProps): uPlot.AlignedData =>
  [props.times, ...props.lines.map((line) => line.values)] as uPlot.AlignedData;

function options(props: ChartProps, width: number, day: { current: number | null }): uPlot.Options {
  const ink = props.dark ? "#c3ccd6" : "#46515e";
  const grid = props.dark ? "#2b3540" : "#e3e8ed";
  const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: "12px system-ui" };
  return {
    width,
    height: props.height ?? 260,
    cursor: { drag: { x: true, y: false } },
    legend: { live: true },
    scales: { x: { time: true }, ...(props.second ? { second: { range: (_u, _low, high) => [0, Math.max(high * 3, 1)] } } : {}) },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    axes: [
      { ...axis, space: 70, values: (_u, splits, _i, _s, step) => splits.map((at) => tick(at, step, props.language)) },
      { ...axis, label: props.unit, labelSize: 22, labelFont: "12px system-ui", size: 58 },
      ...(props.second ? [{ ...axis, scale: "second", side: 1 as const, label: props.second, labelSize: 22, labelFont: "12px system-ui", grid: { show: false }, size: 48 }] : []),
    ],
    series: [
      { label: props.language === "zh" ? "时间" : "Time", value: (_u, at) => (at == null ? "–" : new Date(at * 1000).toISOString().slice(0, 16).replace("T", " ").replace(" 00:00", "")) },
      ...props.lines.map((line) => series(line, props.times.length <= SPARSE)),
    ],
    bands: (props.bands ?? []).map((band) => ({ series: [band.upper, band.lower] as [number, number], fill: band.colour })),
    hooks: { drawClear: [(chart) => shades(chart, props)], draw: [(chart) => levels(chart, props, ink, day.current)] },
  };
}

/** With so few times, values that stand alone between gaps are drawn as points, or would be unseen. */
const SPARSE = 200;

function series(line: Line, sparse: boolean): uPlot.Series {
  return {
    label: line.label,
    class: line.hidden ? "unsaid" : undefined,
    stroke: line.colour,
    width: line.width ?? 1.6,
    dash: line.dash,
    scale: line.scale ?? "y",
    spanGaps: false,
    points: { show: line.points ?? (sparse && !line.hidden && !line.dash), size: 6, fill: "transparent" },
    value: (_u, v) => (v == null ? "–" : String(+v.toPrecision(4))),
    ...(line.bars ? { paths: uPlot.paths.bars!({ size: [0.8, 40] }), fill: line.colour, width: 0 } : {}),
  };
}

function tick(at: number, step: number, language: string): string {
  const day = new Date(at * 1000);
  const how: Intl.DateTimeFormatOptions =
    step >= 20 * 86400
      ? { year: "numeric", month: "short" }
      : step >= 86400
        ? { day: "numeric", month: "short" }
        : at % 86400 === 0
          ? { day: "numeric", month: "short" } // midnight says of which day
          : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const year = step >= 300 * 86400 ? { year: "numeric" as const } : how;
  return new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", { ...year, timeZone: "UTC" }).format(day);
}

function shades(chart: uPlot, props: ChartProps) {
  const c = chart.ctx;
  c.fillStyle = props.shade ?? (props.dark ? "rgba(120,150,220,.16)" : "rgba(74,95,168,.12)");
  for (const [from, to] of props.shaded ?? []) {
    const x = chart.valToPos(from, "x", true);
    const end = chart.valToPos(to, "x", true);
    const [left, right] = [Math.max(x, chart.bbox.left), Math.min(end, chart.bbox.left + chart.bbox.width)];
    if (right > left) c.fillRect(left, chart.bbox.top, Math.max(1, right - left), chart.bbox.height);
  }
}

function levels(chart: uPlot, props: ChartProps, ink: string, marker: number | null) {
  const c = chart.ctx;
  const ratio = window.devicePixelRatio || 1;
  c.save();
  c.textAlign = "left";
  c.textBaseline = "alphabetic";
  c.strokeStyle = "#c4231c";
  c.fillStyle = ink;
  c.lineWidth = 1.2 * ratio;
  c.setLineDash([6 * ratio, 4 * ratio]);
  c.font = `${11 * ratio}px system-ui`;
  for (const level of props.levels ?? []) {
    const y = chart.valToPos(level.value, "y", true);
    if (y < chart.bbox.top || y > chart.bbox.top + chart.bbox.height) continue;
    line(c, chart.bbox.left, y, chart.bbox.left + chart.bbox.width, y);
    const wide = c.measureText(level.label).width;
    c.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--halo"); // series may run here
    c.fillRect(chart.bbox.left + 3 * ratio, y - 15 * ratio, wide + 6 * ratio, 14 * ratio);
    c.fillStyle = ink;
    c.fillText(level.label, chart.bbox.left + 6 * ratio, y - 4 * ratio);
  }
  const right = chart.bbox.left + chart.bbox.width;
  c.setLineDash([2 * ratio, 3 * ratio]);
  for (const event of props.events ?? []) {
    const x = chart.valToPos(event.at, "x", true);
    if (x < chart.bbox.left || x > right) continue;
    line(c, x, chart.bbox.top, x, chart.bbox.top + chart.bbox.height);
    const wide = c.measureText(event.label).width;
    c.fillText(event.label, x + wide + 8 * ratio > right ? x - wide - 4 * ratio : x + 4 * ratio, chart.bbox.top + 12 * ratio);
  }
  if (marker != null) {
    const x = chart.valToPos(marker, "x", true);
    c.setLineDash([]);
    c.strokeStyle = ink;
    if (x >= chart.bbox.left && x <= right)
      line(c, x, chart.bbox.top, x, chart.bbox.top + chart.bbox.height);
  }
  c.restore();
}

function line(c: CanvasRenderingContext2D, x: number, y: number, toX: number, toY: number) {
  c.beginPath();
  c.moveTo(x, y);
  c.lineTo(toX, toY);
  c.stroke();
}
