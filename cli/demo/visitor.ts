import { Agent, get } from 'node:http';

/** What the visitor saw since it was last asked. */
export interface Visits {
  readonly requests: number;
  readonly failed: number;
  /** By version of reviews. */
  readonly versions: ReadonlyMap<string, number>;
}

export interface Visitor {
  take(): Visits;
  stop(): void;
}

/** Asks for a page `perSecond` times a second, one request at a time at most per turn of its clock. */
export function startVisitor(url: string, perSecond: number): Visitor {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  let requests = 0;
  let failed = 0;
  let versions = new Map<string, number>();
  const visit = (): void => {
    const request = get(url, { agent, timeout: 5000 }, (response) => {
      response.resume();
      response.on('error', () => failed++);
      requests++;
      if (response.statusCode !== 200) failed++;
      const version = response.headers['x-reviews-version'];
      if (typeof version === 'string') versions.set(version, (versions.get(version) ?? 0) + 1);
    });
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', () => {
      requests++;
      failed++;
    });
  };
  const timer = setInterval(visit, 1000 / perSecond);
  return {
    take: () => {
      const seen = { requests, failed, versions };
      requests = failed = 0;
      versions = new Map();
      return seen;
    },
    stop: () => {
      clearInterval(timer);
      agent.destroy();
    },
  };
}
