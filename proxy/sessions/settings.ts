import { parseDuration, type EffectivePolicy, type SessionPersistence } from '#snapshot';

/** A path's session persistence, ready for use (GEP-1619). */
export interface SessionSettings {
  readonly type: SessionPersistence['type'];
  /** Of the cookie, or of the header in lower case. */
  readonly name: string;
  /** Milliseconds after which a session ends; 0: never. */
  readonly absoluteTimeout: number;
  /** What stands behind the token in Set-Cookie, by the scheme of the listener. */
  readonly attributes: { readonly http: string; readonly https: string };
}

/** RFC 6265, 4.1.1: anything but what an attribute's value may hold. */
const notInPath = /[^\u0020-\u003A\u003C-\u007E]/;

export function sessionSettings(policy: EffectivePolicy | undefined): SessionSettings | undefined {
  const session = policy?.session;
  if (session === undefined) return undefined;
  const absoluteTimeout = session.absoluteTimeout === undefined ? 0 : (parseDuration(session.absoluteTimeout) ?? 0);
  const plain = attributesOf(session, absoluteTimeout);
  return {
    type: session.type,
    name: session.type === 'Header' ? session.name.toLowerCase() : session.name,
    absoluteTimeout,
    attributes: { http: plain, https: `${plain}; Secure` },
  };
}

/** GEP-1619: secure by default. `Secure` only where clients speak TLS: elsewhere they would not send the cookie back. */
function attributesOf({ path, lifetime }: SessionPersistence, absoluteTimeout: number): string {
  const where = path === undefined || notInPath.test(path) || !path.startsWith('/') ? '/' : path;
  const age = lifetime === 'Permanent' && absoluteTimeout > 0 ? `; Max-Age=${Math.ceil(absoluteTimeout / 1000)}` : '';
  return `; Path=${where}${age}; HttpOnly; SameSite=Strict`;
}
