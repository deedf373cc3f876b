// Builds the bytes of an ONNX model: inputs, constants, nodes, one output. It knows the ONNX schema (field numbers of
// https://github.com/onnx/onnx/blob/main/onnx/onnx.proto) and nothing about what a graph computes; the runtime that
// loads the bytes checks operators and shapes.
//
// Why not a library: the one npm package for this, `onnx-proto`, stopped at ONNX 1.10 and protobufjs 6 and holds the
// whole schema, readers included. The dozen messages a benchmark writes are shorter than the code that would wrap it.

import { FlashMLAError } from '@flashmla/tensor';
import { ProtobufMessage } from './protobuf.ts';

/** A fixed size, or the name of a size that is only known when the model runs. */
export type Dimension = number | string;

export type Attribute = { int: number } | { float: number } | { ints: readonly number[] } | { string: string };

export interface NodeOptions {
  /** Operator set the node belongs to; the standard one by default. */
  domain?: Domain;
  attributes?: Record<string, Attribute>;
}

type Domain = '' | 'com.microsoft';

// Opset 20 is the first with Gelu; IR version 9 is the one released with it.
const irVersion = 9;
const opsets: Record<Domain, number> = { '': 20, 'com.microsoft': 1 };

/** Numbers of ONNX's element types, which a Cast names as well. */
export const elementType = { float: 1, int8: 3, int64: 7 } as const;

export type ElementType = keyof typeof elementType;

const attributeType = { float: 1, int: 2, string: 3, ints: 7 } as const;

/** Protobuf lengths are signed 32-bit integers in the readers that matter. */
const protobufLimitBytes = 2 ** 31 - 1;

/** A graph under construction. Values are referred to by name, as in ONNX itself. */
export class OnnxGraph {
  readonly #graph = new ProtobufMessage();
  #nodeCount = 0;

  constructor(name: string) {
    this.#graph.string(2, name);
  }

  /** Declares an input of shape `dimensions`; returns its name. */
  input(name: string, dimensions: readonly Dimension[], type: ElementType = 'float'): string {
    this.#graph.message(11, valueInfo(name, dimensions, type));
    return name;
  }

  /** Declares the value `name`, which a node computes, as an f32 output of shape `dimensions`. */
  output(name: string, dimensions: readonly Dimension[]): void {
    this.#graph.message(12, valueInfo(name, dimensions, 'float'));
  }

  /** Adds an initializer; returns its name. `data` is kept by reference until `toBytes`. */
  constant(name: string, data: ConstantData, shape: readonly number[]): string {
    const tensor = new ProtobufMessage();
    for (const size of shape) tensor.int(1, size);
    tensor
      .int(2, elementType[typeOf(data)])
      .string(8, name)
      .bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    this.#graph.message(5, tensor);
    return name;
  }

  /** Adds a node with one output, named `output`; returns that name. An input of `''` is an optional one left out. */
  node(operator: string, inputs: readonly string[], output: string, options: NodeOptions = {}): string {
    this.nodeOf(operator, inputs, [output], options);
    return output;
  }

  /** Adds a node with several outputs, named `outputs`. */
  nodeOf(operator: string, inputs: readonly string[], outputs: readonly string[], options: NodeOptions = {}): void {
    const node = new ProtobufMessage();
    for (const input of inputs) node.string(1, input);
    for (const output of outputs) node.string(2, output);
    node.string(3, `${operator}-${this.#nodeCount}`).string(4, operator);
    for (const [name, value] of Object.entries(options.attributes ?? {})) node.message(5, attribute(name, value));
    if (options.domain) node.string(7, options.domain);
    this.#graph.message(1, node);
    this.#nodeCount += 1;
  }

  /**
   * The model's bytes.
   * @throws FlashMLAError `unsupported` when they would exceed protobuf's 2 GiB.
   */
  toBytes(): Uint8Array {
    const model = new ProtobufMessage().int(1, irVersion).string(2, 'flashmla-bench').message(7, this.#graph);
    for (const [domain, version] of Object.entries(opsets)) {
      model.message(8, new ProtobufMessage().string(1, domain).int(2, version));
    }
    if (model.byteLength > protobufLimitBytes) {
      throw new FlashMLAError(
        'unsupported',
        `[flashmla] an ONNX model of ${model.byteLength} bytes was asked for, protobuf holds at most ` +
          `${protobufLimitBytes}. Give the peer fewer layers.`,
      );
    }
    return model.toBytes();
  }
}

type ConstantData = Float32Array | BigInt64Array | Int8Array;

function typeOf(data: ConstantData): ElementType {
  if (data instanceof Float32Array) return 'float';
  return data instanceof Int8Array ? 'int8' : 'int64';
}

function valueInfo(name: string, dimensions: readonly Dimension[], type: ElementType): ProtobufMessage {
  const shape = new ProtobufMessage();
  for (const size of dimensions) {
    const dimension = new ProtobufMessage();
    shape.message(1, typeof size === 'number' ? dimension.int(1, size) : dimension.string(2, size));
  }
  const tensorType = new ProtobufMessage().int(1, elementType[type]).message(2, shape);
  return new ProtobufMessage().string(1, name).message(2, new ProtobufMessage().message(1, tensorType));
}

function attribute(name: string, value: Attribute): ProtobufMessage {
  const message = new ProtobufMessage().string(1, name);
  if ('int' in value) return message.int(3, value.int).int(20, attributeType.int);
  if ('string' in value) return message.string(4, value.string).int(20, attributeType.string);
  if ('float' in value) return message.float(2, value.float).int(20, attributeType.float);
  for (const item of value.ints) message.int(8, item);
  return message.int(20, attributeType.ints);
}
