import { createSecureContext, type SecureContext } from 'node:tls';
import type { Certificate } from '#snapshot';

/** Secure contexts by certificate name: made once per certificate, so that a handshake does not parse PEM. */
export class Certificates {
  readonly #contexts = new Map<string, SecureContext>();

  get(name: string): SecureContext | undefined {
    return this.#contexts.get(name);
  }

  /** Returns why the certificate can't be used; then the one before stays. */
  set(certificate: Certificate): string | undefined {
    try {
      this.#contexts.set(certificate.name, createSecureContext({ cert: certificate.chain, key: certificate.key, minVersion: 'TLSv1.2' }));
      return undefined;
    } catch (error) {
      // The message is OpenSSL's and holds no part of the key.
      return error instanceof Error ? error.message : 'unusable certificate';
    }
  }

  delete(name: string): void {
    this.#contexts.delete(name);
  }
}
