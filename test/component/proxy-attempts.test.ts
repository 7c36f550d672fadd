import { createServer, type AddressInfo, type Socket } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import { AccessLog } from '#proxy';
import type { Backend, RetryCondition, RetryFields, TimeoutFields } from '#snapshot';
import { clientOf, type Asking, type Got, type Sent } from './attempts/client.ts';
import { behaviours, http1Endpoint, http2Endpoint, pathOf, pause, type Arrival, type Endpoint, type Speaks } from './attempts/endpoint.ts';
import { judge, type Kind, type Line, type Seen, type Verdict } from './attempts/judge.ts';
import { allowance, type Policy } from './attempts/model.ts';
import { applyTo, backendNamed, fetchRaw, getRequest, policyOf, startRig } from './proxy-rig.ts';

/**
 * Whatever a policy says and endpoints do with each attempt: what follows, what each attempt's request looks like, and what the client gets is what
 * the documents promise (`attempts/model.ts`). Nothing is measured by the clock: an attempt that the proxy found late is taken at its word,
 * where it was late.
 */

const endpointCount = 3;
const long = process.env['WEFT_LONG'] === '1';

interface Request {
  readonly kind: 'plain' | 'grpc';
  readonly method: string;
  readonly bodyBytes: number | undefined;
  readonly framing: 'length' | 'chunked';
  readonly hasTrailers: boolean;
  /** The second half of the body leaves once an endpoint has the head. */
  readonly halts: boolean;
  /** The client asks whether it is to send it. */
  readonly expects: boolean;
  readonly scripts: readonly (readonly string[])[];
}

interface Case {
  readonly client: Speaks;
  readonly endpoints: Speaks;
  readonly balancing: Backend['balancing'];
  readonly kinds: readonly Kind[];
  readonly policy: Policy;
  readonly hasSession: boolean;
  /** All at once. */
  readonly together: boolean;
  readonly requests: readonly Request[];
}

const limits = ['none', 'none', 'attempt', 'connect', 'request'] as const;
type Limit = (typeof limits)[number];

const policies = (limit: Limit): fc.Arbitrary<Policy> => {
  const optional = <Value>(value: fc.Arbitrary<Value>, absent = 1): fc.Arbitrary<Value | undefined> => fc.oneof({ weight: 1, arbitrary: value }, { weight: absent, arbitrary: fc.constant(undefined) });
  const conditions: readonly RetryCondition[] = ['connect-failure', 'refused-stream', 'reset', 'gateway-error', '5xx', 'timeout', 'unavailable', 'internal'];
  const retry = fc.record({
    maxRetries: fc.constantFrom(undefined, 0, 1, 2, 2, 3, 3),
    codes: optional(fc.subarray([429, 500, 502, 503, 504, 508])),
    conditions: fc.oneof(fc.constant(undefined), fc.constant(conditions), fc.constant<readonly RetryCondition[]>(['5xx']), fc.subarray([...conditions])),
    methods: optional(fc.subarray(['GET', 'PUT', 'POST', 'DELETE'] as const, { minLength: 1 }), 4),
    buffer: optional(fc.constantFrom(0, 1000, 20_000)),
    budget: optional(fc.constantFrom(0, 0.1, 0.2)),
    perTry: fc.boolean(),
  });
  return fc.record({ retry: fc.oneof({ weight: 6, arbitrary: retry }, { weight: 1, arbitrary: fc.constant(undefined) }), stanza: fc.constantFrom('route', 'default') }).map(({ retry: one, stanza }) => {
    const hasPerTry = limit === 'attempt' && one?.perTry === true;
    const timeouts: TimeoutFields = { ...(limit === 'attempt' && !hasPerTry ? { backendRequest: '150ms' } : limit === 'request' ? { request: '250ms' } : {}), ...(limit === 'connect' ? { connect: '120ms' } : {}) };
    if (one === undefined) return { retry: undefined, timeouts, stanza };
    const { maxRetries, codes, conditions, methods, buffer, budget } = one;
    const on = { ...(codes === undefined ? {} : { codes }), ...(conditions === undefined ? {} : { conditions }) };
    const fields: RetryFields = {
      backoff: { base: '1ms', max: '2ms' },
      ...(maxRetries === undefined ? {} : { maxRetries }),
      ...(Object.keys(on).length === 0 ? {} : { retryOn: on }),
      ...(methods === undefined ? {} : { methods }),
      ...(buffer === undefined ? {} : { maxBufferedBodyBytes: buffer }),
      ...(budget === undefined ? {} : { budget: { percent: 0, interval: '10s', minPerSecond: budget } }),
      ...(hasPerTry ? { perTryTimeout: '150ms' } : {}),
    };
    return { retry: fields, timeouts, stanza };
  });
};

