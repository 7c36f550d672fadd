import { bytesOf, type OutputBuffer } from '../codec/index.ts';
import type { HeaderEncoder } from '../http2/index.ts';
import type { Binding } from '../listening/binding.ts';
import type { ForwardedFields } from './sides.ts';

const forNames = {
  client: bytesOf('x-forwarded-for: '),
  scheme: {
    http: bytesOf('\r\nx-forwarded-proto: http\r\nx-forwarded-host: '),
    https: bytesOf('\r\nx-forwarded-proto: https\r\nx-forwarded-host: '),
  },
  port: bytesOf('\r\nx-forwarded-port: '),
} as const;

/** `x-forwarded-*` of a first hop; nearly all requests of a connection are for one host. */
export class Forwarded implements ForwardedFields {
  readonly #address: string;
  readonly #binding: Binding;
  readonly #encoder: HeaderEncoder;
  /** The authority of the last lines, which are kept from its second request on: many connections have but one. */
  #linesFor: string | undefined;
  #lines: Buffer | undefined;
  #encodedFor: string | undefined;
  #encoded: Buffer | undefined;

  /** `encoder`: of its own, for another one is in use while this is asked. */
  constructor(address: string, binding: Binding, encoder: HeaderEncoder) {
    this.#address = address;
    this.#binding = binding;
    this.#encoder = encoder;
  }

  putLines(output: OutputBuffer, authority: string): void {
    if (authority === this.#linesFor) {
      const lines = (this.#lines ??= Buffer.from(this.#fields(authority).map(([name, value]) => `${name}: ${value}\r\n`).join(''), 'latin1'));
      output.putBytes(lines, 0, lines.length);
      return;
    }
    this.#linesFor = authority;
    this.#lines = undefined;
    output.putConstant(forNames.client);
    output.putText(this.#address);
    output.putConstant(forNames.scheme[this.#binding.scheme]);
    output.putText(authority);
    output.putConstant(forNames.port);
    output.putDecimal(this.#binding.port);
    output.putLineEnd();
  }

  encoded(authority: string): Buffer {
    if (this.#encoded === undefined || authority !== this.#encodedFor) {
      this.#encodedFor = authority;
      this.#encoder.begin();
      for (const [name, value] of this.#fields(authority)) this.#encoder.put(name, value);
      this.#encoded = this.#encoder.copy();
    }
    return this.#encoded;
  }

  #fields(authority: string): readonly (readonly [string, string])[] {
    return [
      ['x-forwarded-for', this.#address],
      ['x-forwarded-proto', this.#binding.scheme],
      ['x-forwarded-host', authority],
      ['x-forwarded-port', String(this.#binding.port)],
    ];
  }
}
