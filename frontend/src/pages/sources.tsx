// Where the water came from: the samples in their plane, the lines, and fractions by group.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { StudyCard } from "../api";
import { colourOfWater } from "../palette";
import { NoStudies, Shown, useAsk, useHouse, useSay } from "../parts/ui";
import { monthWord, number, pick, sayValue } from "../words";

interface Sample { sample_id: string; water: string; month: string; d18O: number | null; d2H: number | null; elevation: number | null; altitude_band: string | null; vegetation: string | null; aspect_sector: string | null; layer: string | null }
interface WaterLine { grouping: string; label: string; period: string; slope: number; intercept: number; n: number; status: string }
interface Fraction { grouping: string; label: string; period: string; source: string; median: number; low: number; high: number; n: number }
interface Sources {
  n: number;
  samples: Sample[];
  meteoric: WaterLine[];
  lines: WaterLine[];
  waters: { water: string; group: string; n: number; d18O_mean: number; d2H_mean: number }[];
  fractions: Fraction[];
  findings: { sample_id: string; rule: string; severity: string; column: string; reason: string }[];
  verdicts: { label: string; period: string; verdict: string; reason: string }[];
  words: Record<string, [string, string]>;
}
const colourOf = colourOfWater;

export function SourcesPage() {
  const house = useHouse();
  const word = useSay();
  const studies = useAsk<StudyCard[]>("/api/studies");
  return (
    <Shown of={studies}>
      {(list) => {
        const id = list.find((one) => one.id === house.address.values.study)?.id ?? list.find((one) => one.isotopes)?.id ?? list[0]?.id;
        if (!id) return <NoStudies title="sources" />;
        const here = list.find((one) => one.id === id);
        const without = here?.isotopes === false;
        const never = without && !here.finished?.length;
        return (
          <>
            <header class="bar">
              <h1>{word("sources")}</h1>
              {list.length > 1 && (
                <label>{word("study")} <select value={id} onChange={(e) => house.set({ study: e.currentTarget.value })}>{list.map((one) => <option key={one.id} value={one.id}>{one.name}</option>)}</select></label>
              )}
            </header>
            {never ? <section class="empty"><p>{word("neverRun")}</p><pre>headwater run study.toml</pre></section> : without ? <section class="empty"><p>{word("noIsotopes")}</p><pre>[samples]{"\n"}path = "samples.csv"</pre></section> : <OfStudy key={id} id={id} />}
          </>
        );
      }}
    </Shown>
  );
}

/** Samples that are looked at in the plane, the table and the list at once. */
interface Picked { ids: Set<string>; name: string }

/** The soil samples that a row of the fractions rests on. */
export function samplesOf(samples: Sample[], grouping: string, label: string, period: string): Set<string> {
  const field = (one: Sample): string | null => (grouping === "all" ? label : ((one as unknown as Record<string, string | null>)[grouping] ?? null));
  const own = samples.filter((one) => one.water === "soil" && field(one) === label && (period === "all" || one.month === period));
  return new Set(own.map((one) => one.sample_id));
}

const mean = (values: (number | null)[]): number | null => {
  const known = values.filter((v): v is number => v !== null);
  return known.length ? known.reduce((sum, v) => sum + v, 0) / known.length : null;
};