const requests = (client: Speaks, endpoints: Speaks, limit: Limit, together: boolean): fc.Arbitrary<Request> => {
  const kinds = client === 'http2' && endpoints === 'http2' ? (['plain', 'plain', 'grpc'] as const) : (['plain'] as const);
  return fc.constantFrom(...kinds).chain((kind) => {
    const names = Object.entries(behaviours).filter(
      ([name, { endless, speaks, grpc, alone }]) =>
        (endless === undefined || limit === 'attempt' || limit === 'request') && (speaks === undefined || speaks === endpoints) && (alone === undefined || !together) &&
        (kind === 'grpc' ? grpc === true || ['reset', 'resetWhole', 'leave', 'refuse', 'silent', 's503'].includes(name) : grpc === undefined),
    ).map(([name]) => name);
    const good = kind === 'grpc' ? 'grpc0' : 'ok';
    // Few of them, so that what matters only together comes together.
    const script = (some: readonly string[]): fc.Arbitrary<readonly string[]> =>
      fc.array(fc.oneof({ weight: 1, arbitrary: fc.constant(good) }, { weight: 3, arbitrary: fc.constantFrom(...some) }), { minLength: 1, maxLength: 3 });
    const scripts = fc.subarray(names, { minLength: 1, maxLength: 4 }).chain((some) => fc.array(script(some), { minLength: endpointCount, maxLength: endpointCount }));
    return fc.record({
      kind: fc.constant(kind),
      method: kind === 'grpc' ? fc.constant('POST') : fc.constantFrom('GET', 'GET', 'PUT', 'POST', 'DELETE', 'PATCH'),
      bodyBytes: kind === 'grpc' ? fc.constant(8) : fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 4, arbitrary: fc.constantFrom(1, 700, 1000, 1001, 15_000, 70_000) }, { weight: 1, arbitrary: fc.constant(1_500_000) }),
      framing: fc.constantFrom('length', 'chunked'),
      hasTrailers: fc.boolean(),
      halts: fc.boolean(),
      expects: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
      scripts,
    });
  });
};

const cases: fc.Arbitrary<Case> = fc
  .record({ client: fc.constantFrom<Speaks[]>('http1', 'http2'), endpoints: fc.constantFrom<Speaks[]>('http1', 'http2'), limit: fc.constantFrom(...limits), together: fc.constantFrom(true, false, false) })
  .chain(({ client, endpoints, limit, together }) => {
    const kind: fc.Arbitrary<Kind> = fc.oneof({ weight: 5, arbitrary: fc.constant('serves' as const) }, { weight: 1, arbitrary: fc.constant('closed' as const) }, ...(endpoints === 'http2' && limit !== 'none' ? [{ weight: 3, arbitrary: fc.constant('mute' as const) }] : []));
    return fc.record({
      client: fc.constant(client),
      endpoints: fc.constant(endpoints),
      balancing: fc.constantFrom('round-robin', 'least-request'),
      kinds: fc.array(kind, { minLength: 1, maxLength: endpointCount }),
      policy: policies(limit),
      hasSession: fc.boolean(),
      together: fc.constant(together),
      requests: fc.array(requests(client, endpoints, limit, together), { minLength: 2, maxLength: 5 }),
    });
  });

class Stage {
  readonly served: Record<Speaks, Endpoint[]> = { http1: [], http2: [] };
  /** Nobody listens there: others of this machine may take any that was free a moment ago. */
  readonly closed = [1, 2, 3];
  readonly mute: number[] = [];
  readonly #ends: (() => void)[] = [];

