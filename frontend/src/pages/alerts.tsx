// Alerts: the inbox, one alert with its evidence, silences, rules and what they would have sent.
import { useMemo, useState } from "preact/hooks";
import { Refusal, send, type Alert, type Points } from "../api";
import { Chart, type ChartProps } from "../parts/chart";
import { Dialog, may, Shown, Tag, useAsk, useHouse, useSay } from "../parts/ui";
import { moment, number, sayValue, seriesName, unit, type Language } from "../words";
import { frozen } from "./stations";

export function AlertsPage() {
  const house = useHouse();
  const word = useSay();
  const every = house.address.values.all === "1";
  const alerts = useAsk<Alert[]>(`/api/alerts?resolved=${every}`, house.pulse);
  const key = house.address.values.key;
  return (
    <div class="split">
      <section class="list" aria-label={word("inbox")}>
        <h1>{word("alerts")}</h1>
        <div class="segments" role="group" aria-label={word("state")}>
          <button aria-pressed={!every} onClick={() => house.set({ all: null })}>{word("openOnly")}</button>
          <button aria-pressed={every} onClick={() => house.set({ all: "1" })}>{word("all")}</button>
          <a class="button" href={`/api/alerts?resolved=${every}&format=csv`} download>{word("csv")}</a>
        </div>
        <Shown of={alerts}>
          {(list) =>
            list.length === 0 ? <p>{word("noAlerts")}</p> : (
              <ul class="cards">
                {list.map((one) => (
                  <li key={one.key}>
                    <button class="card" aria-current={one.key === (key ?? list[0]!.key) ? "true" : undefined} onClick={() => house.set({ key: one.key })}>
                      <strong>{one.headline}</strong>
                      <Tag kind={one.state}>{sayValue(house.language, "state", one.state)}</Tag>
                      <span class="note">{moment(house.language, one.raised)} · {sayValue(house.language, "severity", one.severity)}</span>
                    </button>
                  </li>
                ))}
              </ul>
            )
          }
        </Shown>
        <Silences />
      </section>
      <section class="detail">
        {alerts.value && (key || alerts.value[0]) && <OneAlert key={key ?? alerts.value[0]!.key} id={key ?? alerts.value[0]!.key} />}
        <Rules />
      </section>
    </div>
  );
}

interface Evidence {
  kind: string;
  value: number | null;
  unit: string;
  time: string;
  recorded: string;
  rule: Record<string, unknown>;
}

