/**
 * Reads a ConfigMap from Kubernetes' protobuf: a new `kubectl create configmap` sends that. The numbers of the fields
 * are those of generated.proto in k8s.io/api/core/v1 and k8s.io/apimachinery.
 *
 * @module
 */
import type { Manifest } from "./kustomize.ts";

/** "k8s" and a zero, before the envelope (runtime.Unknown). */
const MAGIC_LENGTH = 4;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** A field of a message: an integer, or the bytes of a string or another message. */
type Field = readonly [number: number, value: number | Uint8Array];

/** The ConfigMap in the body of a request; throws a TypeError where there is more than a name, a namespace and data. */
export function parseConfigMap(body: Uint8Array): Manifest {
  const envelope = readFields(body.subarray(MAGIC_LENGTH));
  const type = readFields(bytesOf(envelope, 1));
  const object = readFields(bytesOf(envelope, 2));
  const metadata = readFields(bytesOf(object, 1));
  refuseOthers(object, [1, 2]);
  refuseOthers(metadata, [1, 3]);
  const data = object.filter(([number]) => number === 2).map(([, entry]) => {
    const fields = readFields(entry as Uint8Array);
    return [textOf(fields, 1), textOf(fields, 2)];
  });
  return {
    apiVersion: textOf(type, 1),
    kind: textOf(type, 2),
    metadata: { name: textOf(metadata, 1), namespace: textOf(metadata, 3) },
    data: Object.fromEntries(data),
  };
}

function readFields(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const readInteger = () => {
    let value = 0;
    for (let shift = 1; at < bytes.length; shift *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
    throw new TypeError("The message ends within an integer");
  };
  while (at < bytes.length) {
    const tag = readInteger();
    const value = readInteger();
    const [number, wireType] = [Math.floor(tag / 8), tag % 8];
    if (wireType === 0) fields.push([number, value]);
    else if (wireType === 2) fields.push([number, bytes.subarray(at, at += value)]);
    else throw new TypeError(`Field ${number} has wire type ${wireType}, which is not read here`);
  }
  return fields;
}

function bytesOf(fields: readonly Field[], wanted: number): Uint8Array {
  const value = fields.find(([number]) => number === wanted)?.[1];
  if (!(value instanceof Uint8Array)) throw new TypeError(`No field ${wanted}`);
  return value;
}

function textOf(fields: readonly Field[], wanted: number): string {
  return decoder.decode(bytesOf(fields, wanted));
}

/** Kubernetes writes fields without a value too. */
function refuseOthers(fields: readonly Field[], known: readonly number[]): void {
  for (const [number, value] of fields) {
    const isEmpty = value instanceof Uint8Array ? value.length === 0 : value === 0;
    if (!known.includes(number) && !isEmpty) throw new TypeError(`Field ${number} is not read here`);
  }
}
