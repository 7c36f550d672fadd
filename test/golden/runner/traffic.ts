import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { Client, Reply } from './client.ts';
import { addressed } from './requests.ts';
import type { Arrival, Workloads } from './echo.ts';
import type { Distribution, HeaderExpectation, Outcome, RequestExpectation, UpstreamExpectation } from './expectation.ts';

interface Running {
  readonly client: Client;
  readonly workloads: Workloads;
  readonly portOffset: number;
}

/** UDP of a workload does not come to its sidecar. */
function isCarried(request: RequestExpectation): boolean {
  const { protocol, client } = addressed(request);
  return protocol !== 'udp' || client === undefined;
}

/** Sends the request to a real proxy and looks at both ends. */
export async function checkTraffic(t: ExecutionContext, { client, workloads, portOffset }: Running, request: RequestExpectation): Promise<void> {
  const { expect, url } = request;
  if (!isCarried(request)) return;
  if (expect.distribution !== undefined) {
    await checkDistribution(t, { client, workloads, portOffset }, request, expect.distribution);
    return;
  }
  if (expect.refused === true || expect.outcome === 'refuse') {
    await t.throwsAsync(client.send(request), { message: /socket hang up|ECONNRESET|alert|certificate|no answer/ }, `${url}: the connection is refused`);
    return;
  }
  const reply = await client.send(request);
  checkReply(t, reply, request, portOffset);
  await checkMirrors(t, workloads, reply.id, expect);
  const arrivals = workloads.arrivals.filter(({ id, app }) => id === reply.id && expect.mirrored?.[app] === undefined);
  if (expect.attempts !== undefined) t.is(arrivals.length, expect.attempts, `${url}: attempts`);
  const final = arrivals.at(-1);
  if (expect.pod !== undefined) t.is(final?.pod, expect.pod, `${url}: pod (${reply.status} ${reply.headers['x-weft-error'] ?? ''})`);
  if (expect.copies !== undefined) for (const copy of workloads.arrivals.filter(({ id, app }) => id === reply.id && expect.mirrored?.[app] !== undefined)) checkUpstream(t, copy, expect.copies, url);
  if (expect.upstream !== undefined) checkUpstream(t, final, expect.upstream, url);
}

function checkReply(t: ExecutionContext, reply: Reply, { url, upgrade, expect }: RequestExpectation, portOffset: number): void {
  const told = `${url} (${reply.headers['x-weft-error'] ?? 'no error code'})`;
  // Whatever does not speak of a status means that the backend's own answer comes back.
  if (expect.statuses !== undefined) t.true(expect.statuses.includes(reply.status), `${told}: status ${reply.status} is none of ${expect.statuses.join(', ')}`);
  else t.is(reply.status, expect.grpcStatus === undefined ? (expect.status ?? 200) : 200, `${told}: status`);
  if (expect.grpcStatus !== undefined) t.is(reply.headers['grpc-status'], String(expect.grpcStatus), `${told}: gRPC status`);
  if (upgrade !== undefined) t.is(reply.body, 'hello', `${url}: what came back on the upgraded connection`);
  if (expect.location !== undefined) t.is(withoutOffset(reply.headers['location'], portOffset), expect.location, `${url}: location`);
  if (expect.code !== undefined) t.is(reply.headers['x-weft-error'], expect.code, `${url}: error code`);
  if (expect.certificate !== undefined) t.true(reply.certificate?.split(', ').includes(`DNS:${expect.certificate}`), `${url}: certificate for ${reply.certificate}`);
  for (const [name, wanted] of Object.entries(expect.response?.headers ?? {})) t.true(headerFits(reply.headers[name.toLowerCase()], wanted), `${url}: response header ${name} is "${reply.headers[name.toLowerCase()]}" and should be ${JSON.stringify(wanted)}`);
  for (const name of expect.response?.absent ?? []) t.is(reply.headers[name.toLowerCase()], undefined, `${url}: response header ${name}`);
  const { min = 0, max = Number.POSITIVE_INFINITY } = expect.elapsed ?? {};
  t.true(reply.elapsed >= min && reply.elapsed <= max, `${url}: took ${reply.elapsed.toFixed(0)} ms, not ${min} to ${max}`);
}

/** A redirect to the listener's own port names the port that was bound, so that it leads somewhere; a case knows the port of the spec. */
function withoutOffset(location: string | undefined, portOffset: number): string | undefined {
  return location?.replace(/^(https?):\/\/([^/:]+):(\d+)/, (whole, scheme: string, host: string, bound: string) => {
    const port = Number(bound) - portOffset;
    if (port <= 0) return whole;
    return port === (scheme === 'https' ? 443 : 80) ? `${scheme}://${host}` : `${scheme}://${host}:${port}`;
  });
}

