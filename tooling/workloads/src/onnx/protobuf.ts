// A writer for the protobuf wire format (https://protobuf.dev/programming-guides/encoding): the four shapes of field
// that an ONNX model uses. Field numbers and types are the caller's, who knows the schema; nothing is read back here.
//
// Large byte fields are kept by reference and copied once, in `toBytes`, so that a model of several hundred megabytes
// needs no second copy of its weights on the way.

const wireType = { varint: 0, lengthDelimited: 2, fixed32: 5 } as const;

const utf8 = new TextEncoder();

/** One protobuf message, written field by field in the order of the calls. */
export class ProtobufMessage {
  readonly #parts: Uint8Array[] = [];
  #byteLength = 0;

  get byteLength(): number {
    return this.#byteLength;
  }

  /** An int32, int64, enum or bool field. `value` is a safe integer; a negative one takes ten bytes, as specified. */
  int(field: number, value: number): this {
    this.#tag(field, wireType.varint);
    return this.#append(varint(value));
  }

  float(field: number, value: number): this {
    this.#tag(field, wireType.fixed32);
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.#append(bytes);
  }

  string(field: number, text: string): this {
    return this.bytes(field, utf8.encode(text));
  }

  /** `bytes` is kept by reference: it must not change before `toBytes`. */
  bytes(field: number, bytes: Uint8Array): this {
    this.#tag(field, wireType.lengthDelimited);
    return this.#append(varint(bytes.byteLength)).#append(bytes);
  }

  /** Embeds `message` as it is now; fields added to it later are not taken along. */
  message(field: number, message: ProtobufMessage): this {
    this.#tag(field, wireType.lengthDelimited);
    this.#append(varint(message.byteLength));
    for (const part of message.#parts) this.#append(part);
    return this;
  }

  toBytes(): Uint8Array {
    const bytes = new Uint8Array(this.#byteLength);
    let offset = 0;
    for (const part of this.#parts) {
      bytes.set(part, offset);
      offset += part.byteLength;
    }
    return bytes;
  }

  #tag(field: number, wire: number): void {
    this.#append(varint(field * 8 + wire));
  }

  #append(part: Uint8Array): this {
    this.#parts.push(part);
    this.#byteLength += part.byteLength;
    return this;
  }
}

/** Base-128, least significant group first; negatives as 64-bit two's complement. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
