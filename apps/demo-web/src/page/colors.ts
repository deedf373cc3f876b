// The colours of the style sheet, for what is drawn on canvases.

export type Rgb = readonly [red: number, green: number, blue: number];

/** @param name of a custom property whose value is #rrggbb in both schemes */
export function colorOf(name: string): Rgb {
  const value = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const number = Number.parseInt(value.slice(1), 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}

export const mix = (from: Rgb, to: Rgb, share: number): Rgb =>
  from.map((value, channel) => Math.round(value + (to[channel]! - value) * share)) as unknown as Rgb;

/** Calls `redraw` whenever the colour scheme changes. */
export function onSchemeChange(redraw: () => void): void {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
}
