import { generateKeyPairSync, sign } from 'node:crypto';

export interface Pair {
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
}

const made = new Map<string, Pair>();

/**
 * `{{certificate HOST…}}` and `{{key HOST…}}` in a case stand for a self-signed pair, in base64 as Secrets have it; `{{authority HOST…}}` for
 * the same certificate as ConfigMaps have it, between double quotes.
 */
export function fillCertificates(text: string): string {
  return text.replaceAll(/\{\{(certificate|key|authority) ([^}]+)\}\}/g, (_, part: 'certificate' | 'key' | 'authority', hosts: string) => {
    const pair = pairFor(hosts);
    return part === 'authority' ? JSON.stringify(pair.certificate).slice(1, -1) : Buffer.from(pair[part]).toString('base64');
  });
}

/** The pair of these hosts, parted by spaces; `https://…` and the like are names of type URI. The same one every time. */
export function pairFor(hosts: string): Pair {
  const pair = made.get(hosts) ?? selfSigned(hosts.split(' '));
  made.set(hosts, pair);
  return pair;
}

const oids = { ecdsaWithSHA256: '2a8648ce3d040302', commonName: '550403', subjectAltName: '551d11' } as const;

/** An X.509 certificate (RFC 5280) over a new P-256 key; written here because it is 30 lines and the packages that do it are 30 more packages. */
function selfSigned(hosts: readonly string[]): Pair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = der(0x30, oid(oids.ecdsaWithSHA256));
  const name = der(0x30, der(0x31, der(0x30, oid(oids.commonName), der(0x0c, Buffer.from(hosts[0]!)))));
  const names = der(0x30, ...hosts.map((host) => der(host.includes('://') ? 0x86 : 0x82, Buffer.from(host))));
  const extensions = der(0xa3, der(0x30, der(0x30, oid(oids.subjectAltName), der(0x04, names))));
  const validity = der(0x30, utcTime(-86_400_000), utcTime(86_400_000));
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(1)),
    algorithm,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    extensions,
  );
  const certificate = der(0x30, body, algorithm, der(0x03, Buffer.of(0), sign('sha256', body, privateKey)));
  const lines = certificate.toString('base64').match(/.{1,64}/g)!.join('\n');
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** Tag, length, content (X.690). */
function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const length = body.length < 0x80 ? [body.length] : body.length < 0x100 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...length), body]);
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

/** `YYMMDDhhmmssZ`, so many milliseconds from now. */
function utcTime(offset: number): Buffer {
  const text = new Date(Date.now() + offset).toISOString().replaceAll(/[-:T]|\.\d+/g, '').slice(2);
  return der(0x17, Buffer.from(text));
}
