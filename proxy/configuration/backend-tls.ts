import { X509Certificate } from 'node:crypto';
import { createSecureContext, getCACertificates, type ConnectionOptions, type PeerCertificate, type SecureContext } from 'node:tls';
import type { Backend, BackendTls, Certificate } from '#snapshot';
import { wrongIdentity } from './identity.ts';

/** How connections to a backend are secured; made once for each version of the Backend and of its client certificate. */
export interface UpstreamTls {
  readonly serverName: string;
  readonly context: SecureContext;
  /** What is offered by ALPN; `h2` has to be agreed upon. Empty: nothing is offered. */
  readonly alpn: readonly string[];
  /** Returns what is wrong with a certificate whose chain was found to be good. */
  readonly identify: (hostname: string, certificate: PeerCertificate) => Error | undefined;
}

/** TLS is asked for and can't be spoken: requests fail, for in the clear nothing must leave. */
export interface UnusableTls {
  readonly unusable: string;
}

export type UpstreamSecurity = UpstreamTls | UnusableTls | undefined;

const pemBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** Secure contexts that are kept for Backends yet to come; those in use live as long as their users. */
const maxContexts = 64;

/** Secure contexts for clients. Backends under one policy have the same authorities, and share one. */
export class ClientContexts {
  readonly #contexts = new Map<string, SecureContext>();

  /** Throws, with a reason that holds no secret, where authorities or certificate can't be used. */
  of(tls: BackendTls, certificate: Certificate | undefined): SecureContext {
    const key = JSON.stringify([tls.authorities, certificate?.chain, certificate?.key]);
    const known = this.#contexts.get(key);
    if (known !== undefined) return known;
    const made = createSecureContext({
      ca: [...(tls.authorities === undefined ? machineAuthorities() : authoritiesIn(tls.authorities))],
      // What the user trusts is trusted, be it a root or an intermediate.
      allowPartialTrustChain: true,
      minVersion: 'TLSv1.2',
      ...(certificate === undefined ? {} : { cert: certificate.chain, key: certificate.key }),
    });
    if (this.#contexts.size >= maxContexts) this.#contexts.delete(this.#contexts.keys().next().value!);
    this.#contexts.set(key, made);
    return made;
  }
}

const alpnOf: Readonly<Record<Backend['protocol'], readonly string[]>> = { http1: ['http/1.1'], http2: ['h2'], tcp: [], udp: [] };

/** Throws as `ClientContexts.of`. `certificate`: the one that `tls.clientCertificate` names. */
export function upstreamTls(contexts: ClientContexts, protocol: Backend['protocol'], tls: BackendTls, certificate: Certificate | undefined): UpstreamTls {
  return {
    serverName: tls.hostname,
    context: contexts.of(tls, certificate),
    alpn: alpnOf[protocol],
    identify: (_hostname, { raw }) => wrongIdentity(tls, raw),
  };
}

/** For `tls.connect`. Whoever connects gets `secureConnect` only from a server that proved to be the one that was meant. */
export function tlsOptionsOf(tls: UpstreamTls): ConnectionOptions {
  return {
    servername: tls.serverName,
    secureContext: tls.context,
    ...(tls.alpn.length === 0 ? {} : { ALPNProtocols: [...tls.alpn] }),
    rejectUnauthorized: true,
    checkServerIdentity: tls.identify,
  };
}

function authoritiesIn(pem: string): readonly string[] {
  const blocks = pem.match(pemBlock) ?? [];
  if (blocks.length === 0) throw new Error('the authorities hold no PEM certificate');
  // OpenSSL passes over what it can't read.
  for (const block of blocks) new X509Certificate(block);
  return blocks;
}

/** A machine without authorities of its own, as small images are, has those that Node brings. */
function machineAuthorities(): readonly string[] {
  const own = getCACertificates('system');
  return own.length > 0 ? own : getCACertificates('bundled');
}
