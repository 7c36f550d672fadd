import type { PooledEndpoint } from '../configuration/backends.ts';
import type { Context } from '../context.ts';
import type { RawUpstream, Upstream } from './sides.ts';
import { Http1Upstream } from './upstream.ts';

/** A connection to the endpoint: an idle one, or a new one. `connectMs` 0: no limit. */
export function openUpstream(context: Context, endpoint: PooledEndpoint, connectMs: number): Upstream {
  return endpoint.pool!.take() ?? dialUpstream(context, endpoint, connectMs);
}

/** A new connection, whatever is idle. */
export function dialUpstream(context: Context, endpoint: PooledEndpoint, connectMs: number): Upstream {
  return new Http1Upstream(context, endpoint, connectMs);
}

/** A new connection for bytes as they are. */
export function dialRaw(context: Context, endpoint: PooledEndpoint, connectMs: number): RawUpstream {
  return new Http1Upstream(context, endpoint, connectMs);
}
