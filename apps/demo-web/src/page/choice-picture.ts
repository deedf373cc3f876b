// Draws a map of choices on a canvas, one pixel a cell; the style sheet makes it larger.

import { brightness, type ChoiceMap } from '../chosen.ts';
import { colorOf, mix } from './colors.ts';

const shades = 64;

export function drawChoices(canvas: HTMLCanvasElement, { size, times }: ChoiceMap): void {
  const [from, middle, to] = [colorOf('--cold'), colorOf('--warm'), colorOf('--hot')];
  const palette = Array.from({ length: shades + 1 }, (_, shade) => {
    const share = shade / shades;
    return share < 0.5 ? mix(from, middle, 2 * share) : mix(middle, to, 2 * share - 1);
  });
  canvas.width = size;
  canvas.height = size;
  const image = new ImageData(size, size);
  times.forEach((value, cell) => {
    image.data.set([...palette[Math.round(brightness(value) * shades)]!, 255], 4 * cell);
  });
  canvas.getContext('2d')!.putImageData(image, 0, 0);
}
