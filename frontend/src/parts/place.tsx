// What is known of the place that was chosen: its series, and what drives it.
import { useMemo } from "preact/hooks";
import type { LayerEntry, Sentence, SeriesAnswer, Study } from "../api";
import { writeCorners, type Corners } from "../state";
import { number, pick, unit } from "../words";
import { Chart, type ChartProps } from "./chart";
import { Shown, useAsk, useHouse, useSay } from "./ui";

export const seconds = (iso: string): number => Date.parse(`${iso}T00:00:00Z`) / 1000;

/** Day of a year of 365 days, as the service counts it: 29 February is 28 February. */
export function dayOfYear(iso: string): number {
  const year = Number(iso.slice(0, 4));
  const day = Math.round((Date.parse(`${iso.slice(0, 10)}T00:00:00Z`) - Date.UTC(year, 0, 1)) / 86400000);
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return leap && day >= 59 ? day - 1 : day;
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
                {value.latitude.toFixed(3)}°, {value.longitude.toFixed(3)}°{value.elevation !== null && ` · ${number(house.language, value.elevation, 4)} m`}
                {value.cells > 1 && ` · ${value.cells} ${word("cells")}`}
              </p>
              <SeriesChart value={value} day={day} />
              <p class="links"><a href={`/api/studies/${study.id}/series?layer=${daily.id}&at=${at}&format=csv`} download>{word("seriesCsv")}</a></p>
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
    </aside>
  );
}

function SeriesChart({ value, day }: { value: SeriesAnswer; day?: string }) {
  const house = useHouse();
  const word = useSay();
  const props: ChartProps = useMemo(() => {
    const days = value.times.map(dayOfYear);
    const band = house.dark ? "rgba(110,170,210,.25)" : "rgba(40,120,170,.18)";
    const faint = "rgba(0,0,0,0)";
    return {
      times: value.times.map(seconds),
      lines: [
        { label: "p10", values: days.map((k) => value.usual.low[k] ?? null), colour: faint, width: 0 },
        { label: "p90", values: days.map((k) => value.usual.high[k] ?? null), colour: faint, width: 0 },
        { label: word("usualMiddle"), values: days.map((k) => value.usual.middle[k] ?? null), colour: house.dark ? "#7fb2d1" : "#5b8fb0", dash: [5, 4], width: 1 },
        { label: pick(house.language, value.title), values: value.values, colour: house.dark ? "#ffd38a" : "#8a3b00" },
      ],
      bands: [{ upper: 2, lower: 1, colour: band }],
      unit: unit(value.units),
      label: `${pick(house.language, value.title)}; ${word("usualBand")}`,
      dark: house.dark,
      language: house.language,
      marker: day ? seconds(day) : null,
    };
  }, [value, house.dark, house.language, day]);
  return (
    <>
      <Chart {...props} />
      <p class="key"><span class="band" /> {word("usualBand")}</p>
    </>
  );
}
