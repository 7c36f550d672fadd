import type { HeaderEncoder } from '../http2/index.ts';
import type { Binding } from '../listening/binding.ts';
import type { ForwardedFields } from './sides.ts';

/** `x-forwarded-*` of a first hop; nearly all requests of a connection are for one host. */
export class Forwarded implements ForwardedFields {
  readonly #address: string;
  readonly #binding: Binding;
  readonly #encoder: HeaderEncoder;
  #linesFor: string | undefined;
  #lines: Buffer = Buffer.alloc(0);
  #encodedFor: string | undefined;
  #encoded: Buffer = Buffer.alloc(0);

  /** `encoder`: of its own, for another one is in use while this is asked. */
  constructor(address: string, binding: Binding, encoder: HeaderEncoder) {
    this.#address = address;
    this.#binding = binding;
    this.#encoder = encoder;
  }

  lines(authority: string): Buffer {
    if (authority !== this.#linesFor) {
      this.#linesFor = authority;
      this.#lines = Buffer.from(this.#fields(authority).map(([name, value]) => `${name}: ${value}\r\n`).join(''), 'latin1');
    }
    return this.#lines;
  }

  encoded(authority: string): Buffer {
    if (authority !== this.#encodedFor) {
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
