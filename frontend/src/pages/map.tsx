// The map: layers in time, the place that is looked at, and what is known of it.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { block, bytes, Refusal, type Alert, type Grid, type LayerDetail, type LayerEntry, type Station, type Study, type StudyCard } from "../api";
import { colourOfWater, lookup, readByte, swatches, WATERS, type Swatch } from "../palette";
import { colour, draw, shade, type Mark, type Scene } from "../parts/draw";
import { PlacePanel } from "../parts/place";
import { RunBar } from "../parts/run";
import { NoStudies, Problem, Shown, useAsk, useHouse, useSay } from "../parts/ui";
import { follow, scaleBar, toCell, wholeArea, zoomAt, type Frame, type View } from "../parts/view";
import { readCorners, writeCorners, type Corners } from "../state";
import { date, degrees, monthWord, number, pick, sayValue, unit, type Language } from "../words";

export function MapPage() {
  const house = useHouse();
  const studies = useAsk<StudyCard[]>("/api/studies", house.studies);
  return (
    <Shown of={studies}>
      {(list) => {
        const usable = list.filter((one) => (one.layers ?? 0) > 0);
        const id = usable.find((one) => one.id === house.address.values.study)?.id ?? usable[0]?.id;
        const coming = list.find((one) => !one.problem);
        if (!id && coming) return <Coming one={coming} />;
        if (!id)
          return (
            <NoStudies title="map">
              {list.filter((one) => one.problem).map((one) => <p key={one.id}>{one.problem}</p>)}
            </NoStudies>
          );
        return <OneStudy key={id} id={id} list={usable} />;
      }}
    </Shown>
  );
}

/** A study without a map yet. */
function Coming({ one }: { one: StudyCard }) {
  const word = useSay();
  return (
    <section class="empty">
      <h1>{one.name}</h1>
      <RunBar one={one} />
      {!one.may_run && !one.running?.length && !one.finished?.length && <><p>{word("neverRun")}</p><pre>headwater run study.toml</pre></>}
      <p><a href="#/stations">{word("stations")}</a> · <a href="#/alerts">{word("alerts")}</a></p>
    </section>
  );
}

function OneStudy({ id, list }: { id: string; list: StudyCard[] }) {
  const study = useAsk<Study>(`/api/studies/${id}`, list.find((one) => one.id === id)?.fingerprint);
  return <Shown of={study}>{(value) => <MapOf study={value} list={list} />}</Shown>;
}

interface Shot {
  entry: LayerEntry;
  detail: LayerDetail;
  list: Swatch[];
  table: Uint32Array;
}

function useLayer(study: Study, id: string | undefined): { shot: Shot | null; error: Refusal | null } {
  const entry = study.layers.find((one) => one.id === id);
  const detail = useAsk<LayerDetail>(entry ? `/api/studies/${study.id}/layers/${entry.id}` : null);
  const shot = useMemo(() => {
    if (!entry || detail.value?.id !== entry.id) return null;
    const list = swatches(entry.id, detail.value);
    return { entry, detail: detail.value, list, table: lookup(list, detail.value.nodata) };
  }, [entry, detail.value]);
  return { shot, error: detail.error };
}

/** Bytes of the map of a day, and of what is significant; the last ones until new ones have come. */
function useBytes(study: Study, shot: Shot | null, day: string | undefined) {
  const [held, setHeld] = useState<{ id: string; map: Uint8Array; mask: Uint8Array | null } | null>(null);
  const [error, setError] = useState<Refusal | null>(null);
  const size = study.grid!.rows * study.grid!.columns;
  const times = shot?.detail.times ?? null;
  const index = times && day ? Math.max(0, times.indexOf(day)) : times ? times.length - 1 : 0;
  useEffect(() => {
    if (!shot) return setHeld(null);
    let stopped = false;
    const number = times ? Math.floor(index / shot.detail.block) : 0;
    void block(study.id, shot.entry, number, size)
      .then((all) => {
        if (stopped) return;
        const at = times ? index - number * shot.detail.block : 0;
        const mask = shot.entry.mask ? all.subarray(size, 2 * size) : null;
        setError(null);
        setHeld({ id: shot.entry.id, map: all.subarray(at * size, (at + 1) * size), mask });
        const next = (number + 1) * shot.detail.block;
        if (times && next < times.length) void block(study.id, shot.entry, number + 1, size).catch(() => undefined);
      })
      .catch((reason: unknown) => {
        if (!stopped) setError(reason instanceof Refusal ? reason : new Refusal(0, String(reason)));
      });
    return () => {
      stopped = true;
    };
  }, [shot, index, study.id]);
  return { bytes: held && shot && held.id === shot.entry.id ? held : null, error: shot ? error : null };
}

