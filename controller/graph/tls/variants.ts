/**
 * Names of Backends that are spoken to over TLS (Backend.name): `{base}#tls/{namespace}/{gateway}`, with `/http2` or `/tcp` behind it for
 * what is carried other than HTTP/1.1. Each Gateway has its own, as each may show a certificate of its own. A route's rules, which
 * are made for all Gateways at once, have `{base}#tls` and `{base}#tls/http2` in their place.
 */
type TlsCarried = 'http1' | 'http2' | 'tcp';

export interface TlsVariant {
  /** `{namespace}/{service}:{port}` */
  readonly base: string;
  /** `{namespace}/{gateway}`; empty where it is not known yet. */
  readonly gateway: string;
  readonly carried: TlsCarried;
}

export function tlsVariantName({ base, gateway, carried }: TlsVariant): string {
  return `${base}#tls${gateway === '' ? '' : `/${gateway}`}${carried === 'http1' ? '' : `/${carried}`}`;
}

const pattern = /^([^#]*)#tls(?:\/([^/]+\/[^/]+))?(?:\/(http2|tcp))?$/;

export function readTlsVariant(name: string): TlsVariant | undefined {
  const [, base, gateway = '', carried = 'http1'] = pattern.exec(name) ?? [];
  return base === undefined ? undefined : { base, gateway, carried: carried as TlsCarried };
}

/** `{namespace}/{gateway}` of the Gateway that uses the Backend, where it is one Gateway's alone. */
export function gatewayOfVariant(name: string): string | undefined {
  const gateway = readTlsVariant(name)?.gateway;
  return gateway === '' ? undefined : gateway;
}
