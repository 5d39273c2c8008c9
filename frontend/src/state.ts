// The whole state of the page stands in its address, so that a link shows another the same.
export interface Address {
  page: string;
  values: Record<string, string>;
}

export const PAGES = ["map", "stations", "sources", "alerts", "plan", "studies"] as const;

/** Read "#/map?study=a&t=2021-07-15"; whatever is not a page is the map. */
export function readAddress(hash: string): Address {
  const text = hash.replace(/^#\/?/, "");
  const cut = text.indexOf("?");
  const page = cut < 0 ? text : text.slice(0, cut);
  const values: Record<string, string> = {};
  if (cut >= 0) for (const [key, value] of new URLSearchParams(text.slice(cut + 1))) values[key] = value;
  return { page: (PAGES as readonly string[]).includes(page) ? page : "map", values };
}

export function writeAddress(address: Address): string {
  const kept = Object.entries(address.values).filter(([, value]) => value !== "");
  const query = new URLSearchParams(kept).toString();
  return `#/${address.page}${query ? `?${query}` : ""}`;
}

export type Corners = [number, number][];

/** Read "80.5,30.5;81,31"; null for anything else. */
export function readCorners(text: string | undefined): Corners | null {
  if (!text) return null;
  const found = text.split(";").map((pair) => pair.split(",").map(Number));
  const right = found.every((pair) => pair.length === 2 && pair.every(Number.isFinite));
  return right && (found.length === 1 || found.length >= 3) ? (found as Corners) : null;
}

export const writeCorners = (corners: Corners): string =>
  corners.map(([x, y]) => `${+x.toFixed(2)},${+y.toFixed(2)}`).join(";");
