// Studies: the runs that are served, their reports, and two of them compared.
import { useState } from "preact/hooks";
import type { StudyCard } from "../api";
import { RunBar, SampleUpload } from "../parts/run";
import { may, NoStudies, Shown, useAsk, useHouse, useSay } from "../parts/ui";
import { moment, number, pick, unit } from "../words";

export function StudiesPage() {
  const word = useSay();
  const house = useHouse();
  const studies = useAsk<StudyCard[]>("/api/studies", house.studies);
  return (
    <Shown of={studies}>
      {(list) => {
        const open = list.find((one) => one.id === house.address.values.report && one.report);
        return (
          <>
            {list.length === 0 ? <NoStudies title="studies" /> : <h1>{word("studies")}</h1>}
            <ul class="cards wide">{list.map((one) => <li key={one.id}><Card one={one} /></li>)}</ul>
            {open && (
              <section class="report">
                <header class="bar">
                  <h2>{open.name}: {word("report")}</h2>
                  <p><a href={`/api/studies/${open.id}/report`} target="_blank" rel="noopener">{word("reportOwnTab")}</a> <button class="plain" onClick={() => house.set({ report: null })} aria-label={word("close")}>✕</button></p>
                </header>
                <iframe title={`${open.name}: ${word("report")}`} src={`/api/studies/${open.id}/report`} sandbox="allow-scripts allow-popups" />
              </section>
            )}
            {list.filter((one) => (one.layers ?? 0) > 0).length > 0 && <Compare list={list.filter((one) => (one.layers ?? 0) > 0)} />}
          </>
        );
      }}
    </Shown>
  );
}

function Card({ one }: { one: StudyCard }) {
  const house = useHouse();
  const word = useSay();
  if (one.problem) return <article class="card flat"><h2>{one.name}</h2><p class="wrong">{one.problem}</p></article>;
  const began = one.steps?.map((step) => step.started ?? "").filter(Boolean).sort()[0];
  const total = one.steps?.reduce((sum, step) => sum + (step.seconds ?? 0), 0) ?? 0;
  return (
    <article class="card flat">
      <h2>{one.name}</h2>
      <p class="note">
        {one.shape && `${one.shape[0]} × ${one.shape[1]} ${word("cells")} · `}{one.layers} {word("layersWord")}
        {began && ` · ${moment(house.language, began)} UTC`}{one.version && ` · Headwater ${one.version}`}{total > 0 && ` · ${number(house.language, total, 3)} ${word("seconds")}`}
      </p>
      <RunBar one={one} />
      <p class="actions">
        {(one.layers ?? 0) > 0 && <a class="button" href={`#/map?study=${one.id}`}>{word("map")}</a>}
        {one.isotopes && <a class="button" href={`#/sources?study=${one.id}`}>{word("sources")}</a>}
        {one.report ? <button onClick={() => house.set({ report: one.id })}>{word("openReport")}</button> : <span class="note">{word("noReport")}</span>}
      </p>
      {one.isotopes && one.may_run && may(house.session, "editor") && <SampleUpload id={one.id} />}
    </article>
  );
}

interface Row { key: string; label: [string, string]; value: number | null; units: string; n: number | null; text?: string }

function Compare({ list }: { list: StudyCard[] }) {
  const word = useSay();
  const [one, setOne] = useState(list[0]!.id);
  const [other, setOther] = useState((list[1] ?? list[0]!).id);
  const house = useHouse();
  const a = useAsk<Row[]>(`/api/studies/${one}/summary`, house.studies);
  const b = useAsk<Row[]>(`/api/studies/${other}/summary`, house.studies);
  const two = list.length > 1;
  const choose = (value: string, set: (id: string) => void, label: string) => (
    <label>{label} <select value={value} onChange={(e) => set(e.currentTarget.value)}>{list.map((s) => <option key={s.id} value={s.id}>{s.name} ({s.id})</option>)}</select></label>
  );
  const show = (row: Row | undefined) => (!row || row.value === null ? "–" : `${number(house.language, row.value, 3)}`);
  return (
    <section class="compare">
      <h2>{word(two ? "compareTwo" : "summaryOf")}</h2>
      <p class="links"><a href={`/api/studies/${one}/summary?format=csv`} download>{two ? "A: " : ""}{word("csv")}</a>{two && <> · <a href={`/api/studies/${other}/summary?format=csv`} download>B: {word("csv")}</a></>}</p>
      {two && <div class="row-of-labels">{choose(one, setOne, "A")}{choose(other, setOther, "B")}</div>}
      <Shown of={a}>
        {(left) => (
          <Shown of={b}>
            {(right) => {
              const keys = [...new Set([...left, ...right].map((row) => row.key))];
              return (
                <div class="wide-table" tabIndex={0} role="group">
                  <table>
                    <thead><tr><th scope="col">{word("quantity")}</th><th scope="col" class="number">{two ? "A" : word("valueHead")}</th>{two && <><th scope="col" class="number">B</th><th scope="col" class="number">{word("difference")}</th></>}</tr></thead>
                    <tbody>
                      {keys.map((key) => {
                        const [p, q] = [left.find((r) => r.key === key), right.find((r) => r.key === key)];
                        const row = (p ?? q)!;
                        const gap = p?.value != null && q?.value != null ? q.value - p.value : null;
                        return (
                          <tr key={key}>
                            <th scope="row">{pick(house.language, row.label)} {unit(row.units) && <small>[{unit(row.units)}]</small>}</th>
                            <td class="number">{show(p)} {p?.n != null && <small>n = {p.n}</small>}</td>
                            {two && <><td class="number">{show(q)} {q?.n != null && <small>n = {q.n}</small>}</td>
                            <td class="number">{gap === null ? "–" : number(house.language, gap, 3)}</td></>}
                          </tr>
                        );
                      })}
                    </tbody>
                  </table>
                </div>
              );
            }}
          </Shown>
        )}
      </Shown>
    </section>
  );
}
