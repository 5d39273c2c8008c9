// Small parts that all pages use.
import { createContext, type ComponentChildren } from "preact";
import { useCallback, useContext, useEffect, useRef, useState } from "preact/hooks";
import { ask, Refusal, type Session } from "../api";
import type { Address } from "../state";
import { say, type Language, type Word } from "../words";

export interface House {
  language: Language;
  address: Address;
  session: Session;
  dark: boolean;
  embedded: boolean;
  /** Count of changes that the service has told of. */
  pulse: number;
  /** Changes when a study does. */
  studies: string;
  go(page: string, values?: Record<string, string>): void;
  set(values: Record<string, string | null>): void;
  signIn(): void;
}
export const HouseContext = createContext<House>(null as unknown as House);
export const useHouse = (): House => useContext(HouseContext);
export const useSay = (): ((word: Word) => string) => {
  const { language } = useHouse();
  return (word) => say(language, word);
};

const RANK = ["viewer", "ranger", "editor", "admin"];
export const may = (session: Session, role: string): boolean =>
  session.role !== null && session.token !== null && RANK.indexOf(session.role) >= RANK.indexOf(role);

export interface Loaded<T> {
  value: T | null;
  error: Refusal | null;
  again(): void;
}

/** Ask for a value, and again when the path or the pulse changes; the old one stays until then. */
export function useAsk<T>(path: string | null, pulse: number | string = 0): Loaded<T> {
  const [found, setFound] = useState<{ path: string; value: T } | null>(null);
  const [error, setError] = useState<Refusal | null>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (path === null) return;
    const stop = new AbortController();
    ask<T>(path, { signal: stop.signal })
      .then((value) => {
        if (stop.signal.aborted) return;
        setFound({ path, value });
        setError(null);
      })
      .catch((reason: unknown) => {
        if (!stop.signal.aborted) setError(reason instanceof Refusal ? reason : new Refusal(0, String(reason)));
      });
    return () => stop.abort();
  }, [path, pulse, turn]);
  const again = useCallback(() => setTurn((k) => k + 1), []);
  const value = found && (found.path === path || sameTable(found.path, path)) ? found.value : null;
  return { value, error: error && !(value && error.status === 0) ? error : null, again };
}

const sameTable = (a: string, b: string | null): boolean => b !== null && a.split("?")[0] === b.split("?")[0];

export function Problem({ error, again }: { error: Refusal; again?: () => void }) {
  const word = useSay();
  const { signIn } = useHouse();
  const damaged = /cannot be read|无法读取/.test(error.message);
  return (
    <div class="problem" role="alert">
      <h2>{error.status === 401 ? word("needAccount") : word("problem")}</h2>
      {damaged && <p>{word("damaged")}</p>}
      {error.status !== 401 && <p class={damaged ? "note" : ""}>{error.status === 0 ? word("away") : error.status === 500 ? word("ownFault") : error.message}</p>}
      {error.status === 401 ? (
        <button class="primary" onClick={signIn}>{word("signIn")}</button>
      ) : (
        again && <button onClick={again}>{word("tryAgain")}</button>
      )}
    </div>
  );
}

/** What to do where no study is served. */
export function NoStudies({ title, children }: { title: Word; children?: ComponentChildren }) {
  const word = useSay();
  return (
    <section class="empty">
      <h1>{word(title)}</h1>
      <p>{word("noStudies")}</p>
      <pre>headwater demo{"\n"}headwater serve headwater-demo</pre>
      {children}
    </section>
  );
}

export function Waiting() {
  const word = useSay();
  return <p class="waiting" role="status">{word("loading")}</p>;
}

/** Show what was asked for, or that it comes, or why it does not. */
export function Shown<T>({ of, children }: { of: Loaded<T>; children: (value: T) => ComponentChildren }) {
  if (of.error) return <Problem error={of.error} again={of.again} />;
  if (of.value === null) return <Waiting />;
  return <>{children(of.value)}</>;
}

export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null);
  const word = useSay();
  useEffect(() => {
    box.current?.showModal();
  }, []);
  return (
    <dialog ref={box} onClose={onClose} aria-labelledby="dialog-title">
      <header>
        <h2 id="dialog-title">{title}</h2>
        <button class="plain" onClick={() => box.current?.close()} aria-label={word("close")}>✕</button>
      </header>
      {children}
    </dialog>
  );
}

export function Tag({ kind, children }: { kind: string; children: ComponentChildren }) {
  return <span class={`tag ${kind}`}>{children}</span>;
}
