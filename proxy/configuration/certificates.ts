import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Certificate } from '#snapshot';

interface Held {
  readonly certificate: Certificate;
  readonly context: SecureContext;
  readonly leaf: X509Certificate;
}

/** Secure contexts by certificate name: made once per certificate, so that a handshake does not parse PEM. */
export class Certificates {
  readonly #held = new Map<string, Held>();

  get(name: string): Certificate | undefined {
    return this.#held.get(name)?.certificate;
  }

  /** Gateway API, Listener.tls: of those named, the one with the longest name that matches the server name; else the first that is there. */
  choose(names: readonly string[], serverName: string): SecureContext | undefined {
    const held = names.flatMap((name) => this.#held.get(name) ?? []);
    if (held.length < 2) return held[0]?.context;
    let best = held[0]!;
    let bestLength = -1;
    for (const each of held) {
      const matched = each.leaf.checkHost(serverName, { multiLabelWildcards: true });
      // A wildcard is shorter than any name that it matches, so the longest is also the most exact.
      if (matched === undefined || matched.length <= bestLength) continue;
      best = each;
      bestLength = matched.length;
    }
    return best.context;
  }

  /** Returns why the certificate can't be used; then the one before stays. */
  set(certificate: Certificate): string | undefined {
    try {
      const context = createSecureContext({ cert: certificate.chain, key: certificate.key, minVersion: 'TLSv1.2' });
      this.#held.set(certificate.name, { certificate, context, leaf: new X509Certificate(certificate.chain) });
      return undefined;
    } catch (error) {
      // The message is OpenSSL's and holds no part of the key.
      return error instanceof Error ? error.message : 'unusable certificate';
    }
  }

  delete(name: string): void {
    this.#held.delete(name);
  }
}
