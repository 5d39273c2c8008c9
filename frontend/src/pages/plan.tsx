// The work plan: a calendar, the units by priority, and who approves or declines what.
import { useState } from "preact/hooks";
import { Refusal, send } from "../api";
import { BandCalendar, Months, Track, type CalendarRow } from "../parts/calendar";
import { Dialog, may, Problem, Shown, Tag, useAsk, useHouse, useSay } from "../parts/ui";
import { date, number, sayValue } from "../words";

interface PlanCard { id: string; year?: number; units?: number; states?: Record<string, number>; problem?: string }
interface Unit { name: string; hectares: number; grade: string; elevation: number | null; priority: number; state: string; field_visit_first: boolean; history: [string, string, string, string][] }
interface Row { unit: string; measure: string; season: string; opens: string | null; deadline: string | null; closes_dry: string | null; water_check: string; reasons: string; refused: string; source: string; target_cover: number | null; earthwork?: string }
interface Plan extends PlanCard { lines: Unit[]; rows: { en: Row[]; zh: Row[] }; calendar: CalendarRow[] }

export function PlanPage() {
  const house = useHouse();
  const word = useSay();
  const plans = useAsk<PlanCard[]>("/api/plans", house.studies);
  return (
    <Shown of={plans}>
      {(list) => {
        const one = list.find((plan) => plan.id === house.address.values.study) ?? list[0];
        if (!one) return <section class="empty"><h1>{word("plan")}</h1><p>{word("noPlan")}</p></section>;
        if (one.problem) return <Problem error={new Refusal(500, one.problem)} />;
        return <OnePlan key={one.id} id={one.id} list={list} />;
      }}
    </Shown>
  );
}

function OnePlan({ id, list }: { id: string; list: PlanCard[] }) {
  const house = useHouse();
  const word = useSay();
  const [turn, setTurn] = useState(0);
  const plan = useAsk<Plan>(`/api/plans/${id}`, `${house.studies}${turn}`);
  const [moving, setMoving] = useState<{ unit: Unit; state: string } | null>(null);
  const again = () => setTurn((k) => k + 1);
  return (
    <Shown of={plan}>
      {(value) => (
        <>
          <header class="bar">
            <h1>{word("plan")} {value.year} <small>{value.units} {word("units")}</small></h1>
            <div class="segments">
              {list.length > 1 && <select aria-label={word("study")} value={id} onChange={(e) => house.set({ study: e.currentTarget.value })}>{list.map((one) => <option key={one.id} value={one.id}>{one.id}</option>)}</select>}
              <a class="button" href={`#/map?study=${id}&plan=1`}>{word("onMap")}</a>
              <a class="button" href={`/api/plans/${id}?format=csv`} download>{word("csv")}</a>
              <button onClick={() => window.print()}>{word("print")}</button>
            </div>
          </header>
          <p>{Object.entries(value.states ?? {}).map(([state, n]) => <Tag key={state} kind={state}>{sayValue(house.language, "plan", state)} {n}</Tag>)}</p>
          {!may(house.session, "editor") && <p class="note">{word("needEditor")}</p>}
          {value.calendar.length > 0 && <BandCalendar rows={value.calendar} year={value.year!} />}
          <Calendar plan={value} />
          <ul class="cards units">
            {[...value.lines].sort((a, b) => b.priority - a.priority).map((unit) => (
              <li key={unit.name}><UnitCard unit={unit} rows={value.rows[house.language].filter((row) => row.unit === unit.name)} onMove={(state) => setMoving({ unit, state })} /></li>
            ))}
          </ul>
          {moving && <MoveForm plan={id} unit={moving.unit} state={moving.state} onClose={() => setMoving(null)} onDone={again} />}
        </>
      )}
    </Shown>
  );
}

const NEXT: Record<string, [string, "propose" | "approve" | "decline" | "done", string][]> = {
  draft: [["proposed", "propose", "ranger"]],
  proposed: [["approved", "approve", "editor"], ["declined", "decline", "editor"]],
  approved: [["done", "done", "ranger"], ["declined", "decline", "editor"]],
};