function MapOf({ study, list }: { study: Study; list: StudyCard[] }) {
  const house = useHouse();
  const word = useSay();
  const { values } = house.address;
  const { shot: first, error: firstError } = useLayer(study, study.layers.some((one) => one.id === values.layer) ? values.layer : study.layers[0]?.id);
  const { shot: second, error: secondError } = useLayer(study, values.b);
  const timed = first?.detail.times ? first : second?.detail.times ? second : null;
  const times = timed?.detail.times ?? null;
  const day = times ? (values.t && times.includes(values.t) ? values.t : times.at(-1)) : undefined;
  const { bytes: a, error: aError } = useBytes(study, first, day);
  const { bytes: b, error: bError } = useBytes(study, second, day);
  const error = firstError ?? aError ?? secondError ?? bError;
  const place = readCorners(values.at);
  return (
    <div class="map-page">
      <aside class="side" aria-label={word("layers")}>
        <LayerChoice study={study} list={list} first={first?.entry.id} second={second?.entry.id} />
        {first && <LegendOf shot={first} title={second ? "A" : ""} />}
        {second && <LegendOf shot={second} title="B" />}
        <Numbers grid={study.grid!} />
      </aside>
      <div class="stage">
        {error && error.status !== 0 && <div class="over-map"><Problem error={error} /></div>}
        <Board study={study} first={first} second={second} a={a} b={b} day={day} />
        {times && day && <TimeBar times={times} day={day} language={house.language} />}
      </div>
      <PlacePanel study={study} place={place} layer={timed?.entry ?? null} day={day} />
    </div>
  );
}

function LayerChoice({ study, list, first, second }: { study: Study; list: StudyCard[]; first?: string; second?: string }) {
  const house = useHouse();
  const word = useSay();
  const { values } = house.address;
  const own = list.find((one) => one.id === study.id);
  const groups = Object.entries(study.groups).filter(([key]) => study.layers.some((one) => one.group === key));
  const options = groups.map(([key, names]) => (
    <optgroup key={key} label={pick(house.language, names)}>
      {study.layers.filter((one) => one.group === key).map((one) => (
        <option key={one.id} value={one.id}>{pick(house.language, one.title)}</option>
      ))}
    </optgroup>
  ));
  return (
    <section class="choices">
      {list.length > 1 && (
        <label>{word("study")}
          <select value={study.id} onChange={(e) => house.go("map", { study: e.currentTarget.value })}>
            {list.map((one) => <option key={one.id} value={one.id}>{one.name}</option>)}
          </select>
        </label>
      )}
      <h1 class="study-name">{study.name}</h1>
      {own?.running?.[0] && <p class="note coming" role="status"><span class="spin" aria-hidden="true" /> {word("runningNow")}: {sayValue(house.language, "step", own.running[0])}</p>}
      <label>{word("layer")}
        <select value={first} onChange={(e) => house.set({ layer: e.currentTarget.value })}>{options}</select>
      </label>
      <label>{word("compareWith")}
        <select value={second ?? ""} onChange={(e) => house.set({ b: e.currentTarget.value || null })}>
          <option value="">{word("none")}</option>
          {options}
        </select>
      </label>
      {second && (
        <label>{word("swipe")}
          <input type="range" min="0" max="100" value={values.swipe ?? "50"} onInput={(e) => house.set({ swipe: e.currentTarget.value })} />
        </label>
      )}
      <label>{word("opacity")}
        <input type="range" min="10" max="100" step="5" value={values.o ?? "90"} onInput={(e) => house.set({ o: e.currentTarget.value })} />
      </label>
      <label class="check"><input type="checkbox" checked={values.stations !== "0"} onChange={(e) => house.set({ stations: e.currentTarget.checked ? null : "0" })} /> {word("showStations")}</label>
      {study.finished?.includes("restoration") && <label class="check"><input type="checkbox" checked={values.plan === "1"} onChange={(e) => house.set({ plan: e.currentTarget.checked ? "1" : null })} /> {word("showPlan")}</label>}
      {study.isotopes && <PieChoice study={study} />}
    </section>
  );
}

