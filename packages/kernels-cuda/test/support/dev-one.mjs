// test/dev-one.ts
import { conformanceCases } from "@flashmla/conformance";
import { reference, roundToFloat16 as r } from "@flashmla/tensor";
var c = conformanceCases().find(({ name }) => name === "sparse-attention: tiles 64\xD764, 1\xD72\xD716\xD716\xD716, float16");
var inp = c.inputs();
var p = c.problem;
var naive = reference(c.problem, inp, r).output;
var exact = reference(c.problem, inp).output;
console.log(p, inp.indices);
var q = 13;
var f = 6;
var D = 16;
var row = [...Array(16).keys()].map((k) => {
  let s = 0;
  for (let d = 0; d < D; d++) s += inp.query[q * D + d] * inp.key[k * D + d];
  return s * p.scale;
});
var m = Math.max(...row);
var w = row.map((x) => Math.exp(x - m));
var t = w.reduce((a, b) => a + b);
var o = (ws, t2) => ws.reduce((a, x, k) => a + x * inp.value[k * D + f], 0) / t2;
console.log("exact", exact[214], o(w, t), "roundedP", o(w.map(r), t), r(o(w.map(r), t)), "consistent", r(o(w.map(r), w.map(r).reduce((a, b) => a + b))), "naive", naive[214]);
console.log(w, w.map((x, k) => (r(x) - x) * inp.value[k * D + f] / t));
var wt = w.map((x) => x / t);
console.log("norm-rounded", r(o(wt.map(r), 1)));
