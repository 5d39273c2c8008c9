// Where the water came from: the samples in their plane, the lines, and fractions by group.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { StudyCard } from "../api";
import { Shown, useAsk, useHouse, useSay } from "../parts/ui";
import { pick, sayValue } from "../words";

interface Sample { sample_id: string; water: string; month: string; d18O: number | null; d2H: number | null; elevation: number | null; altitude_band: string | null; vegetation: string | null }
interface WaterLine { grouping: string; label: string; period: string; slope: number; intercept: number; n: number; status: string }
interface Fraction { grouping: string; label: string; period: string; source: string; median: number; low: number; high: number; n: number }
interface Sources {
  n: number;
  samples: Sample[];
  meteoric: WaterLine[];
  lines: WaterLine[];
  waters: { water: string; group: string; n: number; d18O_mean: number; d2H_mean: number }[];
  fractions: Fraction[];
  verdicts: { label: string; period: string; verdict: string; reason: string }[];
  words: Record<string, [string, string]>;
}
const COLOURS: Record<string, string> = { soil: "#8a5a2b", precipitation: "#1f78b4", ground_ice: "#41b6c4", snow_melt: "#7b6bb5", glacier_melt: "#5aa0d6", river: "#2c7a52", supra_permafrost: "#c2457c" };
const colourOf = (water: string): string => COLOURS[water.replaceAll(" ", "_")] ?? "#777777";

export function SourcesPage() {
  const house = useHouse();
  const word = useSay();
  const studies = useAsk<StudyCard[]>("/api/studies");
  return (
    <Shown of={studies}>
      {(list) => {
        const id = list.find((one) => one.id === house.address.values.study)?.id ?? list.find((one) => one.isotopes)?.id ?? list[0]?.id;
        if (!id) return <section class="empty"><h1>{word("sources")}</h1><p>{word("noStudies")}</p><pre>headwater serve headwater-demo</pre></section>;
        return (
          <>
            <header class="bar">
              <h1>{word("sources")}</h1>
              {list.length > 1 && (
                <label>{word("study")} <select value={id} onChange={(e) => house.set({ study: e.currentTarget.value })}>{list.map((one) => <option key={one.id} value={one.id}>{one.name}</option>)}</select></label>
              )}
            </header>
            <OfStudy key={id} id={id} />
          </>
        );
      }}
    </Shown>
  );
}

function OfStudy({ id }: { id: string }) {
  const found = useAsk<Sources>(`/api/studies/${id}/sources`);
  const word = useSay();
  return (
    <Shown of={found}>
      {(value) => (
        <div class="two">
          <section>
            <h2>{word("biplot")} <small>{value.n} {word("samples")}</small></h2>
            <Biplot value={value} />
            <p class="links"><a href={`/api/studies/${id}/sources/samples.csv`} download>{word("csv")}</a></p>
          </section>
          <section>
            <Fractions value={value} />
            <p class="links"><a href={`/api/studies/${id}/sources/fractions.csv`} download>{word("csv")}</a></p>
          </section>
        </div>
      )}
    </Shown>
  );
}