function PieChoice({ study }: { study: Study }) {
  const house = useHouse();
  const word = useSay();
  const period = house.address.values.pies;
  const { groupings, by, periods, chosen, sources } = usePies(study, period, house.address.values.by);
  return (
    <>
      <label class="check"><input type="checkbox" checked={Boolean(period)} onChange={(e) => house.set({ pies: e.currentTarget.checked ? "1" : null })} /> {word("showPies")}</label>
      {period && periods.length > 0 && (
        <div class="pie-choice">
          {groupings.length > 1 && (
            <div class="segments small" role="group" aria-label={word("group")}>
              {groupings.map((one) => <button key={one} aria-pressed={one === by} onClick={() => house.set({ by: one })}>{sayValue(house.language, "by", one)}</button>)}
            </div>
          )}
          <div class="segments small" role="group" aria-label={word("periodWord")}>
            {periods.map((one) => <button key={one} aria-pressed={one === chosen} onClick={() => house.set({ pies: one })}>{monthWord(house.language, one)}</button>)}
          </div>
          <ul class="work-key">{sources.map((name) => <li key={name}><span class="swatch round" ref={(e) => e?.style.setProperty("--swatch", colourOfWater(name))} /> {pick(house.language, WATERS[name.replaceAll(" ", "_")] ?? [name, name])}</li>)}</ul>
        </div>
      )}
    </>
  );
}

function LegendOf({ shot, title }: { shot: Shot; title: string }) {
  const { language } = useHouse();
  const word = useSay();
  const { entry, list, detail } = shot;
  const plain = detail.classes.length > 0 || entry.kind === "percentile";
  return (
    <section class="legend" aria-label={`${word("legend")} ${title}`}>
      <h2>{title && <span class="letter">{title}</span>} {pick(language, entry.title)} {unit(entry.units) && <small>[{unit(entry.units)}]</small>}</h2>
      <ul>
        {(plain ? list : [...list].reverse()).map((one, k, all) => (
          <li key={one.label[0]}>
            <span class="swatch" ref={(e) => e?.style.setProperty("--swatch", one.colour)} />
            {!plain && k === 0 ? `> ${one.label[0].split(" – ")[0]}` : !plain && k === all.length - 1 ? `< ${one.label[0].split(" – ")[1]}` : pick(language, one.label)}
          </li>
        ))}
        <li><span class="swatch blank" />{word("kind_nodata")}</li>
      </ul>
      {entry.mask && <p class="note">{word("paleNotSignificant")}</p>}
      {entry.notes.length > 0 && (
        <details><summary>{word("cautions")}</summary><ul class="notes">{entry.notes.map((one) => <li key={one}>{one}</li>)}</ul></details>
      )}
    </section>
  );
}

