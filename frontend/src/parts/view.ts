// Where the grid lies on the screen: pure numbers, so that they can be tested.
export interface View {
  /** Cell in the middle of the screen. */
  column: number;
  row: number;
  /** Pixels of a cell's width. */
  zoom: number;
}

export interface Frame {
  columns: number;
  rows: number;
  /** Height of a cell by its width. */
  stretch: number;
  width: number;
  height: number;
}

export function wholeArea(frame: Frame): View {
  const zoom = Math.min(frame.width / frame.columns, frame.height / (frame.rows * frame.stretch)) * 0.94;
  return { column: frame.columns / 2, row: frame.rows / 2, zoom: Math.max(zoom, 0.01) };
}

export const toScreen = (view: View, frame: Frame, column: number, row: number): [number, number] => [
  frame.width / 2 + (column - view.column) * view.zoom,
  frame.height / 2 + (row - view.row) * view.zoom * frame.stretch,
];

export const toCell = (view: View, frame: Frame, x: number, y: number): [number, number] => [
  view.column + (x - frame.width / 2) / view.zoom,
  view.row + (y - frame.height / 2) / (view.zoom * frame.stretch),
];

/** Zoom about a point of the screen, which stays where it is. */
export function zoomAt(view: View, frame: Frame, factor: number, x: number, y: number): View {
  const least = wholeArea(frame).zoom * 0.5;
  const zoom = Math.min(Math.max(view.zoom * factor, least), 120);
  const [column, row] = toCell(view, frame, x, y);
  return {
    zoom,
    column: column - (x - frame.width / 2) / zoom,
    row: row - (y - frame.height / 2) / (zoom * frame.stretch),
  };
}

/** A round length for the scale bar, and its pixels. */
export function scaleBar(km: number, zoom: number, most = 120): { km: number; pixels: number } {
  const widest = (most / zoom) * km;
  const power = 10 ** Math.floor(Math.log10(widest));
  const length = [5, 2, 1].map((f) => f * power).find((v) => v <= widest) ?? power;
  return { km: length, pixels: (length / km) * zoom };
}

/** Move the view only as far as a cell needs to be seen. */
export function follow(view: View, frame: Frame, [column, row]: [number, number]): View {
  const [x, y] = toScreen(view, frame, column, row);
  const edge = Math.min(40, frame.width / 4, frame.height / 4);
  const beyond = (at: number, most: number) => Math.min(0, at - edge) + Math.max(0, at - (most - edge));
  return {
    ...view,
    column: view.column + beyond(x, frame.width) / view.zoom,
    row: view.row + beyond(y, frame.height) / (view.zoom * frame.stretch),
  };
}