function Selection({ value, picked, onClear }: { value: Sources; picked: Picked; onClear: () => void }) {
  const house = useHouse();
  const word = useSay();
  const own = value.samples.filter((one) => picked.ids.has(one.sample_id));
  const waters = [...new Set(own.map((one) => one.water))];
  const show = (v: number | null) => (v === null ? "–" : v.toFixed(1).replace("-", "−"));
  return (
    <section class="selection" aria-live="polite">
      <header class="bar"><h2>{own.length} {word("samples")} {word("selected")} <small>{picked.name}</small></h2><button class="plain" onClick={onClear}>{word("clearSelection")}</button></header>
      <div class="wide-table" tabIndex={0} role="group" aria-label={word("selected")}>
        <table>
          <thead><tr><th scope="col">{word("samples")}</th><th scope="col" class="number">n</th><th scope="col" class="number">δ¹⁸O [‰]</th><th scope="col" class="number">δ²H [‰]</th><th scope="col">{word("elevationRange")}</th></tr></thead>
          <tbody>
            {waters.map((water) => {
              const part = own.filter((one) => one.water === water);
              const heights = part.map((one) => one.elevation).filter((v): v is number => v !== null);
              return (
                <tr key={water}>
                  <th scope="row"><span class="swatch round" ref={(e) => e?.style.setProperty("--swatch", colourOf(water))} /> {pick(house.language, value.words[water] ?? [water, water])}</th>
                  <td class="number">{part.length}</td>
                  <td class="number">{show(mean(part.map((one) => one.d18O)))}</td>
                  <td class="number">{show(mean(part.map((one) => one.d2H)))}</td>
                  <td>{heights.length ? `${number(house.language, Math.min(...heights), 4)}–${number(house.language, Math.max(...heights), 4)} m` : "–"}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Findings({ value }: { value: Sources }) {
  const word = useSay();
  if (!value.findings.length) return null;
  return (
    <details class="fold">
      <summary>{word("findings")} ({value.findings.length})</summary>
      <ul>{value.findings.slice(0, 100).map((one) => <li key={`${one.sample_id}${one.column}${one.rule}`}><strong>{one.sample_id}</strong> {one.column}: {one.reason}</li>)}</ul>
    </details>
  );
}

function OfStudy({ id }: { id: string }) {
  const found = useAsk<Sources>(`/api/studies/${id}/sources`);
  const word = useSay();
  const [picked, setPicked] = useState<Picked | null>(null);
  return (
    <Shown of={found}>
      {(value) => (
        <div class="two">
          <section>
            <h2>{word("biplot")} <small>{value.n} {word("samples")}</small></h2>
            <Biplot value={value} picked={picked} onPick={setPicked} />
            <p class="links"><a href={`/api/studies/${id}/sources/samples.csv`} download>{word("csv")}</a></p>
          </section>
          <section>
            <Fractions value={value} picked={picked} onPick={setPicked} />
            <p class="links"><a href={`/api/studies/${id}/sources/fractions.csv`} download>{word("csv")}</a></p>
            {picked && <Selection value={value} picked={picked} onClear={() => setPicked(null)} />}
            <Findings value={value} />
          </section>
        </div>
      )}
    </Shown>
  );
}

function Biplot({ value, picked, onPick }: { value: Sources; picked: Picked | null; onPick: (picked: Picked | null) => void }) {
  const house = useHouse();
  const word = useSay();
  const canvas = useRef<HTMLCanvasElement>(null);
  const waters = useMemo(() => [...new Set(value.samples.map((one) => one.water))], [value]);
  const [shown, setShown] = useState<Set<string>>(() => new Set(waters));
  const [width, setWidth] = useState(0);
  const [box, setBox] = useState<[number, number, number, number] | null>(null);
  useEffect(() => {
    const seen = new ResizeObserver(([entry]) => setWidth(Math.round(entry!.contentRect.width)));
    seen.observe(canvas.current!.parentElement!);
    return () => seen.disconnect();
  }, []);
  useEffect(() => {
    if (width) paint(canvas.current!, width, value, shown, house.dark, picked?.ids ?? null, box);
  }, [value, shown, width, house.dark, picked, box]);
  const place = (event: PointerEvent): [number, number] => {
    const home = canvas.current!.getBoundingClientRect();
    return [event.clientX - home.left, event.clientY - home.top];
  };
  const start = (event: PointerEvent) => {
    canvas.current!.setPointerCapture(event.pointerId);
    const at = place(event);
    setBox([...at, ...at]);
  };
  const move = (event: PointerEvent) => box && setBox([box[0], box[1], ...place(event)]);
  const end = () => {
    if (!box) return;
    setBox(null);
    const [left, right] = [Math.min(box[0], box[2]), Math.max(box[0], box[2])];
    const [top, bottom] = [Math.min(box[1], box[3]), Math.max(box[1], box[3])];
    if (right - left < 4 && bottom - top < 4) return onPick(null);
    const { X, Y } = axesOf(value, width);
    const inside = value.samples.filter((one) => {
      if (one.d18O === null || one.d2H === null || !shown.has(one.water)) return false;
      const [x, y] = [X(one.d18O), Y(one.d2H)];
      return x >= left && x <= right && y >= top && y <= bottom;
    });
    onPick(inside.length ? { ids: new Set(inside.map((one) => one.sample_id)), name: "" } : null);
  };
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
      <div class="canvas-chart brush"><canvas ref={canvas} role="img" aria-label={word("biplot")} onPointerDown={start} onPointerMove={move} onPointerUp={end} onPointerCancel={() => setBox(null)} /></div>
      <p class="note">{word("dragToSelect")}</p>
      <ul class="plain-list lines">
        {line && <li><span class="stroke solid" /> {word("lmwl")}: δ²H = {line.slope.toFixed(2)} δ¹⁸O {line.intercept < 0 ? "−" : "+"} {Math.abs(line.intercept).toFixed(1)} (n = {line.n})</li>}
        {evaporation.map((one) => (
          <li key={one.period}><span class="stroke dashed" /> {word("lel")}{one.period && `, ${monthWord(house.language, one.period)}`}: {one.slope.toFixed(2)} δ¹⁸O {one.intercept < 0 ? "−" : "+"} {Math.abs(one.intercept).toFixed(1)} (n = {one.n})</li>
        ))}
        <li><span class="stroke poly" /> {word("polygonSources")}</li>
      </ul>
    </>
  );
}

/** Where values lie on the plane. */
function axesOf(value: Sources, width: number) {
  const height = Math.min(460, Math.max(300, width * 0.72));
  const points = value.samples.filter((one) => one.d18O !== null && one.d2H !== null);
  const xs = points.map((one) => one.d18O!);
  const ys = points.map((one) => one.d2H!);
  const box = { left: 54, right: width - 12, top: 12, bottom: height - 44 };
  const [x0, x1] = [Math.floor(Math.min(...xs)) - 1, Math.ceil(Math.max(...xs)) + 1];
  const [y0, y1] = [Math.floor(Math.min(...ys) / 10) * 10 - 10, Math.ceil(Math.max(...ys) / 10) * 10 + 10];
  const X = (v: number) => box.left + ((v - x0) / (x1 - x0)) * (box.right - box.left);
  const Y = (v: number) => box.bottom - ((v - y0) / (y1 - y0)) * (box.bottom - box.top);
  return { height, points, box, x0, x1, y0, y1, X, Y };
}

function paint(canvas: HTMLCanvasElement, width: number, value: Sources, shown: Set<string>, dark: boolean, picked: Set<string> | null, brush: [number, number, number, number] | null) {
  const { height, points, box, x0, x1, y0, y1, X, Y } = axesOf(value, width);
  const ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.height = `${height}px`;
  const c = canvas.getContext("2d")!;
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
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
  // what is selected comes last, so that it lies on top
  const ordered = picked ? [...points].sort((a, b) => Number(picked.has(a.sample_id)) - Number(picked.has(b.sample_id))) : points;
  for (const one of ordered) {
    if (!shown.has(one.water)) continue;
    const chosen = picked?.has(one.sample_id) ?? false;
    c.globalAlpha = chosen ? 0.95 : picked ? 0.13 : 0.55;
    c.fillStyle = colourOf(one.water);
    c.beginPath();
    c.arc(X(one.d18O!), Y(one.d2H!), chosen ? 3.4 : 2.4, 0, 7);
    c.fill();
    if (chosen && picked!.size < 400) {
      c.strokeStyle = ink;
      c.lineWidth = 0.7;
      c.stroke();
    }
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
  const corners = value.waters.filter((one) => isSource(value, one.water) && shown.has(one.water));
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
  if (brush) {
    c.strokeStyle = ink;
    c.setLineDash([4, 3]);
    c.strokeRect(brush[0], brush[1], brush[2] - brush[0], brush[3] - brush[1]);
    c.setLineDash([]);
  }
}

/** Whether the mixing took this water for a source; without a mixing, all but soil and rivers. */
function isSource(value: Sources, water: string): boolean {
  const named = new Set(value.fractions.map((one) => one.source.replaceAll(" ", "_")));
  return named.size ? named.has(water.replaceAll(" ", "_")) : water !== "soil" && water !== "river";
}

function segment(c: CanvasRenderingContext2D, x: number, y: number, toX: number, toY: number) {
  c.beginPath();
  c.moveTo(x, y);
  c.lineTo(toX, toY);
  c.stroke();
}

function Fractions({ value, picked, onPick }: { value: Sources; picked: Picked | null; onPick: (picked: Picked | null) => void }) {
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
        {periods.length > 1 && <label>{word("periodWord")} <select value={period} onChange={(e) => house.set({ period: e.currentTarget.value })}>{periods.map((one) => <option key={one} value={one}>{monthWord(house.language, one)}</option>)}</select></label>}
      </div>
      <div class="wide-table" tabIndex={0} role="group">
        <table class="fractions">
          <caption>{word("interval")}</caption>
          <thead><tr><th scope="col">{word("group")}</th>{[...new Set(rows.map((r) => r.source))].map((s) => <th key={s} scope="col"><span class="swatch round" ref={(e) => e?.style.setProperty("--swatch", colourOf(s))} /> {pick(house.language, value.words[s] ?? [s, s])}</th>)}<th scope="col" class="number">n</th></tr></thead>
          <tbody>
            {labels.map((label) => {
              const own = rows.filter((one) => one.label === label);
              return (
                <tr key={label} class={picked?.name === `${label}, ${period}` ? "picked" : ""}>
                  <th scope="row"><button class="plain link" aria-pressed={picked?.name === `${label}, ${period}`} onClick={() => onPick(picked?.name === `${label}, ${period}` ? null : { ids: samplesOf(value.samples, chosen, label, period), name: `${label}, ${period}` })}>{label === "all" ? word("all") : label}</button></th>
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