/** The twin of clicking and drawing: cells by their numbers. */
function Numbers({ grid }: { grid: Grid }) {
  const house = useHouse();
  const word = useSay();
  const choose = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const [r, c, toR, toC] = ["r", "c", "tr", "tc"].map((key) => Number(form.get(key)) - 1) as [number, number, number, number];
    const one: Corners = [[c + 0.5, r + 0.5]];
    const area: Corners = [[c, r], [toC + 1, r], [toC + 1, toR + 1], [c, toR + 1]];
    const alone = !form.get("tr") || !form.get("tc") || (toR === r && toC === c);
    house.set({ at: writeCorners(alone ? one : area) });
  };
  const field = (name: string, text: string, most: number, needed: boolean) => (
    <label>{text}<input name={name} type="number" min="1" max={most} required={needed} /></label>
  );
  return (
    <details class="numbers">
      <summary>{word("chooseByNumbers")}</summary>
      <form onSubmit={choose}>
        {field("r", word("row"), grid.rows, true)}
        {field("c", word("column"), grid.columns, true)}
        {field("tr", `${word("to")} ${word("row")}`, grid.rows, false)}
        {field("tc", `${word("to")} ${word("column")}`, grid.columns, false)}
        <button>{word("show")}</button>
      </form>
    </details>
  );
}

function TimeBar({ times, day, language }: { times: string[]; day: string; language: Language }) {
  const house = useHouse();
  const word = useSay();
  const [playing, setPlaying] = useState(false);
  const at = times.indexOf(day);
  const now = useRef(at);
  now.current = at;
  const step = (to: number) => house.set({ t: times[Math.min(Math.max(to, 0), times.length - 1)]! });
  useEffect(() => {
    if (!playing) return;
    const timer = setInterval(() => {
      if (now.current >= times.length - 1) setPlaying(false);
      else step(now.current + 1);
    }, 90);
    return () => clearInterval(timer);
  }, [playing, times]);
  const start = () => {
    if (!playing && at >= times.length - 1) step(0);
    setPlaying(!playing);
  };
  return (
    <div class="time-bar">
      <button class="play" onClick={start} aria-label={word(playing ? "pause" : "play")} aria-pressed={playing}>{playing ? "❚❚" : "▶"}</button>
      <button class="plain" onClick={() => step(at - 1)} aria-label={word("earlier")}>‹</button>
      <input type="range" min="0" max={times.length - 1} value={at} aria-label={word("day")} aria-valuetext={date(language, day)} onInput={(e) => step(Number(e.currentTarget.value))} />
      <button class="plain" onClick={() => step(at + 1)} aria-label={word("later")}>›</button>
      <output class="day">{date(language, day)}</output>
    </div>
  );
}

interface BoardProps {
  study: Study;
  first: Shot | null;
  second: Shot | null;
  a: { map: Uint8Array; mask: Uint8Array | null } | null;
  b: { map: Uint8Array; mask: Uint8Array | null } | null;
  day: string | undefined;
}

function useMarks(study: Study): Mark[] {
  const house = useHouse();
  const stations = useAsk<Station[]>(`/api/stations?study=${study.id}`, house.pulse);
  const alerts = useAsk<Alert[]>("/api/alerts?resolved=false", house.pulse);
  return useMemo(() => {
    const ringing = new Set((alerts.value ?? []).map((one) => one.station));
    return (stations.value ?? [])
      .filter((one) => one.column !== undefined)
      .map((one) => ({ column: one.column!, row: one.row!, name: one.name, kind: ringing.has(one.name) ? "alert" : one.health }));
  }, [stations.value, alerts.value]);
}

interface PlanOutlines { lines: { name: string; state: string; rings: [number, number][][] }[] }

/** Outlines of the units of the study's plan, where it has one. */
function useRings(study: Study, shown: boolean): Scene["rings"] {
  const plans = useAsk<{ id: string }[]>(shown ? "/api/plans" : null);
  const own = plans.value?.some((one) => one.id === study.id);
  const plan = useAsk<PlanOutlines>(own ? `/api/plans/${study.id}` : null);
  return useMemo(
    () => (shown ? (plan.value?.lines ?? []).flatMap((one) => one.rings.map((ring) => ({ ring, state: one.state, name: one.name }))) : []),
    [plan.value, shown],
  );
}

interface Pie { by: string; label: string; column: number; row: number; of: { period: string; source: string; median: number }[] }
interface Pies { pies: Scene["pies"]; groupings: string[]; by?: string; periods: string[]; chosen?: string; sources: string[] }

