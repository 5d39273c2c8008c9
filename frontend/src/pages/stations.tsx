// Stations: health, latest values with their flags, and their series, live.
import { useMemo } from "preact/hooks";
import type { Points, Station } from "../api";
import { Chart, type ChartProps, type Line } from "../parts/chart";
import { Shown, Tag, useAsk, useHouse, useSay } from "../parts/ui";
import { degrees, number, qualityWord, sayValue, seriesName, unit } from "../words";

const ICON: Record<string, string> = { good: "✓", doubt: "▲", silent: "–", none: "○", state: "❄", unchecked: "○" };
const COLOURS = ["#1f78b4", "#d95f02", "#1b9e77", "#7570b3", "#a6761d", "#666666"];
const DARK = ["#8ecbff", "#ffb46b", "#6fe0b4", "#b8b3ff", "#e2c07a", "#c0c0c0"];

export function StationsPage() {
  const house = useHouse();
  const word = useSay();
  const stations = useAsk<Station[]>("/api/stations", house.pulse);
  return (
    <Shown of={stations}>
      {(list) =>
        list.length === 0 ? (
          <section class="empty"><h1>{word("stations")}</h1><p>{word("noStations")} <a href="/docs">{word("docs")}</a>.</p><pre>headwater replay --speed 7200</pre></section>
        ) : (
          <Overview list={list} />
        )
      }
    </Shown>
  );
}

function Overview({ list }: { list: Station[] }) {
  const house = useHouse();
  const word = useSay();
  const chosen = list.find((one) => String(one.id) === house.address.values.id) ?? list[0]!;
  return (
    <div class="split">
      <section class="list" aria-label={word("stations")}>
        <h1>{word("stations")} <small>{list.length}</small></h1>
        <ul class="cards">
          {list.map((one) => {
            const wet = one.series.find((s) => s.role === "soil_moisture");
            return (
              <li key={one.id}>
                <button class="card" aria-current={one.id === chosen.id ? "true" : undefined} onClick={() => house.set({ id: String(one.id) })}>
                  <strong>{one.name}</strong>
                  <Tag kind={one.health}><span aria-hidden="true">{ICON[one.health]}</span> {sayValue(house.language, "health", one.health)}</Tag>
                  <span class="note">{one.elevation !== null && `${number(house.language, one.elevation, 4)} m`}</span>
                  {wet && <span class="reading">{wet.value} <small>{wet.unit}</small></span>}
                </button>
              </li>
            );
          })}
        </ul>
      </section>
      <section class="detail" aria-label={chosen.name}><OneStation key={chosen.id} station={chosen} /></section>
    </div>
  );
}

