// Draws the map: relief, one or two layers of bytes, outline, stations, plan, place.
import type { Corners } from "../state";
import { toScreen, type Frame, type View } from "./view";

export interface Picture {
  bytes: Uint8Array | null;
  /** 1 where significant, 0 where not; null where the layer does not say. */
  mask: Uint8Array | null;
  table: Uint32Array;
}
export interface Mark {
  column: number;
  row: number;
  name: string;
  kind: string;
}
export interface Scene {
  view: View;
  frame: Frame;
  relief: HTMLCanvasElement | null;
  first: HTMLCanvasElement | null;
  second: HTMLCanvasElement | null;
  /** Share of the width that shows the first layer. */
  divide: number;
  opacity: number;
  /** Strength of the relief. */
  light: number;
  outline: [number, number][][];
  marks: Mark[];
  rings: { ring: [number, number][]; state: string; name: string }[];
  pies: { column: number; row: number; label: string; parts: { share: number; colour: string }[] }[];
  place: Corners | null;
  cursor: [number, number] | null;
  sketch: [number, number][];
  ink: { line: string; halo: string; accent: string };
}

const PALE = 0x59;

/** Colour the bytes of a map; cells that are not significant are pale. */
export function colour(target: HTMLCanvasElement, columns: number, rows: number, picture: Picture): void {
  target.width = columns;
  target.height = rows;
  const context = target.getContext("2d")!;
  const image = context.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const { bytes, table, mask } = picture;
  if (bytes)
    for (let k = 0; k < pixels.length; k++) {
      const colour = table[bytes[k]!]!;
      pixels[k] = mask && mask[k] === 0 && colour ? (colour & 0xffffff) | (PALE << 24) : colour;
    }
  context.putImageData(image, 0, 0);
}

/** Draw the relief: rows and columns as four bytes each, then a byte for each pixel. */
export function shade(target: HTMLCanvasElement, sent: Uint8Array): void {
  const head = new DataView(sent.buffer, sent.byteOffset, 8);
  const [rows, columns, bytes] = [head.getUint32(0, true), head.getUint32(4, true), sent.subarray(8)];
  target.width = columns;
  target.height = rows;
  const context = target.getContext("2d")!;
  const image = context.createImageData(columns, rows);
  for (let k = 0; k < bytes.length; k++) {
    image.data[4 * k] = image.data[4 * k + 1] = image.data[4 * k + 2] = 255;
    if (bytes[k]! < 180) image.data[4 * k] = image.data[4 * k + 1] = image.data[4 * k + 2] = 0;
    // brighter or darker than flat ground, so that colours below keep their hue
    image.data[4 * k + 3] = bytes[k] ? Math.min(255, Math.abs(bytes[k]! - 180) * 1.5) : 0;
  }
  context.putImageData(image, 0, 0);
}

export function draw(canvas: HTMLCanvasElement, scene: Scene): void {
  const { frame, view } = scene;
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [Math.round(frame.width * ratio), Math.round(frame.height * ratio)];
  if (canvas.width !== wide) canvas.width = wide;
  if (canvas.height !== high) canvas.height = high;
  const c = canvas.getContext("2d")!;
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.clearRect(0, 0, frame.width, frame.height);
  const [x, y] = toScreen(view, frame, 0, 0);
  const [w, h] = [frame.columns * view.zoom, frame.rows * view.zoom * frame.stretch];
  c.imageSmoothingEnabled = false;
  c.globalAlpha = scene.opacity;
  const edge = scene.second ? frame.width * scene.divide : frame.width;
  if (scene.first) clipped(c, 0, edge, frame.height, () => c.drawImage(scene.first!, x, y, w, h));
  if (scene.second)
    clipped(c, edge, frame.width, frame.height, () => c.drawImage(scene.second!, x, y, w, h));
  if (scene.relief) {
    c.globalAlpha = scene.light;
    c.imageSmoothingEnabled = true;
    c.drawImage(scene.relief, x, y, w, h);
  }
  c.globalAlpha = 1;
  drawLines(c, scene);
  if (scene.second) drawDivide(c, edge, frame.height, scene);
  drawPies(c, scene);
  drawMarks(c, scene);
}


function drawPies(c: CanvasRenderingContext2D, scene: Scene) {
  c.font = "600 11px system-ui, 'Noto Sans', 'Noto Sans CJK SC', sans-serif";
  c.textAlign = "center";
  c.textBaseline = "middle";
  const radius = Math.max(9, Math.min(19, scene.frame.width * 0.028));
  for (const pie of scene.pies) {
    const [x, y] = toScreen(scene.view, scene.frame, pie.column, pie.row);
    let from = -Math.PI / 2;
    const whole = pie.parts.reduce((sum, part) => sum + part.share, 0) || 1;
    for (const part of pie.parts) {
      const to = from + (2 * Math.PI * part.share) / whole;
      c.beginPath();
      c.moveTo(x, y);
      c.arc(x, y, radius, from, to);
      c.closePath();
      c.fillStyle = part.colour;
      c.fill();
      from = to;
    }
    c.beginPath();
    c.arc(x, y, radius, 0, 7);
    c.strokeStyle = "#fff";
    c.lineWidth = 2;
    c.stroke();
    c.lineWidth = 3.5;
    c.strokeStyle = scene.ink.halo;
    const half = c.measureText(pie.label).width / 2 + 3;
    const middle = Math.max(half, Math.min(x, scene.frame.width - half)); // within the map
    c.strokeText(pie.label, middle, y + radius + 9);
    c.fillStyle = scene.ink.line;
    c.fillText(pie.label, middle, y + radius + 9);
  }
  c.textAlign = "left";
}

