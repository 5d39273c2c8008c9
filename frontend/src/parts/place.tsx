// What is known of the place that was chosen: its series, what is forecast, and what drives it.
import { useMemo, useState } from "preact/hooks";
import { Refusal, send, type Forecast, type LayerEntry, type Sentence, type SeriesAnswer, type Study } from "../api";
import { writeCorners, type Corners } from "../state";
import { date, degrees, number, pick, unit } from "../words";
import { Chart, type ChartProps } from "./chart";
import { may, Shown, useAsk, useHouse, useSay } from "./ui";

export const seconds = (iso: string): number => Date.parse(`${iso}T00:00:00Z`) / 1000;
const DAY = 86400;

/** Day of a year of 365 days, as the service counts it: 29 February is 28 February. */
export function dayOfYear(iso: string): number {
  const year = Number(iso.slice(0, 4));
  const day = Math.round((Date.parse(`${iso.slice(0, 10)}T00:00:00Z`) - Date.UTC(year, 0, 1)) / 86400000);
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return leap && day >= 59 ? day - 1 : day;
}

/** Spans of at least so many days in a row below what is usual. */
export function drySpells(times: number[], values: (number | null)[], low: (number | null)[], least = 10): [number, number][] {
  const spans: [number, number][] = [];
  let from = -1;
  for (let k = 0; k <= values.length; k++) {
    const [value, edge] = [values[k], low[k]];
    const dry = k < values.length && value != null && edge != null && value < edge;
    if (dry && from < 0) from = k;
    if (!dry && from >= 0) {
      if (times[k - 1]! - times[from]! >= (least - 1) * DAY) spans.push([times[from]!, times[k - 1]! + DAY]);
      from = -1;
    }
  }
  return spans;
}

export function PlacePanel({ study, place, layer, day }: { study: Study; place: Corners | null; layer: LayerEntry | null; day?: string }) {
  const house = useHouse();
  const word = useSay();
  const daily = layer && layer.kind !== "percentile" ? layer : study.layers.find((one) => one.id === "grids.soil_moisture" && one.cube);
  const at = place ? encodeURIComponent(writeCorners(place)) : "";
  const series = useAsk<SeriesAnswer>(place && daily ? `/api/studies/${study.id}/series?layer=${daily.id}&at=${at}` : null);
  const told = useAsk<Sentence[]>(place ? `/api/studies/${study.id}/explain?at=${at}${day ? `&date=${day}` : ""}` : null);
  if (!place)
    return <aside class="panel empty-panel" aria-label={word("place")}><p>{word("clickACell")}</p></aside>;
  return (
    <aside class="panel" aria-label={word("place")}>
      <header>
        <h2>{place.length === 1 ? `${word("cell")} ${Math.floor(place[0]![1]) + 1} / ${Math.floor(place[0]![0]) + 1}` : word("place")}</h2>
        <button class="plain" onClick={() => house.set({ at: null })} aria-label={word("close")}>✕</button>
      </header>
      {daily && (
        <Shown of={series}>
          {(value) => (
            <>
              <p class="note">
                {degrees(value.latitude, "N", "S")}, {degrees(value.longitude, "E", "W")}{value.elevation !== null && ` · ${number(house.language, value.elevation, 4)} m`}
                {value.cells > 1 && ` · ${value.cells} ${word("cells")}`}
              </p>
              <SeriesChart value={value} day={day} />
              <p class="links"><a href={`/api/studies/${study.id}/series?layer=${daily.id}&at=${at}&format=csv`} download>{word("seriesCsv")}</a></p>
              {value.forecast && daily.id === "grids.soil_moisture" && <ForecastChart found={value.forecast} csv={`/api/studies/${study.id}/forecast?at=${at}&format=csv`} />}
            </>
          )}
        </Shown>
      )}
      <h3>{word("explained")}</h3>
      <Shown of={told}>
        {(list) => (
          <ul class="sentences">
            {list.map((one) => (
              <li key={one.text[0]} class={one.kind}>{pick(house.language, one.text)} <small>{word("source")} {one.source}</small></li>
            ))}
          </ul>
        )}
      </Shown>
      {place.length > 2 && study.tables?.includes("restoration") && study.may_run && <MakeUnit study={study} place={place} />}
    </aside>
  );
}

const SPANS: [string, number][] = [["1", 365], ["3", 3 * 365], ["all", 0]];