/** Pies of the sources of soil water, one for each altitude band or station, in the period asked for. */
function usePies(study: Study, period: string | undefined, by: string | undefined): Pies {
  const all = useAsk<Pie[]>(period && study.isotopes ? `/api/studies/${study.id}/sources/pies` : null);
  return useMemo(() => {
    const known = period ? (all.value ?? []) : [];
    const groupings = [...new Set(known.map((pie) => pie.by))];
    const own = groupings.includes(by ?? "") ? by : groupings[0];
    const found = known.filter((pie) => pie.by === own);
    const periods = [...new Set(found.flatMap((pie) => pie.of.map((one) => one.period)))];
    const chosen = periods.includes(period ?? "") ? period : periods[0];
    const pies = found.map((pie) => ({
      ...pie,
      parts: pie.of.filter((one) => one.period === chosen).map((one) => ({ share: one.median, colour: colourOfWater(one.source) })),
    }));
    return { pies: pies.filter((pie) => pie.parts.length > 0), groupings, by: own, periods, chosen, sources: [...new Set(found.flatMap((pie) => pie.of.map((one) => one.source)))] };
  }, [all.value, period, by]);
}

function Board({ study, first, second, a, b, day }: BoardProps) {
  const house = useHouse();
  const word = useSay();
  const grid = study.grid!;
  const { values } = house.address;
  const canvas = useRef<HTMLCanvasElement>(null);
  const sheets = useRef({ a: document.createElement("canvas"), b: document.createElement("canvas"), relief: document.createElement("canvas") });
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [view, setView] = useState<View | null>(null);
  const [relief, setRelief] = useState(false);
  const [cursor, setCursor] = useState<[number, number] | null>(null);
  const [hover, setHover] = useState<[number, number] | null>(null);
  const [sketch, setSketch] = useState<[number, number][] | null>(null);
  const marks = useMarks(study);
  const rings = useRings(study, values.plan === "1");
  const { pies } = usePies(study, values.pies, values.by);
  const frame: Frame = { columns: grid.columns, rows: grid.rows, stretch: grid.stretch, ...size };
  const at = view ?? wholeArea(frame);

  useEffect(() => {
    const seen = new ResizeObserver(([entry]) => {
      const box = entry!.contentRect;
      setSize({ width: Math.round(box.width), height: Math.round(box.height) });
    });
    seen.observe(canvas.current!.parentElement!);
    return () => seen.disconnect();
  }, []);
  useEffect(() => {
    void bytes(`/api/studies/${study.id}/relief`)
      .then((found) => {
        shade(sheets.current.relief, found);
        setRelief(true);
      })
      .catch(() => undefined);
  }, [study.id, study.fingerprint]);

  useEffect(() => {
    if (!size.width) return;
    const started = performance.now();
    if (a && first) colour(sheets.current.a, grid.columns, grid.rows, { bytes: a.map, mask: a.mask, table: first.table });
    if (b && second) colour(sheets.current.b, grid.columns, grid.rows, { bytes: b.map, mask: b.mask, table: second.table });
    const style = getComputedStyle(document.documentElement);
    const ink = (name: string) => style.getPropertyValue(name).trim();
    const scene: Scene = {
      view: at,
      frame,
      relief: relief ? sheets.current.relief : null,
      first: a && first ? sheets.current.a : null,
      second: b && second ? sheets.current.b : null,
      divide: Number(values.swipe ?? 50) / 100,
      opacity: Number(values.o ?? 90) / 100,
      light: house.dark ? 0.45 : 0.55,
      outline: grid.outline,
      marks: values.stations === "0" ? [] : marks,
      rings,
      pies,
      place: readCorners(values.at),
      cursor,
      sketch: sketch ?? [],
      ink: { line: ink("--ink"), halo: ink("--halo"), accent: ink("--accent") },
    };
    draw(canvas.current!, scene);
    canvas.current!.dataset.day = day ?? "";
    canvas.current!.dataset.drawn = String(performance.now() - started);
    if (scene.first) canvas.current!.dataset.painted ??= String(performance.now());
  }, [size, view, relief, a, b, first, second, values.swipe, values.o, values.at, values.stations, marks, rings, pies, cursor, sketch, house.dark, day]);

  const point = (event: MouseEvent): [number, number] => {
    const box = canvas.current!.getBoundingClientRect();
    return toCell(at, frame, event.clientX - box.left, event.clientY - box.top);
  };
  const inside = ([column, row]: [number, number]) => column >= 0 && row >= 0 && column < grid.columns && row < grid.rows;
  const open = (cell: [number, number]) => {
    if (inside(cell)) house.set({ at: writeCorners([[Math.floor(cell[0]) + 0.5, Math.floor(cell[1]) + 0.5]]) });
  };
  const finish = () => {
    if (sketch && sketch.length >= 3) house.set({ at: writeCorners(sketch) });
    setSketch(null);
  };
  const drag = useDrag(canvas, at, frame, setView, (event) => {
    const cell = point(event);
    if (sketch) setSketch([...sketch, cell]);
    else open(cell);
  });
  const keys = (event: KeyboardEvent) => {
    const moves: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    const start = cursor ?? [Math.floor(at.column) + 0.5, Math.floor(at.row) + 0.5];
    const far = event.shiftKey ? 10 : 1;
    if (move) {
      const next: [number, number] = [
        Math.min(Math.max(start[0] + far * move[0], 0.5), grid.columns - 0.5),
        Math.min(Math.max(start[1] + far * move[1], 0.5), grid.rows - 0.5),
      ];
      const to = cursor ? next : start;
      setCursor(to);
      setView(follow(at, frame, to));
    } else if (event.key === " " && sketch && cursor) setSketch([...sketch, cursor]);
    else if (event.key === "Enter") sketch ? finish() : cursor && open(cursor);
    else if (event.key === "+" || event.key === "=") setView(zoomAt(at, frame, 1.5, frame.width / 2, frame.height / 2));
    else if (event.key === "-") setView(zoomAt(at, frame, 1 / 1.5, frame.width / 2, frame.height / 2));
    else if (event.key === "Escape") setSketch(null), setCursor(null);
    else return;
    event.preventDefault();
  };
  const spoken = cursor ?? hover;
  const bar = size.width ? scaleBar(grid.km, at.zoom) : null;
  const zoom = (factor: number) => setView(zoomAt(at, frame, factor, frame.width / 2, frame.height / 2));
  return (
    <div class={`board${sketch ? " sketching" : ""}`}>
      <div class="canvas-home">
        <canvas ref={canvas} tabIndex={0} role="application" aria-label={word("mapLabel")} aria-describedby="readout" onKeyDown={keys} onDblClick={finish} onMouseMove={(e) => setHover(point(e))} onMouseLeave={() => setHover(null)} {...drag} />
      </div>
      {second && <><span class="corner left" aria-hidden="true">A</span><span class="corner right" aria-hidden="true">B</span></>}
      <div class="tools">
        <button onClick={() => zoom(1.5)} aria-label={word("zoomIn")}>+</button>
        <button onClick={() => zoom(1 / 1.5)} aria-label={word("zoomOut")}>−</button>
        <button onClick={() => setView(null)} aria-label={word("wholeArea")} title={word("wholeArea")}>⤢</button>
        <button class={sketch ? "on" : ""} onClick={() => setSketch(sketch ? null : [])} aria-pressed={sketch !== null} aria-label={word("drawArea")} title={word("drawArea")}>⬠</button>
      </div>
      {((first && !a) || (second && !b)) && <p class="hint" role="status">{word("loading")}</p>}
      {sketch && <p class="hint" role="status">{word("drawing")}</p>}
      <p id="readout" class="readout" aria-live={cursor ? "polite" : "off"}>
        {spoken && inside(spoken) ? readout(spoken, grid, house.language, word, [[first, a?.map], [second, b?.map]]) : ""}
      </p>
      {bar && <p class="scale" aria-hidden="true"><span ref={(e) => e?.style.setProperty("--bar", `${bar.pixels}px`)} />{bar.km} km</p>}
    </div>
  );
}

