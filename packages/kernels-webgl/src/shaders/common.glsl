// What every shader reads its tensors with. WIDTH_BITS is a constant of the device (../layout.ts).

vec4 quadAt(sampler2D t, int texel) {
  return texelFetch(t, ivec2(texel & ((1 << WIDTH_BITS) - 1), texel >> WIDTH_BITS), 0);
}

float at(sampler2D t, int i) {
  return quadAt(t, i >> 2)[i & 3];
}

// Of a tensor whose elements are two numbers each.
vec2 pairAt(sampler2D t, int i) {
  vec4 texel = quadAt(t, i >> 1);
  return (i & 1) == 0 ? texel.xy : texel.zw;
}

// Σ a[startA + k] · b[startB + k], four at a time where both lie on texels.
float dotOf(sampler2D a, int startA, sampler2D b, int startB, int count) {
  float sum = 0.0;
  if (((startA | startB | count) & 3) == 0) {
    for (int k = 0; k < count / 4; k++) sum += dot(quadAt(a, startA / 4 + k), quadAt(b, startB / 4 + k));
  } else {
    for (int k = 0; k < count; k++) sum += at(a, startA + k) * at(b, startB + k);
  }
  return sum;
}

// int32 tensors are halves of 16 bits.
int intAt(sampler2D t, int i) {
  vec2 halves = pairAt(t, i);
  return (int(halves.x) << 16) | int(halves.y);
}

vec2 halvesOf(int value) {
  return vec2(float(value >> 16), float(value & 65535));
}

// Stands for 'not there' in scores and logits. Not −∞: drivers may compile as if there were no infinities, so those
// are only ever written, as results.
const float LOWEST = -3.402823466e38;
const float HIGHEST = 3.402823466e38;

float negativeInfinity() {
  return uintBitsToFloat(0xff800000u);
}

float notANumber() {
  return uintBitsToFloat(0x7fc00000u);
}

// SwiftShader's exp(NaN) and log(NaN) are ∞.
float exponential(float x) {
  return isnan(x) ? x : exp(x);
}

float logarithm(float x) {
  return isnan(x) ? x : log(x);
}

// Where the features of a token begin in [batch, heads, tokens, features] or, tokens first, [batch, tokens, heads, features].
int tokenStart(int batch, int head, int token, int heads, int tokens, int features, int tokensFirst) {
  int row = tokensFirst == 1 ? (batch * tokens + token) * heads + head : (batch * heads + head) * tokens + token;
  return row * features;
}

// The other way round: (batch, head, token) of the row-th run of features.
ivec3 tokenOf(int row, int heads, int tokens, int tokensFirst) {
  int inner = tokensFirst == 1 ? heads : tokens;
  int middle = tokensFirst == 1 ? tokens : heads;
  int a = row % inner;
  int b = (row / inner) % middle;
  int batch = row / (inner * middle);
  return tokensFirst == 1 ? ivec3(batch, a, b) : ivec3(batch, b, a);
}

bool isPresent(sampler2D mask, int hasMask, int i) {
  return hasMask == 0 || at(mask, i) != 0.0;
}

// The token at a position of an order; the natural order where none is given.
int ordered(sampler2D order, int hasOrder, int start, int position) {
  return hasOrder == 0 ? position : intAt(order, start + position);
}
