import type { PooledEndpoint } from '../configuration/backends.ts';
import type { Context } from '../context.ts';
import type { DirectUpstream, Upstream } from './sides.ts';
import { Http1Upstream } from './upstream.ts';
import { Http2Pool } from './upstream/http2-pool.ts';

/** A place for a request at the endpoint: an idle connection, a new one, or with HTTP/2 a stream of one that others use, too. `connectMs` 0: no limit. `now` in milliseconds. */
export function openUpstream(context: Context, endpoint: PooledEndpoint, connectMs: number, now: number): Upstream {
  const pool = endpoint.pool!;
  return pool.protocol === 'http2' ? openStream(context, endpoint, connectMs) : (pool.take(context, now) ?? new Http1Upstream(context, endpoint, connectMs));
}

/** The same on a new connection, whatever is idle. Those of HTTP/2 are known not to be stale. */
export function dialUpstream(context: Context, endpoint: PooledEndpoint, connectMs: number): Upstream {
  return endpoint.pool!.protocol === 'http2' ? openStream(context, endpoint, connectMs) : new Http1Upstream(context, endpoint, connectMs);
}

/** A new connection for bytes as they are. */
export function dialRaw(context: Context, endpoint: PooledEndpoint, connectMs: number): DirectUpstream {
  return new Http1Upstream(context, endpoint, connectMs);
}

function openStream(context: Context, endpoint: PooledEndpoint, connectMs: number): Upstream {
  const pool = endpoint.pool!;
  pool.http2 ??= new Http2Pool(context, endpoint, pool);
  return pool.http2.open(connectMs);
}
