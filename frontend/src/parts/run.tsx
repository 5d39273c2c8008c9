// A run of a study: how far it has come, starting and stopping it, and a new table of samples.
import { useEffect, useRef, useState } from "preact/hooks";
import { Refusal, send, sendFile, type RunProgress, type StudyCard } from "../api";
import { clock, number, sayValue } from "../words";
import { may, Tag, useAsk, useHouse, useSay } from "./ui";

interface Run { may_run: boolean; last: RunProgress | null }

/** What is running, whoever started it, and what has finished. */
export function RunBar({ one }: { one: StudyCard }) {
  const house = useHouse();
  const word = useSay();
  const [turn, setTurn] = useState(0);
  const [wrong, setWrong] = useState("");
  const run = useAsk<Run>(`/api/studies/${one.id}/run`, `${house.studies}${turn}`);
  const last = run.value?.last ?? null;
  const going = last?.state === "running";
  useEffect(() => {
    if (!going) return;
    const timer = setInterval(() => setTurn((k) => k + 1), 2000);
    return () => clearInterval(timer);
  }, [going]);
  const editor = may(house.session, "editor");
  const act = (method: "POST" | "DELETE") => {
    setWrong("");
    send(method, `/api/studies/${one.id}/run`)
      .then(() => setTurn((k) => k + 1))
      .catch((error: unknown) => setWrong(error instanceof Refusal ? error.message : String(error)));
  };
  const running = going ? last.step : one.running?.[0];
  return (
    <div class="run">
      {(running || going) && (
        <div class="progress" role="status">
          <span class="spin" aria-hidden="true" />
          <span><strong>{word("runningNow")}{running && `: ${sayValue(house.language, "step", running)}`}</strong>
            {last && going && <small> {clock(last.seconds)} · {last.by}</small>}</span>
        </div>
      )}
      <p class="steps" aria-label={word("steps")}>
        {one.finished?.map((step) => {
          const took = one.steps?.find((s) => s.name === step)?.seconds;
          return <Tag key={step} kind="good">✓ {sayValue(house.language, "step", step)}{took != null && <small> {number(house.language, took, 2)} {word("seconds")}</small>}</Tag>;
        })}
      </p>
      {last?.state === "failed" && <details class="fold" open><summary class="wrong">{word("runFailed")}</summary><pre>{last.lines.slice(-12).join("\n")}</pre></details>}
      {wrong && <p class="wrong" role="alert">{wrong}</p>}
      {one.may_run && editor && (
        <p class="actions">
          {going ? <button onClick={() => act("DELETE")}>{word("stopRun")}</button> : !running && <button class={one.finished?.length ? "" : "primary"} onClick={() => act("POST")}>{word(one.finished?.length ? "runAgain" : "startRun")}</button>}
        </p>
      )}
      {(running || going) && !one.layers && <p>{word("computing")}</p>}
      {one.may_run && !editor && !one.finished?.length && !running && !going && <p class="note">{word("needEditorToRun")}</p>}
    </div>
  );
}

/** Replace the table of samples, once the study has passed its check with it. */
export function SampleUpload({ id, onDone }: { id: string; onDone?: () => void }) {
  const word = useSay();
  const box = useRef<HTMLInputElement>(null);
  const [state, setState] = useState<"" | "checking" | "done">("");
  const [lines, setLines] = useState<string[]>([]);
  const [wrong, setWrong] = useState("");
  const choose = () => {
    const file = box.current?.files?.[0];
    if (!file) return;
    setState("checking");
    setWrong("");
    sendFile<{ lines: string[] }>(`/api/studies/${id}/samples?name=${encodeURIComponent(file.name)}`, file)
      .then((said) => {
        setLines(said.lines);
        setState("done");
        onDone?.();
      })
      .catch((error: unknown) => {
        setWrong(error instanceof Refusal ? error.message : String(error));
        setState("");
      })
      .finally(() => {
        if (box.current) box.current.value = "";
      });
  };
  return (
    <div class="upload">
      <label class="button">{word("newSamples")}<input ref={box} class="visually-hidden" type="file" accept=".csv,.tsv,.txt,.xlsx" onChange={choose} /></label>
      {state === "checking" && <p role="status" class="note"><span class="spin" aria-hidden="true" /> {word("checkingSamples")}</p>}
      {state === "done" && <details class="fold" open><summary>{word("samplesTaken")}</summary><pre>{lines.slice(0, 40).join("\n")}</pre></details>}
      {wrong && <pre class="wrong" role="alert">{wrong}</pre>}
    </div>
  );
}
