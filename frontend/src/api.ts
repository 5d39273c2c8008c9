// All that is asked of the service; nothing is asked of any other host.
import type { Legend } from "./palette";

export class Refusal extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

let token: string | null = null;
export const keepToken = (given: string | null): void => {
  token = given;
};

export async function ask<T>(path: string, options: RequestInit = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json", "Accept-Language": document.documentElement.lang };
  if (typeof options.body === "string") headers["Content-Type"] = "application/json";
  if (options.method && token) headers["X-CSRF-Token"] = token;
  let answer: Response;
  try {
    answer = await fetch(path, { ...options, headers, credentials: "same-origin" });
  } catch {
    throw new Refusal(0, "The service does not answer.");
  }
  if (!answer.ok) {
    const text = await answer.text();
    let message = text.slice(0, 300);
    try {
      message = (JSON.parse(text) as { message: string }).message;
    } catch {
      /* not one of ours: shown as it came */
    }
    throw new Refusal(answer.status, message || `HTTP ${answer.status}`);
  }
  return (await answer.json()) as T;
}

export const send = <T>(method: string, path: string, body?: unknown): Promise<T> =>
  ask<T>(path, body === undefined ? { method } : { method, body: JSON.stringify(body) });

export const sendFile = <T>(path: string, file: Blob): Promise<T> => ask<T>(path, { method: "PUT", body: file });

export interface Session {
  name: string | null;
  role: "viewer" | "ranger" | "editor" | "admin" | null;
  token: string | null;
  anonymous: boolean;
  /** Of OpenID, by its name. */
  provider: string | null;
}
export interface Step {
  name: string;
  seconds: number | null;
  started: string | null;
}
export interface StudyCard {
  id: string;
  name: string;
  problem?: string;
  fingerprint?: string;
  layers?: number;
  shape?: [number, number] | null;
  version?: string;
  steps?: Step[];
  finished?: string[];
  running?: string[];
  report?: boolean;
  isotopes?: boolean;
  plan?: string | null;
  may_run?: boolean;
  tables?: string[];
}
export interface RunProgress {
  state: "running" | "finished" | "failed" | "stopped";
  by: string;
  seconds: number;
  done: string[];
  step: string;
  what: string;
  lines: string[];
}
export interface LayerEntry {
  id: string;
  group: string;
  title: [string, string];
  units: string;
  kind: string;
  cube: boolean;
  mask: boolean;
  hash: string;
  notes: string[];
}
export interface Grid {
  rows: number;
  columns: number;
  stretch: number;
  km: number;
  geographic: boolean;
  x: [number, number];
  y: [number, number];
  outline: [number, number][][];
}
export interface Study extends Omit<StudyCard, "layers"> {
  grid: Grid | null;
  groups: Record<string, [string, string]>;
  layers: LayerEntry[];
}
export interface LayerDetail extends LayerEntry, Legend {
  kind: string;
  block: number;
  times: string[] | null;
}
export interface SeriesAnswer {
  units: string;
  title: [string, string];
  cells: number;
  times: string[];
  values: (number | null)[];
  usual: { low: (number | null)[]; middle: (number | null)[]; high: (number | null)[] };
  longitude: number;
  latitude: number;
  elevation: number | null;
  forecast: Forecast | null;
}
type Numbers = (number | null)[];
export interface Forecast {
  band: string;
  of: Record<string, { date: string[]; low: Numbers; lower: Numbers; median: Numbers; upper: Numbers; high: Numbers; normal: Numbers; observed: Numbers; skill: Numbers; skill_low?: Numbers }>;
}
export interface Sentence {
  kind: string;
  text: [string, string];
  source: string;
}
export interface StationSeries {
  id: number;
  name: string;
  role: string;
  depth: number | null;
  value: string;
  unit: string;
  time: string;
  received: string;
  kind: string;
  quality: string;
  brief: string;
}
export interface Station {
  id: number;
  name: string;
  description: string;
  longitude: number | null;
  latitude: number | null;
  elevation: number | null;
  health: "good" | "doubt" | "silent" | "none";
  series: StationSeries[];
  column?: number;
  row?: number;
}
export interface Points {
  id: number;
  name: string;
  role: string;
  unit: string;
  depth: number | null;
  times: number[];
  values: (number | null)[];
  flags: string[];
}
export interface Alert {
  key: string;
  rule: string;
  state: "firing" | "acknowledged" | "resolved";
  severity: string;
  headline: string;
  station: string;
  station_id: number | null;
  quantity: string;
  depth: number | null;
  raised: string;
  resolved: string | null;
  acknowledged: string | null;
  acknowledged_by: string | null;
}

const kept = new Map<string, Promise<Uint8Array>>();
const MOST = 24;

/** Undo the differences between maps, in place. */
export function accumulate(all: Uint8Array, size: number): Uint8Array {
  for (let k = size; k < all.length; k++) all[k] = all[k]! + all[k - size]!;
  return all;
}

/** Maps of a block as bytes; kept here, and by the browser for ever since the address names the result. */
export function block(study: string, layer: LayerEntry, number: number, size: number): Promise<Uint8Array> {
  const path = `/api/studies/${study}/layers/${layer.id}/blocks/${number}?v=${layer.hash}`;
  const known = kept.get(path);
  if (known) {
    kept.delete(path);
    kept.set(path, known);
    return known;
  }
  const got = layer.cube ? bytes(path).then((all) => accumulate(all, size)) : bytes(path);
  const coming = got.catch((error: unknown) => {
    kept.delete(path);
    throw error;
  });
  kept.set(path, coming);
  if (kept.size > MOST) kept.delete(kept.keys().next().value as string);
  return coming;
}

export async function bytes(path: string): Promise<Uint8Array> {
  const answer = await fetch(path, { credentials: "same-origin" });
  if (!answer.ok) throw new Refusal(answer.status, `${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}
