// The sample texts: those of the terminal demo.

import diary from '@flashmla/demo/texts/festival-diary.txt?raw';
import essay from '@flashmla/demo/texts/long-essay-mixed.txt?raw';
import negative from '@flashmla/demo/texts/long-review-negative.txt?raw';
import positive from '@flashmla/demo/texts/long-review-positive.txt?raw';
import short from '@flashmla/demo/texts/short-reviews.txt?raw';

export interface Sample {
  readonly name: string;
  readonly text: string;
}

export const samples: readonly Sample[] = [
  { name: 'One line', text: short.split('\n', 1)[0]! },
  { name: 'Review that loves', text: positive.trim() },
  { name: 'Review that does not', text: negative.trim() },
  { name: 'Essay, mixed', text: essay.trim() },
  { name: 'Festival diary, long', text: diary.trim() },
];
