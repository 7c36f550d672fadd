import { envelope, integer, optional, text } from '../stream/check.ts';

/** The first frame of a proxy. */
export interface Hello {
  /** Of the protocol: 1. */
  readonly version: number;
  /** The service account token of the proxy's Pod, for `streamAudience`. */
  readonly token: string;
  /** Tells the processes of one Pod apart. */
  readonly instance?: string;
}

/** The audience of the tokens that proxies show. */
export const streamAudience = 'weft-mesh.io';
export const wireVersion = 1;

const shape = envelope<Hello>({ version: integer(1, 1000), token: text(24 << 10), instance: optional(text(32)) });

/** A text says why it is none. */
export function decodeHello(encoded: string): Hello | string {
  let value: unknown;
  try {
    value = JSON.parse(encoded);
  } catch {
    return 'the hello is not JSON';
  }
  const fault = shape(value);
  if (fault !== undefined) return `hello${fault}`;
  const hello = value as Hello;
  if (hello.version !== wireVersion) return `version ${hello.version} of the stream is not spoken here; ${wireVersion} is`;
  return hello.instance === undefined || /^[a-z0-9-]+$/.test(hello.instance) ? hello : 'hello.instance: only a-z, 0-9 and - may be in it';
}
