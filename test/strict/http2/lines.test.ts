import test from 'ava';
import { compare, judgeClient } from '../judge.ts';
import { mark, requestVectors } from '../request-mutations.ts';
import { readRequests, type ReadStream } from '../request.ts';
import { byKind, inLanes, talk, type Talk } from '../rig.ts';
import { echoStream, proxyTo, streamOrigin } from './rig.ts';

/** Mutations of requests in HTTP/1.1, as `../requests.test.ts` has them, to an upstream of HTTP/2. */

const number = (index: number): string => String(10_000 + index);

test('no mutation of a request in HTTP/1.1 gets to an upstream of HTTP/2 but as what a strict reader takes it for', async (t) => {
  t.timeout(240_000);
  const upstream = await streamOrigin(t, '127.0.0.1', echoStream);
  const { place, faults } = await proxyTo(t, upstream.port, 'http2');
  const vectors = requestVectors().filter((_, index) => index % 4 === 0);
  const sent: { readonly title: string; readonly stream: ReadStream; readonly got: Talk }[] = [];
  await inLanes(vectors.length, 16, async (index) => {
    const { title, text } = vectors[index]!;
    const own = `${text.replaceAll(mark, number(index))}GET /f${number(index)} HTTP/1.1\r\nHost: strict.test\r\nConnection: close\r\n\r\n`;
    const stream = readRequests(own);
    sent[index] = { title, stream, got: await talk(place, own, { half: stream.outcome === 'incomplete' || stream.outcome === 'open', cuts: [], timeoutMs: 4000 }) };
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  const byNumber = Map.groupBy(upstream.arrived, ({ target }) => /[/?][fsv]([12]\d{4})/.exec(target)?.[1] ?? '');
  const failures = [...faults.map(String), ...upstream.faults, ...(byNumber.get('') ?? []).map(({ method, target }) => `a request of nobody upstream: ${method} ${target}`)];
  for (const [index, { title, stream, got }] of sent.entries()) {
    const fault = judgeClient(stream, got) ?? compare(stream, byNumber.get(number(index)) ?? []);
    if (fault !== undefined) failures.push(`${title}: ${fault}`);
  }
  t.log(`${vectors.length} mutations, ${upstream.arrived.length} requests upstream on ${upstream.connections()} connections`);
  t.true(vectors.length > 4000);
  t.deepEqual(byKind(failures), [], `${failures.length} faults`);
});
