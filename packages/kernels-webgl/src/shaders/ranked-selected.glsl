// Whether a column is among the best of its row: `least` is (the lowest score that is, the last column that is with just
// that score), as ranked-threshold.glsl finds them. LOWEST never is, nor is NaN.

bool isSelected(float score, int column, vec2 least) {
  if (!(score > LOWEST)) return false;
  return score > least.x || (score == least.x && column <= int(least.y));
}
