// The frame round all pages: navigation, language, theme, who is signed in, what has changed.
import { render } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ask, keepToken, Refusal, send, type Session } from "./api";
import { AlertsPage } from "./pages/alerts";
import { MapPage } from "./pages/map";
import { PlanPage } from "./pages/plan";
import { SourcesPage } from "./pages/sources";
import { StationsPage } from "./pages/stations";
import { StudiesPage } from "./pages/studies";
import { Dialog, HouseContext, useHouse, useSay, type House } from "./parts/ui";
import { readAddress, writeAddress, type Address } from "./state";
import { say, sayValue, type Language, type Word } from "./words";

const TABS: [string, Word, () => preact.JSX.Element][] = [
  ["map", "map", MapPage],
  ["stations", "stations", StationsPage],
  ["sources", "sources", SourcesPage],
  ["alerts", "alerts", AlertsPage],
  ["plan", "plan", PlanPage],
  ["studies", "studies", StudiesPage],
];
const EMBEDDED = location.pathname === "/embed";

function kept(key: string, choices: string[], fallback: string): string {
  try {
    const found = localStorage.getItem(key);
    return found && choices.includes(found) ? found : fallback;
  } catch {
    return fallback; // storage may be forbidden
  }
}
function keep(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    /* then it is asked again the next time */
  }
}

function useAddress(): [Address, (next: Address, replace?: boolean) => void] {
  const [address, setAddress] = useState(() => readAddress(location.hash));
  useEffect(() => {
    const heard = () => setAddress(readAddress(location.hash));
    addEventListener("hashchange", heard);
    return () => removeEventListener("hashchange", heard);
  }, []);
  const move = useCallback((next: Address, replace = false) => {
    const text = writeAddress(next);
    if (replace) history.replaceState(null, "", text);
    else history.pushState(null, "", text);
    setAddress(next);
  }, []);
  return [address, move];
}

/** Listen to what changes; while the service is away, say so and go on trying. */
function usePulse(on: boolean): { pulse: number; lost: boolean; alerts: number; studies: string } {
  const [pulse, setPulse] = useState(0);
  const [alerts, setAlerts] = useState(0);
  const [lost, setLost] = useState(false);
  const [studies, setStudies] = useState("");
  useEffect(() => {
    if (!on) return;
    const source = new EventSource("/api/events");
    source.addEventListener("change", (event) => {
      const told = JSON.parse((event as MessageEvent<string>).data) as { alerts?: number; away?: boolean; studies?: string };
      setAlerts(told.alerts ?? 0);
      setLost(Boolean(told.away));
      setStudies(told.studies ?? "");
      setPulse((k) => k + 1);
    });
    source.onopen = () => setLost(false);
    source.onerror = () => setLost(true);
    return () => source.close();
  }, [on]);
  return { pulse, lost, alerts, studies };
}

function App() {
  const [address, move] = useAddress();
  const [language, setLanguage] = useState<Language>(() => {
    const asked = address.values.lang ?? "";
    const own = navigator.language.startsWith("zh") ? "zh" : "en";
    return (["en", "zh"].includes(asked) ? asked : kept("language", ["en", "zh"], own)) as Language;
  });
  const [dark, setDark] = useState(() => {
    const own = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    return (address.values.theme ?? kept("theme", ["dark", "light"], own)) === "dark";
  });
  const [session, setSession] = useState<Session | null>(null);
  const [failed, setFailed] = useState("");
  const [asking, setAsking] = useState(Boolean(address.values.refused));
  const watched = usePulse(Boolean(session?.role));

  const refresh = useCallback(() => {
    ask<Session>("/api/session")
      .then((found) => {
        keepToken(found.token);
        setSession(found);
        setFailed("");
      })
      .catch((error: unknown) => {
        setFailed(error instanceof Refusal && error.status === 0 ? say(language, "away") : error instanceof Refusal ? error.message : String(error));
        setTimeout(refresh, 3000);
      });
  }, []);
  useEffect(refresh, []);
  useEffect(() => {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    document.title = `${say(language, (TABS.find(([page]) => page === address.page)?.[1] ?? "map"))} · Headwater`;
  }, [language, dark, address.page]);

  const house: House | null = useMemo(
    () =>
      session && {
        language,
        dark,
        address,
        session,
        embedded: EMBEDDED,
        pulse: watched.pulse,
        studies: watched.studies,
        go: (page, values = {}) => move({ page, values }),
        set: (values) => {
          // what the hash says now, so that two changes in one moment both stay
          const now = readAddress(location.hash);
          const next = { ...now.values };
          for (const [key, value] of Object.entries(values)) value === null ? delete next[key] : (next[key] = value);
          move({ page: now.page, values: next }, true);
        },
        signIn: () => setAsking(true),
      },
    [language, dark, address, session, watched.pulse, watched.studies],
  );
  if (!house) return <main class="starting"><p role="status">{failed || say(language, "loading")}</p></main>;
  const Page = TABS.find(([page]) => page === address.page)?.[2] ?? MapPage;
  return (
    <HouseContext.Provider value={house}>
      {!EMBEDDED && (
        <TopBar
          alerts={watched.alerts}
          onLanguage={() => {
            const next = language === "en" ? "zh" : "en";
            keep("language", next);
            setLanguage(next);
          }}
          onTheme={() => {
            keep("theme", dark ? "light" : "dark");
            setDark(!dark);
          }}
          onLeft={refresh}
        />
      )}
      {watched.lost && <p class="lost" role="status">{say(language, "lost")}</p>}
      <main id="content" tabIndex={-1} class={`page ${address.page}`}><Page /></main>
      {asking && <SignIn onClose={() => setAsking(false)} onDone={refresh} />}
    </HouseContext.Provider>
  );
}