function Biplot({ value }: { value: Sources }) {
  const house = useHouse();
  const word = useSay();
  const canvas = useRef<HTMLCanvasElement>(null);
  const waters = useMemo(() => [...new Set(value.samples.map((one) => one.water))], [value]);
  const [shown, setShown] = useState<Set<string>>(() => new Set(waters));
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const seen = new ResizeObserver(([entry]) => setWidth(Math.round(entry!.contentRect.width)));
    seen.observe(canvas.current!.parentElement!);
    return () => seen.disconnect();
  }, []);
  useEffect(() => {
    if (width) paint(canvas.current!, width, value, shown, house.dark);
  }, [value, shown, width, house.dark]);
  const toggle = (water: string) => {
    const next = new Set(shown);
    if (!next.delete(water)) next.add(water);
    setShown(next);
  };
  const line = value.meteoric[0];
  const evaporation = value.lines.filter((one) => one.grouping === "all" && one.status === "ok");
  return (
    <>
      <div class="chips" role="group" aria-label={word("samples")}>
        {waters.map((one) => (
          <button key={one} aria-pressed={shown.has(one)} onClick={() => toggle(one)}>
            <span class="swatch round" ref={(e) => e?.style.setProperty("--swatch", colourOf(one))} />
            {pick(house.language, value.words[one] ?? [one, one])} <small>{value.samples.filter((s) => s.water === one).length}</small>
          </button>
        ))}
      </div>
      <div class="canvas-chart"><canvas ref={canvas} role="img" aria-label={word("biplot")} /></div>
      <ul class="plain-list lines">
        {line && <li><span class="stroke solid" /> {word("lmwl")}: δ²H = {line.slope.toFixed(2)} δ¹⁸O {line.intercept < 0 ? "−" : "+"} {Math.abs(line.intercept).toFixed(1)} (n = {line.n})</li>}
        {evaporation.map((one) => (
          <li key={one.period}><span class="stroke dashed" /> {word("lel")}, {one.period}: {one.slope.toFixed(2)} δ¹⁸O {one.intercept < 0 ? "−" : "+"} {Math.abs(one.intercept).toFixed(1)} (n = {one.n})</li>
        ))}
        <li><span class="stroke poly" /> {word("polygonSources")}</li>
      </ul>
    </>
  );
}

function paint(canvas: HTMLCanvasElement, width: number, value: Sources, shown: Set<string>, dark: boolean) {
  const height = Math.min(460, Math.max(300, width * 0.72));
  const ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.height = `${height}px`;
  const c = canvas.getContext("2d")!;
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  const points = value.samples.filter((one) => one.d18O !== null && one.d2H !== null);
  const xs = points.map((one) => one.d18O!);
  const ys = points.map((one) => one.d2H!);
  const box = { left: 54, right: width - 12, top: 12, bottom: height - 44 };
  const [x0, x1] = [Math.floor(Math.min(...xs)) - 1, Math.ceil(Math.max(...xs)) + 1];
  const [y0, y1] = [Math.floor(Math.min(...ys) / 10) * 10 - 10, Math.ceil(Math.max(...ys) / 10) * 10 + 10];
  const X = (v: number) => box.left + ((v - x0) / (x1 - x0)) * (box.right - box.left);
  const Y = (v: number) => box.bottom - ((v - y0) / (y1 - y0)) * (box.bottom - box.top);
  const ink = dark ? "#c3ccd6" : "#46515e";
  c.font = "12px system-ui, sans-serif";
  c.fillStyle = ink;
  c.strokeStyle = dark ? "#2b3540" : "#e3e8ed";
  c.textAlign = "center";
  for (let v = Math.ceil(x0 / 5) * 5; v <= x1; v += 5) segment(c, X(v), box.top, X(v), box.bottom), c.fillText(`${v}`.replace("-", "−"), X(v), box.bottom + 16);
  c.textAlign = "right";
  for (let v = Math.ceil(y0 / 40) * 40; v <= y1; v += 40) segment(c, box.left, Y(v), box.right, Y(v)), c.fillText(`${v}`.replace("-", "−"), box.left - 6, Y(v) + 4);
  c.textAlign = "center";
  c.fillText("δ¹⁸O [‰ VSMOW]", (box.left + box.right) / 2, height - 8);
  c.save();
  c.translate(12, (box.top + box.bottom) / 2);
  c.rotate(-Math.PI / 2);
  c.fillText("δ²H [‰ VSMOW]", 0, 0);
  c.restore();
  c.save();
  c.beginPath();
  c.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  c.clip();
  c.globalAlpha = 0.55;
  for (const one of points) {
    if (!shown.has(one.water)) continue;
    c.fillStyle = colourOf(one.water);
    c.beginPath();
    c.arc(X(one.d18O!), Y(one.d2H!), 2.4, 0, 7);
    c.fill();
  }
  c.globalAlpha = 1;
  c.strokeStyle = ink;
  c.lineWidth = 1.6;
  const line = value.meteoric[0];
  if (line) segment(c, X(x0), Y(line.slope * x0 + line.intercept), X(x1), Y(line.slope * x1 + line.intercept));
  c.setLineDash([6, 4]);
  c.strokeStyle = colourOf("soil");
  for (const one of value.lines.filter((l) => l.grouping === "all" && l.status === "ok")) segment(c, X(x0), Y(one.slope * x0 + one.intercept), X(x1), Y(one.slope * x1 + one.intercept));
  c.setLineDash([]);
  const corners = value.waters.filter((one) => one.water !== "soil" && one.water !== "river" && shown.has(one.water));
  c.strokeStyle = ink;
  c.lineWidth = 1.2;
  if (corners.length > 2) {
    c.beginPath();
    corners.forEach((one, k) => (k ? c.lineTo(X(one.d18O_mean), Y(one.d2H_mean)) : c.moveTo(X(one.d18O_mean), Y(one.d2H_mean))));
    c.closePath();
    c.stroke();
  }
  for (const one of corners) {
    c.beginPath();
    c.rect(X(one.d18O_mean) - 5, Y(one.d2H_mean) - 5, 10, 10);
    c.fillStyle = colourOf(one.water);
    c.fill();
    c.strokeStyle = dark ? "#0f151b" : "#fff";
    c.stroke();
    c.strokeStyle = ink;
  }
  c.restore();
}