function readout(cell: [number, number], grid: Grid, language: Language, word: ReturnType<typeof useSay>, shown: [Shot | null, Uint8Array | undefined][]): string {
  const [column, row] = [Math.floor(cell[0]), Math.floor(cell[1])];
  const x = grid.x[0] + (column * (grid.x[1] - grid.x[0])) / Math.max(1, grid.columns - 1);
  const y = grid.y[0] + (row * (grid.y[1] - grid.y[0])) / Math.max(1, grid.rows - 1);
  const where = grid.geographic ? `${degrees(y, "N", "S")} ${degrees(x, "E", "W")}` : `${x.toFixed(0)}, ${y.toFixed(0)}`;
  const parts = shown.flatMap(([shot, map]) => {
    if (!shot || !map) return [];
    const code = map[row * grid.columns + column]!;
    const { value, edge } = readByte(code, shot.detail);
    const swatch = shot.list.find((one) => code >= one.from && code <= one.to);
    if (value === null) return [word("noValue")];
    if (shot.detail.classes.length) return [swatch ? pick(language, swatch.label) : ""];
    const text = `${edge ? `${word(edge)} ` : ""}${number(language, value)} ${unit(shot.entry.units)}`.trim();
    return [shot.entry.kind === "percentile" && swatch ? `${text}: ${pick(language, swatch.label).replace(/ ?[(（].*/, "")}` : text];
  });
  return `${parts.join(" | ")} · ${word("row")} ${row + 1}, ${word("column")} ${column + 1} · ${where}`;
}