function SeriesChart({ value, day }: { value: SeriesAnswer; day?: string }) {
  const house = useHouse();
  const word = useSay();
  const times = useMemo(() => value.times.map(seconds), [value]);
  const chosen = house.address.values.span ?? "1";
  const props: ChartProps = useMemo(() => {
    const days = value.times.map(dayOfYear);
    const faint = "rgba(0,0,0,0)";
    const usual = (which: "low" | "middle" | "high") => days.map((k) => value.usual[which][k] ?? null);
    const low = usual("low");
    return {
      times,
      lines: [
        { label: "p10", values: low, colour: faint, width: 0, hidden: true },
        { label: "p90", values: usual("high"), colour: faint, width: 0, hidden: true },
        { label: word("usualMiddle"), values: usual("middle"), colour: house.dark ? "#7fb2d1" : "#5b8fb0", dash: [5, 4], width: 1 },
        { label: pick(house.language, value.title), values: value.values, colour: house.dark ? "#ffd38a" : "#8a3b00" },
      ],
      bands: [{ upper: 2, lower: 1, colour: house.dark ? "rgba(110,170,210,.25)" : "rgba(40,120,170,.18)" }],
      unit: unit(value.units),
      label: `${pick(house.language, value.title)}; ${word("usualBand")}`,
      dark: house.dark,
      language: house.language,
      height: 240,
      shaded: drySpells(times, value.values, low),
      shade: house.dark ? "rgba(240,120,60,.28)" : "rgba(210,80,20,.18)",
    };
  }, [value, house.dark, house.language]);
  const length = SPANS.find(([name]) => name === chosen)?.[1] ?? 0;
  const [first, last] = [times[0]!, times.at(-1)!];
  const end = day ? Math.min(Math.max(seconds(day) + 30 * DAY, first + length * DAY), last) : last;
  const span: [number, number] = length ? [Math.max(first, end - length * DAY), end] : [first, last];
  return (
    <>
      <div class="segments small" role="group" aria-label={word("time")}>
        {SPANS.map(([name]) => <button key={name} aria-pressed={chosen === name} onClick={() => house.set({ span: name === "1" ? null : name })}>{name === "all" ? word("all") : `${name} ${word("years")}`}</button>)}
      </div>
      <Chart of={props} marker={day ? seconds(day) : null} span={span} />
      <p class="key"><span class="band" /> {word("usualBand")} · <span class="dry" /> {word("drySpell")}</p>
    </>
  );
}

/** The weather of other years, run on from the end of the record. */
function ForecastChart({ found, csv }: { found: Forecast; csv: string }) {
  const house = useHouse();
  const word = useSay();
  const [which, setWhich] = useState(Object.keys(found.of)[0]!);
  const one = found.of[which] ?? Object.values(found.of)[0]!;
  const props: ChartProps = useMemo(() => {
    const faint = "rgba(0,0,0,0)";
    const ink = house.dark ? "120,200,170" : "10,110,80";
    const edge = (label: string, values: (number | null)[]) => ({ label, values, colour: faint, width: 0, hidden: true });
    return {
      times: one.date.map(seconds),
      lines: [
        edge("p5", one.low), edge("p95", one.high), edge("p25", one.lower), edge("p75", one.upper),
        { label: word("usualMiddle"), values: one.normal, colour: house.dark ? "#7fb2d1" : "#5b8fb0", dash: [5, 4], width: 1 },
        { label: word("observedThen"), values: one.observed, colour: house.dark ? "#ffd38a" : "#8a3b00", width: 1.4, points: true },
        { label: word("forecastMedian"), values: one.median, colour: `rgb(${ink})`, width: 2 },
      ],
      bands: [{ upper: 2, lower: 1, colour: `rgba(${ink},.15)` }, { upper: 4, lower: 3, colour: `rgba(${ink},.28)` }],
      unit: which === "water" ? "m³ m⁻³" : "",
      label: `${word("forecast")}, ${found.band}`,
      dark: house.dark,
      language: house.language,
      height: 190,
    };
  }, [one, house.dark, house.language]);
  const useful = one.date.filter((_, k) => (one.skill_low?.[k] ?? one.skill[k] ?? 0) > 0).length;
  return (
    <section class="forecast">
      <h3>{word("forecast")} <small>{found.band}</small></h3>
      {Object.keys(found.of).length > 1 && (
        <div class="segments small" role="group" aria-label={word("forecast")}>
          {Object.keys(found.of).map((name) => <button key={name} aria-pressed={which === name} onClick={() => setWhich(name)}>{word(name === "cover" ? "forecastCover" : "forecastWater")}</button>)}
        </div>
      )}
      <Chart of={props} />
      <p class="key">{word("forecastFrom")} {date(house.language, one.date[0]!)}. {word("forecastKey")} {useful ? `${word("forecastSkill")} ${useful} / ${one.date.length}.` : word("forecastNoSkill")}</p>
      <p class="links"><a href={csv} download>{word("forecastCsv")}</a></p>
    </section>
  );
}

/** Make the drawn area a management unit of the study; its next run plans for it. */
function MakeUnit({ study, place }: { study: Study; place: Corners }) {
  const house = useHouse();
  const word = useSay();
  const [said, setSaid] = useState("");
  const [wrong, setWrong] = useState("");
  if (!may(house.session, "editor")) return <p class="note">{word("needEditorForUnit")}</p>;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setWrong("");
    send<{ units: number }>("POST", `/api/plans/${study.id}/units`, { name: form.get("name"), grade: form.get("grade"), corners: place })
      .then(({ units }) => setSaid(`${word("unitAdded")} (${units} ${word("units").toLowerCase()})`))
      .catch((error: unknown) => setWrong(error instanceof Refusal ? error.message : String(error)));
  };
  return (
    <section class="make-unit">
      <h3>{word("makeUnit")}</h3>
      {said ? <p role="status">{said} <a href="#/studies">{word("runAgain")}</a></p> : (
        <form class="stacked" onSubmit={submit}>
          <label>{word("name")}<input name="name" required maxLength={100} /></label>
          <label>{word("grade")}
            <select name="grade">
              <option value="">{word("gradeComputed")}</option>
              {(["none", "light", "moderate", "heavy", "severe"] as const).map((grade) => <option key={grade} value={grade}>{word(`grade_${grade}`)}</option>)}
            </select>
          </label>
          {wrong && <p class="wrong" role="alert">{wrong}</p>}
          <button class="primary">{word("addUnit")}</button>
        </form>
      )}
    </section>
  );
}
