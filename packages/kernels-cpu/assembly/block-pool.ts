// block-pool: mean, or maximum, minimum and mean, of the present tokens of each block. A task a block of a head.

/**
 * args: input, mask (or 0), pooled, present u8 [batch, blocks], heads, tokens, features, block, blocks, extremes,
 * batchStride, headStride, tokenStride (bytes)
 */
export function blockPool(args: usize, task: i32, _scratch: usize): void {
  const mask = <usize>load<u32>(args, 4);
  const heads = load<i32>(args, 16);
  const tokens = load<i32>(args, 20);
  const features = load<i32>(args, 24);
  const block = load<i32>(args, 28);
  const blocks = load<i32>(args, 32);
  const extremes = load<i32>(args, 36);
  const batchHead = task / blocks;
  const number = task % blocks;
  const batch = batchHead / heads;
  const head = batchHead % heads;
  const rows =
    <usize>load<u32>(args) + (<usize>batch) * load<u32>(args, 40) + (<usize>head) * load<u32>(args, 44);
  const stride = <usize>load<u32>(args, 48);
  const bytes = (<usize>features) << 2;
  const out = <usize>load<u32>(args, 8) + (<usize>task) * bytes * (extremes ? 3 : 1);
  const mean = extremes ? out + 2 * bytes : out;
  memory.fill(out, 0, extremes ? 3 * bytes : bytes);
  let count: f32 = 0;
  for (let token = number * block; token < min((number + 1) * block, tokens); token++) {
    if (mask && !load<u8>(mask + (<usize>batch) * tokens + token)) continue;
    const row = rows + (<usize>token) * stride;
    for (let i: usize = 0; i < bytes; i += 4) {
      const x = load<f32>(row + i);
      store<f32>(mean + i, load<f32>(mean + i) + x);
      if (extremes) {
        store<f32>(out + i, count == 0 ? x : max(load<f32>(out + i), x));
        store<f32>(out + bytes + i, count == 0 ? x : min(load<f32>(out + bytes + i), x));
      }
    }
    count += 1;
  }
  if (count > 1) {
    for (let i: usize = 0; i < bytes; i += 4) store<f32>(mean + i, load<f32>(mean + i) / count);
  }
  if (head == 0) store<u8>(<usize>load<u32>(args, 12) + (<usize>batch) * blocks + number, count > 0 ? 1 : 0);
}