function OneStation({ station }: { station: Station }) {
  const house = useHouse();
  const word = useSay();
  const days = house.address.values.days ?? "30";
  const path = `/api/stations/${station.id}/series?days=${encodeURIComponent(days)}`;
  const series = useAsk<{ series: Points[]; step: string }>(station.series.length ? path : null, house.pulse);
  return (
    <>
      <header class="bar">
        <h2>{station.name}</h2>
        <p class="note">
          {station.latitude !== null && `${degrees(station.latitude, "N", "S")}, ${degrees(station.longitude!, "E", "W")}`}
          {station.elevation !== null && ` · ${number(house.language, station.elevation, 4)} m`} · <span class="live">● {word("live")}</span>
        </p>
        <div class="segments" role="group" aria-label={word("lastDays")}>
          {["7", "30", "120", "365"].map((n) => (
            <button key={n} aria-pressed={n === days} onClick={() => house.set({ days: n })}>{n} {word("daysShort")}</button>
          ))}
          <a class="button" href={`${path}&format=csv`} download>{word("csv")}</a>
        </div>
      </header>
      {station.series.length > 0 && <Shown of={series}>{(value) => <SoilChart series={value.series} station={station.name} />}</Shown>}
      <div class="wide-table" tabIndex={0} role="group">
        <table>
          <thead><tr><th scope="col">{word("observed")}</th><th scope="col" class="number">{word("latest")}</th><th scope="col">{word("time")}</th><th scope="col">{word("quality")}</th></tr></thead>
          <tbody>
            {station.series.map((one) => (
              <tr key={one.id}>
                <th scope="row">{seriesName(house.language, one)}</th>
                <td class="number"><b>{one.value}</b> <small>{one.unit}</small></td>
                <td>{one.time}</td>
                <td><Tag kind={one.kind}><span aria-hidden="true">{ICON[one.kind]}</span> {qualityWord(house.language, one)}</Tag></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

/** Put series of different times onto one axis. */
export function align(series: Points[]): { times: number[]; columns: (number | null)[][] } {
  const times = [...new Set(series.flatMap((one) => one.times))].sort((a, b) => a - b);
  const place = new Map(times.map((at, k) => [at, k]));
  const columns = series.map((one) => {
    const column = new Array<number | null>(times.length).fill(null);
    one.times.forEach((at, k) => (column[place.get(at)!] = one.values[k] ?? null));
    return column;
  });
  return { times, columns };
}

/** Spans in which most of the flags say that the soil is frozen. */
export function frozen(one: Points): [number, number][] {
  const spans: [number, number][] = [];
  one.flags.forEach((flag, k) => {
    if (flag !== "frozen") return;
    const [from, to] = [one.times[k]!, one.times[k + 1] ?? one.times[k]!];
    const last = spans.at(-1);
    if (last && from - last[1] <= 6 * 3600) last[1] = to;
    else spans.push([from, to]);
  });
  return spans;
}

interface Rule { name: string; quantity: string; below: number | null; above: number | null; stations: string[] }

/** Whether a rule watches a station; its patterns have * and ?. */
export const watches = (rule: { stations: string[] }, station: string): boolean =>
  rule.stations.some((one) => new RegExp(`^${one.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".")}$`).test(station));

function SoilChart({ series, station }: { series: Points[]; station: string }) {
  const house = useHouse();
  const word = useSay();
  const rules = useAsk<Rule[]>("/api/rules");
  const props: ChartProps | null = useMemo(() => {
    const soil = series.filter((one) => one.role === "soil_moisture" && one.times.length).sort((a, b) => (a.depth ?? 0) - (b.depth ?? 0));
    const rain = series.find((one) => one.role === "precipitation" && one.times.length);
    if (!soil.length) return null;
    const { times, columns } = align(rain ? [...soil, rain] : soil);
    const palette = house.dark ? DARK : COLOURS;
    const lines: Line[] = soil.map((one, k) => ({
      label: one.depth === null ? one.name : `${+(one.depth * 100).toFixed(1)} cm`,
      values: columns[k]!,
      colour: palette[k % palette.length]!,
    }));
    if (rain) lines.unshift({ label: word("precipitation"), values: columns.at(-1)!, colour: house.dark ? "rgba(120,180,255,.5)" : "rgba(50,110,180,.45)", bars: true, scale: "second" });
    const levels = (rules.value ?? [])
      .filter((rule) => rule.quantity === "soil_moisture" && watches(rule, station))
      .map((rule) => ({ value: (rule.below ?? rule.above)!, label: rule.name }));
    return {
      times, lines, levels,
      unit: unit(soil[0]!.unit),
      second: rain ? `${word("precipitation")} [${unit(rain.unit)}]` : undefined,
      label: word("soilMoisture"),
      dark: house.dark,
      language: house.language,
      height: 320,
      shaded: frozen(soil[0]!),
    };
  }, [series, rules.value, house.dark, house.language]);
  if (!props) return null;
  return (
    <>
      <Chart of={props} />
      <p class="key"><span class="frost" /> {word("frozenShade")}{props.levels!.length > 0 && <> · <span class="level" /> {word("threshold")}</>}</p>
    </>
  );
}
