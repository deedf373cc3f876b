// Selection of an order statistic in linear time.

/** The k-th largest of `values`, −∞ when there are fewer than k. Hoare's quickselect (1961); `values` is left as it is. */
export function kthLargest(values: Float64Array, k: number): number {
  if (k > values.length) return Number.NEGATIVE_INFINITY;
  const work = values.slice();
  const target = k - 1;
  let low = 0;
  let high = work.length - 1;
  while (low < high) {
    const pivot = work[(low + high) >> 1];
    let left = low;
    let right = high;
    while (left <= right) {
      while (work[left] > pivot) left++;
      while (work[right] < pivot) right--;
      if (left > right) break;
      const swapped = work[left];
      work[left++] = work[right];
      work[right--] = swapped;
    }
    if (target <= right) high = right;
    else if (target >= left) low = left;
    else return work[target];
  }
  return work[target];
}
