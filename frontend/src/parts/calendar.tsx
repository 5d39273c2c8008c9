// The calendar of work by altitude band: when each kind of work can be done, the high bands on top.
import { dayText, pick, type Word } from "../words";
import { useHouse, useSay } from "./ui";

export interface CalendarRow {
  band: string;
  elevation: number;
  aspect: string;
  work: string;
  name: [string, string];
  start_early: number | null;
  start_median: number | null;
  start_late: number | null;
  opens: number | null;
  latest_beginning: number | null;
  deadline: number | null;
  closes_dry: number | null;
  enough_days: boolean;
  extrapolated: boolean;
}

const COLOURS: Record<string, string> = {
  winter_rodent_control: "#6f7f95",
  growing_season_grazing_ban: "#b5761e",
  fertiliser: "#8a6bb1",
  no_till_reseeding: "#3f9142",
  revegetation: "#1c6e4b",
  transplanting: "#c2457c",
  fish_scale_pits: "#2a7fb8",
  contour_ditches: "#56b4e9",
};
const colourOf = (work: string): string => COLOURS[work] ?? "#777777";
export const ASPECTS: Record<string, Word> = { north: "aspect_north", south: "aspect_south", "east or west": "aspect_side" };

const put = (element: HTMLElement | null, styles: Record<string, string>) => {
  for (const [key, value] of Object.entries(styles)) element?.style.setProperty(key, value);
};

const share = (day: number) => `${Math.min(100, Math.max(0, ((day - 1) / 365) * 100))}%`;

export function Months() {
  const { language } = useHouse();
  const months = Array.from({ length: 12 }, (_, k) => new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", { month: "short", timeZone: "UTC" }).format(Date.UTC(2021, k, 1)));
  return <div class="months" aria-hidden="true"><span />{months.map((one) => <span key={one}>{one}</span>)}</div>;
}

interface Bar { work: string; from: number; to: number; label: string; short?: boolean }

/** Works of one place over the year, a thin bar for each; what begins the year before has an arrow. */
export function Track({ bars, season }: { bars: Bar[]; season?: [number, number] }) {
  return (
    <span class="track tall">
      {season && <span class="start" ref={(e) => put(e, { left: share(season[0]), width: `calc(${share(season[1])} - ${share(season[0])})` })} />}
      {bars.map((bar, k) => (
        <span key={bar.label} class={`work${bar.short ? " short" : ""}${bar.from < 1 ? " before" : ""}`} title={bar.label} ref={(e) => put(e, { left: share(bar.from), width: `max(5px, calc(${share(bar.to)} - ${share(bar.from)}))`, top: `${8 + (84 * k) / bars.length}%`, height: `${Math.min(12, 70 / bars.length)}%`, "--swatch": colourOf(bar.work) })}>
          <span class="visually-hidden">{bar.label}</span>
        </span>
      ))}
    </span>
  );
}

export function BandCalendar({ rows, year }: { rows: CalendarRow[]; year: number }) {
  const house = useHouse();
  const word = useSay();
  const aspects = [...new Set(rows.map((row) => row.aspect))];
  const asked = house.address.values.aspect ?? "";
  const aspect = aspects.includes(asked) ? asked : aspects.includes("south") ? "south" : aspects[0]!;
  const own = rows.filter((row) => row.aspect === aspect);
  const bands = [...new Set(own.map((row) => row.band))].sort((a, b) => own.find((r) => r.band === b)!.elevation - own.find((r) => r.band === a)!.elevation);
  const works = [...new Set(own.map((row) => row.work))];
  const name = (work: string) => pick(house.language, own.find((row) => row.work === work)!.name);
  return (
    <section class="bands" aria-label={word("calendarByBand")}>
      <header class="bar">
        <h2>{word("calendarByBand")}</h2>
        <div class="segments small" role="group" aria-label={word("by_aspect_sector")}>
          {aspects.map((one) => <button key={one} aria-pressed={one === aspect} onClick={() => house.set({ aspect: one })}>{ASPECTS[one] ? word(ASPECTS[one]!) : one}</button>)}
        </div>
      </header>
      <ul class="work-key">{works.map((work) => <li key={work}><span class="swatch" ref={(e) => put(e, { "--swatch": colourOf(work) })} /> {name(work)}</li>)}</ul>
      <Months />
      <ul class="band-rows">
        {bands.map((band) => {
          const held = own.filter((row) => row.band === band);
          const first = held[0]!;
          return (
            <li key={band}>
              <span class="what"><strong>{band.replace("-", "–")}</strong>
                <small>{first.start_median !== null && `${word("seasonStarts")} ${dayText(house.language, year, first.start_median)} (${dayText(house.language, year, first.start_early!)} – ${dayText(house.language, year, first.start_late!)})`}{first.extrapolated && ` · ${word("extrapolated")}`}</small>
              </span>
              <Track
                season={first.start_early === null ? undefined : [first.start_early, first.start_late!]}
                bars={held.filter((row) => row.opens !== null && row.deadline !== null).map((row) => ({
                  work: row.work, from: row.opens!, to: row.deadline!, short: !row.enough_days,
                  label: `${name(row.work)}: ${dayText(house.language, year, row.opens!)} – ${dayText(house.language, year, row.deadline!)}${row.enough_days ? "" : ` (${word("tooShort")})`}`,
                }))}
              />
            </li>
          );
        })}
      </ul>
      <p class="key"><span class="start-key" /> {word("startRange")} · <span class="short-key" /> {word("tooShort")}</p>
    </section>
  );
}