/** Drag to move, wheel or two fingers to zoom, a press without moving to choose. */
function useDrag(canvas: { current: HTMLCanvasElement | null }, view: View, frame: Frame, setView: (view: View) => void, press: (event: PointerEvent) => void) {
  const held = useRef(new Map<number, [number, number]>());
  const moved = useRef(0);
  const live = useRef({ view, frame });
  live.current = { view, frame };
  useEffect(() => {
    const element = canvas.current!;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const box = element.getBoundingClientRect();
      setView(zoomAt(live.current.view, live.current.frame, Math.exp(-event.deltaY * 0.0015), event.clientX - box.left, event.clientY - box.top));
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, []);
  const gap = () => {
    const [p, q] = [...held.current.values()];
    return p && q ? Math.hypot(p[0] - q[0], p[1] - q[1]) : 0;
  };
  return {
    onPointerDown: (event: PointerEvent) => {
      held.current.set(event.pointerId, [event.clientX, event.clientY]);
      if (held.current.size === 1) moved.current = 0;
      try {
        canvas.current!.setPointerCapture(event.pointerId);
      } catch {
        /* the pointer is gone already */
      }
    },
    onPointerMove: (event: PointerEvent) => {
      const before = held.current.get(event.pointerId);
      if (!before) return;
      const wide = gap();
      const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
      held.current.set(event.pointerId, [event.clientX, event.clientY]);
      moved.current += Math.abs(dx) + Math.abs(dy);
      const { view: v, frame: f } = live.current;
      if (held.current.size === 2) {
        const box = canvas.current!.getBoundingClientRect();
        if (wide > 0) setView(zoomAt(v, f, gap() / wide, event.clientX - box.left, event.clientY - box.top));
      } else if (moved.current > 4) setView({ ...v, column: v.column - dx / v.zoom, row: v.row - dy / (v.zoom * f.stretch) });
    },
    onPointerUp: (event: PointerEvent) => {
      const alone = held.current.size === 1;
      if (held.current.delete(event.pointerId) && alone && moved.current <= 4 && event.button === 0) press(event);
    },
    onPointerCancel: (event: PointerEvent) => held.current.delete(event.pointerId),
  };
}