function UnitCard({ unit, rows, onMove }: { unit: Unit; rows: Row[]; onMove: (state: string) => void }) {
  const house = useHouse();
  const word = useSay();
  const first = rows[0];
  return (
    <article class="card flat">
      <header class="bar">
        <h2>{unit.name} <small>{number(house.language, unit.hectares)} ha{unit.elevation !== null && ` · ${number(house.language, unit.elevation, 4)} m`} · {word("grade")}: {sayValue(house.language, "grade", unit.grade)}</small></h2>
        <Tag kind={unit.state}>{sayValue(house.language, "plan", unit.state)}</Tag>
      </header>
      <div class="wide-table" tabIndex={0} role="group">
        <table>
          <thead><tr><th scope="col">{word("measure")}</th><th scope="col">{word("season")}</th><th scope="col">{word("opens")}</th><th scope="col">{word("deadline")}</th><th scope="col">{word("sourceOf")}</th></tr></thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.measure}><th scope="row">{row.measure || word("none")}</th><td>{sayValue(house.language, "season", row.season.replaceAll(" ", "_")).replaceAll("_", " ")}</td><td>{row.opens ? date(house.language, row.opens) : "–"}</td><td>{row.deadline ? date(house.language, row.deadline) : "–"}</td><td><small>{row.source}</small></td></tr>
            ))}
          </tbody>
        </table>
      </div>
      {first && <p><strong>{word("water")}:</strong> {first.water_check}</p>}
      {first?.reasons && <p><strong>{word("why")}:</strong> {first.reasons}</p>}
      {first?.refused && <p class="note">{first.refused}</p>}
      {unit.field_visit_first && <p class="wrong">{word("fieldVisit")}</p>}
      <div class="actions">
        {(NEXT[unit.state] ?? []).filter(([, , role]) => may(house.session, role)).map(([state, name]) => (
          <button key={state} class={state === "approved" ? "primary" : ""} onClick={() => onMove(state)}>{word(name)}</button>
        ))}
      </div>
      {unit.history.length > 0 && (
        <details class="fold"><summary>{word("history")} ({unit.history.length})</summary>
          <ul>{unit.history.map(([at, person, state, comment]) => <li key={`${at}${state}`}>{at.slice(0, 16).replace("T", " ")} · {person} · {sayValue(house.language, "plan", state)}{comment && `: ${comment}`}</li>)}</ul>
        </details>
      )}
    </article>
  );
}

function MoveForm({ plan, unit, state, onClose, onDone }: { plan: string; unit: Unit; state: string; onClose: () => void; onDone: () => void }) {
  const house = useHouse();
  const word = useSay();
  const [wrong, setWrong] = useState("");
  const needed = state === "declined" || (state === "approved" && unit.field_visit_first);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const comment = new FormData(event.currentTarget as HTMLFormElement).get("comment");
    send("POST", `/api/plans/${plan}/moves`, { units: [unit.name], state, comment })
      .then(() => {
        onDone();
        onClose();
      })
      .catch((error: unknown) => setWrong(error instanceof Refusal ? error.message : String(error)));
  };
  return (
    <Dialog title={`${unit.name}: ${sayValue(house.language, "plan", state)}`} onClose={onClose}>
      <form class="stacked" onSubmit={submit}>
        <label>{word("comment")}<input name="comment" required={needed} maxLength={2000} /></label>
        {wrong && <p class="wrong" role="alert">{wrong}</p>}
        <button class="primary">{word("decide")}</button>
      </form>
    </Dialog>
  );
}

/** Work with dates as bars over the months, a row for each unit. */
function Calendar({ plan }: { plan: Plan }) {
  const house = useHouse();
  const word = useSay();
  const rows = plan.rows[house.language].filter((row) => row.opens && row.deadline);
  if (!rows.length) return null;
  const start = Date.UTC(plan.year!, 0, 1);
  const day = (iso: string) => (Date.parse(`${iso.slice(0, 10)}T00:00:00Z`) - start) / 86400000 + 1;
  const work = (row: Row) => plan.calendar.find((one) => one.name.includes(row.measure))?.work ?? "";
  const units = [...new Set(rows.map((row) => row.unit))];
  return (
    <section class="bands" aria-label={word("calendarOfUnits")}>
      <h2>{word("calendarOfUnits")}</h2>
      <Months />
      <ul class="band-rows tight">
        {units.map((unit) => {
          const line = plan.lines.find((one) => one.name === unit)!;
          return (
            <li key={unit}>
              <span class="what"><strong>{unit}</strong> <small>{line.elevation !== null && `${number(house.language, line.elevation, 4)} m · `}{sayValue(house.language, "grade", line.grade)}</small></span>
              <Track bars={rows.filter((row) => row.unit === unit).map((row) => ({ work: work(row), from: day(row.opens!), to: day(row.deadline!), label: `${row.measure}: ${date(house.language, row.opens!)} – ${date(house.language, row.deadline!)}` }))} />
            </li>
          );
        })}
      </ul>
    </section>
  );
}