  async start(): Promise<this> {
    for (let index = 0; index < endpointCount; index++) {
      this.served.http1.push(await http1Endpoint(index));
      this.served.http2.push(await http2Endpoint(index));
      const sockets = new Set<Socket>();
      const mute = createServer((socket) => void sockets.add(socket.on('error', () => {})));
      await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
      this.mute.push((mute.address() as AddressInfo).port);
      this.#ends.push(() => {
        for (const socket of sockets) socket.destroy();
        mute.close();
      });
    }
    return this;
  }

  ports({ kinds, endpoints }: Case): readonly number[] {
    return kinds.map((kind, index) => (kind === 'closed' ? this.closed[index]! : kind === 'mute' ? this.mute[index]! : this.served[endpoints][index]!.port));
  }

  arrivals({ endpoints }: Case, id: string): readonly Arrival[] {
    return this.served[endpoints].flatMap((each) => each.arrivals.get(id) ?? []);
  }

  async close(): Promise<void> {
    for (const end of this.#ends) end();
    for (const each of [...this.served.http1, ...this.served.http2]) await each.close();
  }
}

let played = 0;

/** One request, and what is known of it in the end. */
async function ask(stage: Stage, one: Case, index: number, { client, cookie, id }: { readonly client: Asking; readonly cookie: string | undefined; readonly id: string }): Promise<{ readonly got: Got; readonly asked: Seen['asked'] }> {
  const { kind, method, bodyBytes, framing, hasTrailers, halts, expects, scripts } = one.requests[index]!;
  const body = 'abcdefghijklmnopqrstuvw'.repeat(Math.ceil((bodyBytes ?? 0) / 23)).slice(0, bodyBytes ?? 0);
  const half = Math.floor(body.length / 2);
  const canTrail = hasTrailers && bodyBytes !== undefined && (one.client === 'http2' || framing === 'chunked');
  const trailers = canTrail ? { 'x-sum': id } : undefined;
  const path = pathOf(id, scripts);
  const begun = async (): Promise<void> => {
    for (let turn = 0; turn < 10 && stage.arrivals(one, id).length === 0; turn++) await pause(3);
    await pause(3);
  };
  const sent: Sent = {
    method, path, framing, trailers,
    fields: { 'x-mine': `of ${id}`, ...(cookie === undefined ? {} : { cookie }), ...(expects && bodyBytes !== undefined ? { expect: '100-continue' } : {}), ...(kind === 'grpc' ? { 'content-type': 'application/grpc', te: 'trailers' } : {}) },
    pieces: bodyBytes === undefined ? undefined : expects ? ['', body] : [body.slice(0, half), body.slice(half)],
    gate: halts || expects ? begun() : Promise.resolve(),
  };
  const got = await client.ask(sent);
  return { got, asked: { method, path, body, bodyBytes: body.length, isGrpc: kind === 'grpc', trailers: trailers === undefined ? '' : `x-sum: ${id}` } };
}

async function play(stage: Stage, one: Case): Promise<void> {
  const log: Line[] = [];
  const write = async (bytes: Buffer): Promise<void> => void log.push(...bytes.toString().trim().split('\n').map((line) => JSON.parse(line) as Line));
  const accessLog = new AccessLog({ sink: { write, close: async () => {} }, now: () => Date.now() });
  const faults: unknown[] = [];
  const ports = stage.ports(one);
  const { retry, timeouts, stanza } = one.policy;
  const fields = policyOf({ ...(retry === undefined ? {} : { retry }), timeouts, ...(one.hasSession ? { session: { type: 'Cookie', name: 'sid', lifetime: 'Session', path: '/' } as const } : {}) }, stanza);
  const policy = retry?.maxRetries === undefined ? { ...fields, origins: {} } : fields;
  const rig = await startRig({ backends: { a: ports }, protocol: one.endpoints, policies: [policy], accessLog, onFault: (error) => faults.push(error) });
  applyTo(rig.proxy, { backends: { changed: [{ ...backendNamed('a', one.endpoints), balancing: one.balancing }] } });
  const name = `c${played++}`;
  const client = clientOf(one.client, rig.listener.port);
  const lineOf = async (path: string): Promise<Line> => {
    for (let turn = 0; turn < 400; turn++) {
      await accessLog.flush();
      const line = log.find((each) => each.path === path);
      if (line !== undefined) return line;
      await pause(5);
    }
    throw new Error(`no line for ${path}`);
  };
  const places = ports.map((port) => `127.0.0.1:${port}`);
  const judged = async ({ got, asked }: Awaited<ReturnType<typeof ask>>, id: string, budget: number, pinned: number | undefined): Promise<Verdict> => {
    const line = await lineOf(asked.path);
    // What is sent although all is over would come by then.
    await pause(3);
    return judge({ policy: one.policy, speaks: one.endpoints, kinds: one.kinds, places, asked, line, arrivals: stage.arrivals(one, id), got, pinned }, budget);
  };
  try {
    if (one.together) {
      const seen = await Promise.all(one.requests.map((_, index) => ask(stage, one, index, { client, cookie: undefined, id: `${name}r${index}` })));
      // Who of them took the last of a budget is not known.
      if (retry?.budget === undefined) for (const [index, each] of seen.entries()) faults.push(...(await judged(each, `${name}r${index}`, Infinity, undefined)).faults);
    } else await oneByOne(one, async (index, cookie, budget, pinned) => {
      const id = `${name}r${index}`;
      const seen = await ask(stage, one, index, { client, cookie, id });
      const verdict = await judged(seen, id, budget, pinned);
      faults.push(...verdict.faults);
      return { got: seen.got, verdict };
    }).then((more) => faults.push(...more));
    const count = one.requests.map((_, index) => stage.arrivals(one, `${name}r${index}`).length).join();
    await pause(one.policy.timeouts.request === undefined ? 0 : 20);
    if (count !== one.requests.map((_, index) => stage.arrivals(one, `${name}r${index}`).length).join()) faults.push('something was sent behind the end');
    if (one.kinds.every((kind) => kind === 'serves') && rig.proxy.setAside().length === 0) faults.push(...(await unused(stage, one, rig.listener.port, name)));
  } finally {
    client.close();
    await rig.close();
  }
  if (faults.length > 0) throw new Error(faults.map(String).join('\n'));
}