function segment(c: CanvasRenderingContext2D, x: number, y: number, toX: number, toY: number) {
  c.beginPath();
  c.moveTo(x, y);
  c.lineTo(toX, toY);
  c.stroke();
}

function Fractions({ value }: { value: Sources }) {
  const house = useHouse();
  const word = useSay();
  const groupings = [...new Set(value.fractions.map((one) => one.grouping))];
  const chosen = groupings.includes(house.address.values.by ?? "") ? house.address.values.by! : (groupings.find((one) => one === "altitude_band") ?? groupings[0] ?? "");
  const periods = [...new Set(value.fractions.filter((one) => one.grouping === chosen).map((one) => one.period))];
  const period = periods.includes(house.address.values.period ?? "") ? house.address.values.period! : periods[0]!;
  const rows = value.fractions.filter((one) => one.grouping === chosen && one.period === period);
  const labels = [...new Set(rows.map((one) => one.label))];
  if (!value.fractions.length) return <p>{word("nothingHere")}</p>;
  return (
    <>
      <h2>{word("fractions")}</h2>
      <div class="row-of-labels">
        <label>{word("groupBy")} <select value={chosen} onChange={(e) => house.set({ by: e.currentTarget.value, period: null })}>{groupings.map((one) => <option key={one} value={one}>{sayValue(house.language, "by", one).replace(/^by_/, "")}</option>)}</select></label>
        {periods.length > 1 && <label>{word("periodWord")} <select value={period} onChange={(e) => house.set({ period: e.currentTarget.value })}>{periods.map((one) => <option key={one} value={one}>{one}</option>)}</select></label>}
      </div>
      <div class="wide-table" tabIndex={0} role="group">
        <table class="fractions">
          <caption>{word("interval")}</caption>
          <thead><tr><th scope="col">{word("group")}</th>{[...new Set(rows.map((r) => r.source))].map((s) => <th key={s} scope="col"><span class="swatch round" ref={(e) => e?.style.setProperty("--swatch", colourOf(s))} /> {pick(house.language, value.words[s] ?? [s, s])}</th>)}<th scope="col" class="number">n</th></tr></thead>
          <tbody>
            {labels.map((label) => {
              const own = rows.filter((one) => one.label === label);
              return (
                <tr key={label}>
                  <th scope="row">{label}</th>
                  {own.map((one) => <td key={one.source}><Whisker one={one} /><b>{Math.round(one.median * 100)}</b> <small>{Math.round(one.low * 100)}–{Math.round(one.high * 100)} %</small></td>)}
                  <td class="number">{own[0]!.n}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Whisker({ one }: { one: Fraction }) {
  const at = (v: number) => 2 + 96 * Math.min(1, Math.max(0, v));
  return (
    <svg class="whisker" viewBox="0 0 100 12" aria-hidden="true" preserveAspectRatio="none">
      <line x1="2" x2="98" y1="6" y2="6" class="track" />
      <line x1={at(one.low)} x2={at(one.high)} y1="6" y2="6" stroke={colourOf(one.source)} stroke-width="4" />
      <line x1={at(one.median)} x2={at(one.median)} y1="0" y2="12" class="middle" />
    </svg>
  );
}