function OneAlert({ id }: { id: string }) {
  const house = useHouse();
  const word = useSay();
  const [turn, setTurn] = useState(0);
  const [wrong, setWrong] = useState("");
  const [silencing, setSilencing] = useState(false);
  const found = useAsk<Alert & { evidence: Evidence[] }>(`/api/alerts/one?key=${encodeURIComponent(id)}`, house.pulse + 1e6 * turn);
  const ranger = may(house.session, "ranger");
  const seeTo = () =>
    void send("POST", `/api/alerts/acknowledge?key=${encodeURIComponent(id)}`)
      .then(() => setTurn((k) => k + 1))
      .catch((error: unknown) => setWrong(error instanceof Refusal ? error.message : String(error)));
  return (
    <Shown of={found}>
      {(one) => (
        <article>
          <header class="bar">
            <h2>{one.headline}</h2>
            <p><Tag kind={one.state}>{sayValue(house.language, "state", one.state)}</Tag> <Tag kind="severity">{sayValue(house.language, "severity", one.severity)}</Tag></p>
          </header>
          <dl class="facts">
            <div><dt>{word("raised")}</dt><dd>{moment(house.language, one.raised)} UTC</dd></div>
            {one.resolved && <div><dt>{word("resolvedAt")}</dt><dd>{moment(house.language, one.resolved)} UTC</dd></div>}
            {one.acknowledged_by && <div><dt>{word("seenBy")}</dt><dd>{one.acknowledged_by}</dd></div>}
            <div><dt>{word("station")}</dt><dd>{one.station_id !== null ? <a href={`#/stations?id=${one.station_id}`}>{one.station}</a> : one.station}</dd></div>
            {one.depth !== null && <div><dt>{word("depth")}</dt><dd>{+(one.depth * 100).toFixed(1)} cm</dd></div>}
          </dl>
          <div class="actions">
            {ranger && one.state === "firing" && <button class="primary" onClick={seeTo}>{word("acknowledge")}</button>}
            {ranger && <button onClick={() => setSilencing(true)}>{word("silence")}</button>}
            <a class="button" href={`/api/alerts/cap?key=${encodeURIComponent(id)}`} download>{word("capFile")}</a>
            {!ranger && <p class="note">{word("needRanger")}</p>}
          </div>
          {wrong && <p class="wrong" role="alert">{wrong}</p>}
          <h3>{word("evidence")}</h3>
          {one.station_id !== null && <Trace alert={one} />}
          <div class="wide-table" tabIndex={0} role="group">
            <table>
              <thead><tr><th scope="col">{word("time")}</th><th scope="col">{word("state")}</th><th scope="col" class="number">{word("valueHead")}</th><th scope="col">{word("rule")}</th></tr></thead>
              <tbody>
                {one.evidence.map((e) => (
                  <tr key={`${e.recorded}${e.kind}`}>
                    <td>{moment(house.language, e.time)}</td>
                    <td>{sayValue(house.language, "kind", e.kind)}</td>
                    <td class="number">{e.value === null ? "–" : number(house.language, e.value)} <small>{unit(e.unit)}</small></td>
                    <td>{ruleText(house.language, e.rule)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {silencing && <SilenceForm station={one.station} rule={one.rule} onClose={() => setSilencing(false)} />}
        </article>
      )}
    </Shown>
  );
}

/** The series that set the alert off, with the threshold and when it was passed. */
function Trace({ alert }: { alert: Alert & { evidence: Evidence[] } }) {
  const house = useHouse();
  const word = useSay();
  const found = useAsk<{ series: Points[] }>(`/api/stations/${alert.station_id}/series?days=30`, house.pulse);
  const props: ChartProps | null = useMemo(() => {
    const one = found.value?.series.find((series) => series.role === alert.quantity && series.depth === alert.depth && series.times.length);
    if (!one) return null;
    const rule = alert.evidence.find((e) => e.rule)?.rule ?? {};
    const level = (rule.below ?? rule.above) as number | null | undefined;
    const at = (iso: string) => Date.parse(iso) / 1000;
    return {
      times: one.times,
      lines: [{ label: seriesName(house.language, one), values: one.values, colour: house.dark ? "#8ecbff" : "#1f78b4" }],
      levels: level == null ? [] : [{ value: level, label: word("threshold") }],
      events: [
        { at: at(alert.raised), label: word("kind_raised") },
        ...(alert.resolved ? [{ at: at(alert.resolved), label: word("kind_resolved") }] : []),
      ],
      shaded: frozen(one),
      unit: unit(one.unit),
      label: `${alert.headline}: ${seriesName(house.language, one)}`,
      dark: house.dark,
      language: house.language,
      height: 240,
    };
  }, [found.value, alert.key, alert.resolved, house.dark, house.language]);
  if (!props) return null;
  return (
    <>
      <Chart of={props} />
      <p class="links"><a href={`/api/stations/${alert.station_id}/series?days=30&format=csv`} download>{word("seriesCsv")}</a></p>
    </>
  );
}

function ruleText(language: Language, rule: Record<string, unknown>): string {
  const sign = rule.below != null ? `≤ ${rule.below as number}` : `≥ ${rule.above as number}`;
  return `${rule.name as string}: ${sayValue(language, "role", rule.quantity as string).replaceAll("role_", "").replaceAll("_", " ")} ${sign}`;
}

function SilenceForm({ station, rule, onClose }: { station: string; rule: string; onClose: () => void }) {
  const word = useSay();
  const [wrong, setWrong] = useState("");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const body = { reason: form.get("reason"), hours: Number(form.get("hours")), rule: form.get("rule"), station: form.get("station") };
    send("POST", "/api/silences", body)
      .then(onClose)
      .catch((error: unknown) => setWrong(error instanceof Refusal ? error.message : String(error)));
  };
  return (
    <Dialog title={word("silenceIt")} onClose={onClose}>
      <form class="stacked" onSubmit={submit}>
        <label>{word("reason")}<input name="reason" required minLength={3} maxLength={500} /></label>
        <label>{word("hours")}<input name="hours" type="number" min="0.5" max="2160" step="0.5" value="12" required /></label>
        <label>{word("stations")}<input name="station" defaultValue={station} required /></label>
        <label>{word("rules")}<input name="rule" defaultValue={rule} required /></label>
        {wrong && <p class="wrong" role="alert">{wrong}</p>}
        <button class="primary">{word("silenceIt")}</button>
      </form>
    </Dialog>
  );
}

function Silences() {
  const house = useHouse();
  const word = useSay();
  const found = useAsk<{ id: number; rule: string; station: string; reason: string; author: string; expires: string }[]>("/api/silences", house.pulse);
  return (
    <details class="fold" open={(found.value?.length ?? 0) > 0}>
      <summary>{word("silences")} ({found.value?.length ?? 0})</summary>
      {found.value?.length === 0 && <p class="note">{word("noSilences")}</p>}
      <ul>{found.value?.map((one) => <li key={one.id}>{one.rule} · {one.station}: {one.reason} ({one.author}, {word("until")} {moment(house.language, one.expires)})</li>)}</ul>
    </details>
  );
}

type Rule = Record<string, unknown> & { name: string; headline: string };
interface Trial { count: number; messages: { time: string; kind: string; station: string }[] }

function Rules() {
  const house = useHouse();
  const word = useSay();
  const rules = useAsk<Rule[]>("/api/rules");
  return (
    <section class="rules" aria-label={word("rules")}>
      <h2>{word("rules")}</h2>
      <Shown of={rules}>{(list) => (list.length ? <ul class="plain-list">{list.map((one) => <RuleRow key={one.name} rule={one} editor={may(house.session, "editor")} />)}</ul> : <p class="note">{word("noRules")}</p>)}</Shown>
    </section>
  );
}

function RuleRow({ rule, editor }: { rule: Rule; editor: boolean }) {
  const house = useHouse();
  const word = useSay();
  const [trial, setTrial] = useState<Trial | null>(null);
  const [wrong, setWrong] = useState("");
  const run = () =>
    void send<Trial>("POST", "/api/rules/try", rule).then(setTrial).catch((error: unknown) => setWrong(error instanceof Refusal ? error.message : String(error)));
  return (
    <li>
      <p><code>{ruleText(house.language, rule)}</code> {editor && <button onClick={run}>{word("dryRun")}</button>}</p>
      {wrong && <p class="wrong" role="alert">{wrong}</p>}
      {trial && (
        <div role="status">
          <p>{trial.count} {word("messages")}</p>
          <ul>{trial.messages.slice(0, 20).map((one) => <li key={`${one.time}${one.station}${one.kind}`}>{moment(house.language, one.time)} · {sayValue(house.language, "kind", one.kind)} · {one.station}</li>)}</ul>
        </div>
      )}
    </li>
  );
}