function headerFits(value: string | undefined, wanted: HeaderExpectation): boolean {
  if (value === undefined) return false;
  if (typeof wanted === 'string') return tight(value) === tight(wanted);
  if ('any' in wanted) return wanted.any.some((each) => tight(value) === tight(each));
  return JSON.stringify(elements(value)) === JSON.stringify(wanted.map((each) => each.toLowerCase()).toSorted());
}

/** Space after a comma means nothing in a list (RFC 9110, 5.6.1). */
function tight(value: string): string {
  return value.replaceAll(/\s*,\s*/g, ',');
}

function elements(value: string): readonly string[] {
  return tight(value).toLowerCase().split(',').sort();
}

function checkUpstream(t: ExecutionContext, arrival: Arrival | undefined, wanted: UpstreamExpectation, url: string): void {
  if (arrival === undefined) {
    t.fail(`${url}: nothing came to any workload`);
    return;
  }
  const { headers = {}, absent = [], ...plain } = wanted;
  for (const [key, value] of Object.entries(plain)) t.is(Reflect.get(arrival, key), value, `${url}: upstream ${key}`);
  for (const [name, value] of Object.entries(headers)) t.is(tight(arrival.headers[name.toLowerCase()] ?? 'absent'), tight(value), `${url}: upstream header ${name}`);
  for (const name of absent) t.is(arrival.headers[name.toLowerCase()], undefined, `${url}: upstream header ${name}`);
}

const mirrorPatienceMs = 2000;
/** For copies that must not come: long enough for one that is on its way. */
const settleMs = 40;

async function checkMirrors(t: ExecutionContext, { arrivals }: Workloads, id: string, { mirrored }: Outcome): Promise<void> {
  if (mirrored === undefined) return;
  const count = (app: string): number => arrivals.filter((each) => each.id === id && each.app === app).length;
  const missing = (): boolean => Object.entries(mirrored).some(([app, wanted]) => count(app) < wanted);
  for (const end = performance.now() + mirrorPatienceMs; missing() && performance.now() < end; ) await sleep(10);
  await sleep(settleMs);
  for (const [app, wanted] of Object.entries(mirrored)) t.is(count(app), wanted, `copies at ${app}`);
}

/** Sends the request many times, a few at once, and counts. */
async function checkDistribution(t: ExecutionContext, { client, workloads }: Running, request: RequestExpectation, wanted: Distribution): Promise<void> {
  const { requests, within = 0.15 } = wanted;
  const replies: Reply[] = [];
  const one = async (): Promise<void> => {
    for (let left = requests / 4; left > 0; left -= 1) replies.push(await client.send(request));
  };
  await Promise.all([one(), one(), one(), one()]);
  await sleep(settleMs);
  const ids = new Set(replies.map(({ id }) => id));
  const arrivals = workloads.arrivals.filter(({ id }) => ids.has(id));
  const served = arrivals.filter(({ app }) => wanted.mirrored?.[app] === undefined);
  const share = (count: number, expected: number, what: string): void => {
    const is = count / replies.length;
    t.true(Math.abs(is - expected) <= within, `${request.url}: ${what} got ${is.toFixed(3)} of ${replies.length} requests, not ${expected} ± ${within}`);
  };
  for (const [pod, expected] of Object.entries(wanted.pods ?? {})) share(served.filter((each) => each.pod === pod).length, expected, pod);
  for (const [address, expected] of Object.entries(wanted.addresses ?? {})) share(served.filter((each) => each.address === address).length, expected, address);
  for (const [app, expected] of Object.entries(wanted.mirrored ?? {})) share(arrivals.filter((each) => each.app === app).length, expected, `mirror ${app}`);
  for (const [status, expected] of Object.entries(wanted.statuses ?? {})) share(replies.filter((each) => String(each.status) === status).length, expected, `status ${status}`);
  if (wanted.attempts !== undefined) {
    const average = served.length / replies.length;
    t.true(average >= wanted.attempts.min && average <= wanted.attempts.max, `${request.url}: ${average} attempts a request`);
  }
  for (const [pod, headers] of Object.entries(wanted.pairs ?? {})) {
    for (const [name, value] of Object.entries(headers)) t.deepEqual([...new Set(served.filter((each) => each.pod === pod).map((each) => each.headers[name]))], [value], `${pod}: ${name}`);
  }
}