/** Nothing is under way any more, so all endpoints are alike to whoever looks at what they have in flight. */
async function unused(stage: Stage, one: Case, port: number, name: string): Promise<readonly string[]> {
  const path = pathOf(`${name}end`, one.kinds.map(() => ['ok']));
  for (let count = 0; count < 40; count++) await fetchRaw(port, getRequest(path, 'Connection: close\r\n'));
  const used = new Set(stage.arrivals(one, `${name}end`).map(({ endpoint }) => endpoint));
  return one.kinds.flatMap((_, endpoint) => (used.has(endpoint) ? [] : [`nobody is sent to ${endpoint}`]));
}

/** One after the other: what the session and the budget have become counts for the next. */
async function oneByOne(one: Case, next: (index: number, cookie: string | undefined, budget: number, pinned: number | undefined) => Promise<{ readonly got: Got; readonly verdict: Verdict }>): Promise<readonly string[]> {
  const faults: string[] = [];
  let [cookie, pinned, budget]: [string | undefined, number | undefined, number] = [undefined, undefined, allowance(one.policy)];
  // Failures in a row: an endpoint that is set aside serves no session.
  const failed = one.kinds.map(() => 0);
  for (const index of one.requests.keys()) {
    const known = pinned !== undefined && failed[pinned]! < 5 ? pinned : undefined;
    const { got, verdict } = await next(index, cookie, budget, known);
    budget -= verdict.retries;
    for (const { endpoint, why } of verdict.tries) {
      failed[endpoint] = typeof why === 'number' || why === undefined ? 0 : failed[endpoint]! + (String(why).startsWith('connect') ? 5 : 1);
    }
    if (!one.hasSession || got.fields['x-from'] === undefined || got.end !== 'whole') continue;
    const from = verdict.tries.at(-1)!.endpoint;
    const set = got.fields['set-cookie'];
    if ((set === undefined) !== (cookie !== undefined && from === pinned) && known === pinned) faults.push(`from ${from}, of a session at ${pinned}: set-cookie: ${set}`);
    if (set !== undefined) cookie = set.split(';')[0];
    pinned = from;
  }
  return faults;
}

test('whatever endpoints do with each attempt: what follows, and what comes of it, is what the policy says', async (t) => {
  t.timeout(long ? 1_200_000 : 120_000);
  const stage = await new Stage().start();
  try {
    await fc.assert(fc.asyncProperty(cases, (one) => play(stage, one)), { numRuns: long ? 3000 : 150, endOnFailure: !long, includeErrorInReport: true, interruptAfterTimeLimit: long ? 1_000_000 : 60_000 });
  } finally {
    await stage.close();
  }
  t.pass();
});
