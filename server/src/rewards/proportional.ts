/**
 * Splits `total` over parts in proportion to their weights, by largest remainder, ties to the earlier part; the parts sum to `total`
 * and none exceeds its weight as long as `total` does not exceed the sum of weights. Whole tokens; exact.
 */
export function splitByLargestRemainder(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((all, weight) => all + BigInt(weight), 0n);
  if (sum === 0n) return weights.map(() => 0);
  const exact = weights.map((weight) => BigInt(total) * BigInt(weight));
  const parts = exact.map((product) => Number(product / sum));
  let leftOver = total - parts.reduce((all, part) => all + part, 0);
  const byRemainder = exact
    .map((product, index) => ({ index, remainder: product % sum }))
    .sort((a, b) => (a.remainder === b.remainder ? a.index - b.index : a.remainder > b.remainder ? -1 : 1));
  for (const { index } of byRemainder) {
    if (leftOver === 0) break;
    parts[index] = (parts[index] ?? 0) + 1;
    leftOver -= 1;
  }
  return parts;
}
