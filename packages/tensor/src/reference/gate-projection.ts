// Reference of ops/gate-projection.ts: output[b, h, t] = input[b, h, t] · map[h].

import type { GateProjectionProblem } from '../ops/gate-projection.ts';
import { type Reference, rowsOf } from './arrays.ts';

export const gateProjection: Reference<GateProjectionProblem> = (p, { input, map }) => {
  const { layout, heads, tokens, features, rank } = p;
  const output = new Float64Array(p.batch * heads * tokens * rank);
  for (let batch = 0; batch < p.batch; batch++) {
    for (let head = 0; head < heads; head++) {
      rowsOf(input, { layout, heads, tokens, features }, batch, head).forEach((row, token) => {
        const start = ((batch * heads + head) * tokens + token) * rank;
        for (let i = 0; i < features; i++) {
          for (let j = 0; j < rank; j++) output[start + j] += row[i] * map[(head * features + i) * rank + j];
        }
      });
    }
  }
  return { output };
};
