import { addresses } from '../../../component/mesh-rig.ts';
import type { Place, Targets } from '../attacks/sockets.ts';

/** Who listens where, and the waits that all proxies are set up with. */

const at = addresses(98);
const backendPort = 18_092;

export const gatewayAddress = at(1);
export const targets: Targets = { http: { address: at(1), port: 18_080 }, https: { address: at(1), port: 18_443 }, udp: { address: at(1), port: 18_053 } };
/** HTTP/2 without TLS of a proxy that can't speak both versions of HTTP on one port. */
export const http2Only: Place = { address: at(1), port: 18_082 };

/** Serves the other client. */
export const bystander: Place = { address: at(2), port: backendPort };
/** The backend that attacks are aimed at. */
export const victim: Place = { address: at(3), port: backendPort };
/** What goes to it; all else goes to the bystander. Its port takes datagrams as well. */
export const victimPaths = ['/large', '/stall', '/reset'] as const;

/** Seconds: for a head, and without a byte on a connection or a stream. So that the test need not wait for the defaults. */
export const waits = { requestHeaders: 1, idle: 2, streamIdle: 2 } as const;