function clipped(c: CanvasRenderingContext2D, from: number, to: number, high: number, paint: () => void) {
  c.save();
  c.beginPath();
  c.rect(from, 0, to - from, high);
  c.clip();
  paint();
  c.restore();
}

function trace(c: CanvasRenderingContext2D, scene: Scene, ring: [number, number][], close = true) {
  c.beginPath();
  ring.forEach(([column, row], k) => {
    const [x, y] = toScreen(scene.view, scene.frame, column, row);
    if (k) c.lineTo(x, y);
    else c.moveTo(x, y);
  });
  if (close) c.closePath();
}

function stroke(c: CanvasRenderingContext2D, scene: Scene, width: number, colour = scene.ink.line) {
  c.lineJoin = "round";
  c.strokeStyle = scene.ink.halo;
  c.lineWidth = width + 2.5;
  c.stroke();
  c.strokeStyle = colour;
  c.lineWidth = width;
  c.stroke();
}

const PLAN: Record<string, string> = {
  draft: "#8a8f98",
  proposed: "#b36b00",
  approved: "#0b7a4b",
  declined: "#9b2c2c",
  done: "#1f5fa8",
  evaluated: "#1f5fa8",
};

function drawLines(c: CanvasRenderingContext2D, scene: Scene) {
  for (const ring of scene.outline) {
    trace(c, scene, ring);
    c.strokeStyle = scene.ink.line;
    c.lineWidth = 1;
    c.stroke();
  }
  for (const one of scene.rings) {
    trace(c, scene, one.ring);
    c.fillStyle = `${PLAN[one.state] ?? "#8a8f98"}33`;
    c.fill();
    stroke(c, scene, 1.6, PLAN[one.state]);
  }
  if (scene.place) {
    trace(c, scene, scene.place.length === 1 ? cellRing(scene.place[0]!) : scene.place);
    stroke(c, scene, 2, scene.ink.accent);
  }
  if (scene.cursor) {
    trace(c, scene, cellRing(scene.cursor));
    stroke(c, scene, 1.5);
  }
  if (scene.sketch.length) {
    trace(c, scene, scene.sketch, false);
    stroke(c, scene, 2, scene.ink.accent);
  }
}

const cellRing = ([column, row]: [number, number]): [number, number][] => {
  const [x, y] = [Math.floor(column), Math.floor(row)];
  return [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1]];
};

function drawDivide(c: CanvasRenderingContext2D, x: number, high: number, scene: Scene) {
  c.beginPath();
  c.moveTo(x, 0);
  c.lineTo(x, high);
  stroke(c, scene, 2);
}

const MARK: Record<string, string> = { good: "#0b7a4b", doubt: "#b34700", silent: "#5d6570", none: "#8a8f98", alert: "#b3131b" };

function drawMarks(c: CanvasRenderingContext2D, scene: Scene) {
  c.font = "600 12px system-ui, 'Noto Sans', 'Noto Sans CJK SC', sans-serif";
  c.textBaseline = "middle";
  const taken: [number, number, number][] = [];
  for (const mark of scene.marks) {
    const [x, y] = toScreen(scene.view, scene.frame, mark.column, mark.row);
    if (x < -20 || y < -20 || x > scene.frame.width + 20 || y > scene.frame.height + 20) continue;
    c.beginPath();
    if (mark.kind === "alert") {
      c.moveTo(x, y - 8);
      c.lineTo(x + 8, y + 6);
      c.lineTo(x - 8, y + 6);
      c.closePath();
    } else c.arc(x, y, 5.5, 0, 7);
    c.fillStyle = MARK[mark.kind] ?? MARK.none!;
    c.fill();
    c.strokeStyle = "#fff";
    c.lineWidth = 2;
    c.stroke();
    const wide = c.measureText(mark.name).width;
    const left = x + 10 + wide > scene.frame.width ? x - 10 - wide : x + 10; // within the map
    const free = taken.every(([a, b, w]) => Math.abs(b - y) > 14 || left > a + w || left + wide < a);
    if (!free) continue; // names that would lie over others are in the list of stations
    taken.push([left, y, wide]);
    c.lineWidth = 3.5;
    c.strokeStyle = scene.ink.halo;
    c.strokeText(mark.name, left, y);
    c.fillStyle = scene.ink.line;
    c.fillText(mark.name, left, y);
  }
}