function TopBar({ alerts, onLanguage, onTheme, onLeft }: { alerts: number; onLanguage: () => void; onTheme: () => void; onLeft: () => void }) {
  const house = useHouse();
  const word = useSay();
  const { session } = house;
  const leave = () => void send("DELETE", "/api/session").finally(onLeft);
  const study = house.address.values.study;
  const tabs = useRef<HTMLElement>(null);
  useEffect(() => {
    const here = tabs.current?.querySelector<HTMLElement>("[aria-current]");
    if (here && tabs.current) tabs.current.scrollLeft = here.offsetLeft - 40; // narrow screens show part of them
  }, [house.address.page]);
  return (
    <header class="top">
      <a class="skip" href="#content" onClick={(e) => { e.preventDefault(); document.getElementById("content")?.focus(); }}>{word("skip")}</a>
      <a class="brand" href="#/map"><svg viewBox="0 0 32 20" width="30" height="19" aria-hidden="true"><path d="M1 18 11 3l6 9 4-6 10 12z" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linejoin="round" /></svg>Headwater</a>
      <nav aria-label="Headwater" ref={tabs}>
        {TABS.map(([page, name]) => (
          <a key={page} href={writeAddress({ page, values: study ? { study } : {} })} aria-current={house.address.page === page ? "page" : undefined}>
            {word(name)}
            {page === "alerts" && alerts > 0 && <span class="count"><span class="visually-hidden">{word("openOnly")}: </span>{alerts}</span>}
          </a>
        ))}
      </nav>
      <div class="who">
        <ShareLink />
        <button class="plain" onClick={onTheme} aria-label={word("theme")} title={word("theme")}>{house.dark ? "☀" : "☾"}</button>
        <button class="plain" onClick={onLanguage} lang={house.language === "en" ? "zh-CN" : "en"}>{house.language === "en" ? "中文" : "English"}</button>
        {session.token ? (
          <>
            <span class="person">{session.name} <small>{sayValue(house.language, "role", session.role ?? "")}</small></span>
            <button onClick={leave}>{word("signOut")}</button>
          </>
        ) : (
          <button class="primary" onClick={house.signIn} title={session.anonymous ? word("lookingOnly") : undefined}>{word("signIn")}</button>
        )}
      </div>
    </header>
  );
}

function ShareLink() {
  const house = useHouse();
  const word = useSay();
  const [done, setDone] = useState(false);
  const copy = () => {
    const link = new URL(location.href);
    link.hash = writeAddress({ page: house.address.page, values: { ...house.address.values, lang: house.language } });
    void navigator.clipboard?.writeText(link.href).then(() => {
      setDone(true);
      setTimeout(() => setDone(false), 2000);
    });
  };
  return <button class="plain share" onClick={copy} aria-live="polite">{word(done ? "copied" : "shareLink")}</button>;
}

function SignIn({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const word = useSay();
  const { address, language, session, set } = useHouse();
  const [error, setError] = useState(address.values.refused ? sayValue(language, "refused", address.values.refused) : "");
  useEffect(() => {
    if (address.values.refused) set({ refused: null }); // or it would be in a shared link
  }, []);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    send("POST", "/api/session", { name: form.get("name"), password: form.get("password") })
      .then(() => {
        onDone();
        onClose();
      })
      .catch((reason: unknown) => setError(reason instanceof Refusal ? reason.message : String(reason)));
  };
  return (
    <Dialog title={word("signIn")} onClose={onClose}>
      <form class="stacked" onSubmit={submit}>
        <label>{word("name")}<input name="name" autocomplete="username" required /></label>
        <label>{word("password")}<input name="password" type="password" autocomplete="current-password" required /></label>
        {error && <p class="wrong" role="alert">{error}</p>}
        <button class="primary">{word("signIn")}</button>
      </form>
      {session.provider && <p class="actions"><a class="button" href={`/api/oidc/begin?back=${encodeURIComponent(writeAddress(address))}`}>{word("signInBy")} {session.provider}</a></p>}
    </Dialog>
  );
}

render(<App />, document.getElementById("root")!);
