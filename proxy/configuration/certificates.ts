import { constants, X509Certificate } from 'node:crypto';
import { createSecureContext, DEFAULT_CIPHERS, type SecureContext } from 'node:tls';
import type { Certificate } from '#snapshot';

interface Held {
  readonly certificate: Certificate;
  readonly context: SecureContext;
  readonly leaf: X509Certificate;
  /** For clients that are to show a certificate: by the authorities that are trusted. */
  readonly trusting: Map<string, SecureContext>;
}

const cheapest = 'TLS_AES_128_GCM_SHA256';

/**
 * For whoever ends TLS. Node would have AES-256 with SHA-384 first: where processors have instructions for SHA-256 alone, the some forty hashes of a
 * handshake take several times as long with it. RFC 8446, 9.1, has every implementation know this one. Clients that want ChaCha20 before all
 * others, for they have no instructions for AES, get it. TLS 1.2 has no second handshake on a connection: with HTTP/2 there must be none (RFC 9113, 9.2.1),
 * and with HTTP/1.1 each would cost as much as a new connection, behind the back of who gives those their turns. Node allows three.
 */
export const serverCiphers = {
  minVersion: 'TLSv1.2',
  ciphers: [cheapest, ...DEFAULT_CIPHERS.split(':').filter((name) => name !== cheapest)].join(':'),
  honorCipherOrder: true,
  secureOptions: constants.SSL_OP_PRIORITIZE_CHACHA | constants.SSL_OP_NO_RENEGOTIATION,
} as const;

/** Authorities per certificate for which a context is kept: those of one port each. */
const maxTrusting = 32;

/** Secure contexts by certificate name: made once per certificate, so that a handshake does not parse PEM. */
export class Certificates {
  readonly #held = new Map<string, Held>();

  get(name: string): Certificate | undefined {
    return this.#held.get(name)?.certificate;
  }

  /**
   * Gateway API, Listener.tls: of those named, the one with the longest name that matches the server name; else the first that is there.
   * `authorities`: PEM, of the authorities by which clients' certificates are verified; an empty list: by none. Throws where these can't be used.
   */
  choose(names: readonly string[], serverName: string, authorities?: readonly string[]): SecureContext | undefined {
    const held = this.#best(names, serverName);
    return held === undefined || authorities === undefined ? held?.context : trusting(held, authorities);
  }

  #best(names: readonly string[], serverName: string): Held | undefined {
    const held = names.flatMap((name) => this.#held.get(name) ?? []);
    if (held.length < 2) return held[0];
    let best = held[0]!;
    let bestLength = -1;
    for (const each of held) {
      const matched = each.leaf.checkHost(serverName, { multiLabelWildcards: true });
      // A wildcard is shorter than any name that it matches, so the longest is also the most exact.
      if (matched === undefined || matched.length <= bestLength) continue;
      best = each;
      bestLength = matched.length;
    }
    return best;
  }

  /** Returns why the certificate can't be used; then the one before stays. */
  set(certificate: Certificate): string | undefined {
    try {
      const context = createSecureContext({ ...serverCiphers, cert: certificate.chain, key: certificate.key });
      this.#held.set(certificate.name, { certificate, context, leaf: new X509Certificate(certificate.chain), trusting: new Map() });
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

function trusting({ certificate, trusting: known }: Held, authorities: readonly string[]): SecureContext {
  const key = authorities.join('\n');
  let context = known.get(key);
  if (context !== undefined) return context;
  context = createSecureContext({ ...serverCiphers, cert: certificate.chain, key: certificate.key, ca: [...authorities], allowPartialTrustChain: true });
  if (known.size >= maxTrusting) known.clear();
  known.set(key, context);
  return context;
}
