import test from 'ava';
import { bridge, type Speaks } from './proxy-http2-rig.ts';
import { fetchRaw, getRequest } from './proxy-rig.ts';

const large = 'y'.repeat(50_000);
const big = 'x'.repeat(700_000);

for (const speaks of ['http1', 'http2'] as const satisfies readonly Speaks[]) {
  test(`HTTP/2 to ${speaks}: heads, bodies and trailers of both directions`, async (t) => {
    const { client, origin } = await bridge(t, speaks, (seen) => ({
      status: 201,
      headers: { 'x-answer': 'yes' },
      body: `got ${seen.body}`,
      trailers: { 'grpc-status': '0', 'x-sum': 'abc' },
    }));
    const answer = await client.fetch({ ':method': 'POST', ':path': '/a/b?c=d', te: 'trailers', cookie: 'a=b', 'x-mine': 'z' }, 'hello');
    t.is(answer.status, 201);
    t.is(answer.body, 'got hello');
    t.is(answer.headers['x-answer'], 'yes');
    t.is(answer.trailers['grpc-status'], '0');
    t.is(answer.trailers['x-sum'], 'abc');
    const [seen] = origin.seen;
    t.is(seen!.path, '/a/b?c=d');
    t.is(seen!.authority, 'shop.example');
    t.is(seen!.body, 'hello');
    t.is(seen!.headers['x-mine'], 'z');
    t.is(seen!.headers['x-forwarded-host'], 'shop.example');
    t.regex(String(seen!.headers['x-request-id']), /^[0-9a-f-]{36}$/);
    t.is(seen!.headers['te'], speaks === 'http2' ? 'trailers' : undefined);
  });

  test(`HTTP/2 to ${speaks}: bodies larger than all windows, both ways at once`, async (t) => {
    const { client } = await bridge(t, speaks, (seen) => ({ body: seen.body }));
    const answers = await Promise.all(Array.from({ length: 4 }, () => client.fetch({ ':method': 'PUT', ':path': '/' }, big)));
    for (const answer of answers) t.true(answer.body === big);
  });

  test(`HTTP/2 to ${speaks}: a field of 50,000 bytes, and as many cookies as a browser has`, async (t) => {
    const { client, origin } = await bridge(t, speaks, () => ({ headers: { 'x-large': large } }));
    const cookie = Array.from({ length: 180 }, (_, index) => `c${index}=${index}`);
    const answers = [await client.fetch({ ':path': '/', cookie }), await client.fetch({ ':path': '/', 'x-large': large })];
    t.deepEqual(answers.map(({ status }) => status), [200, 200]);
    t.true(answers.every(({ headers }) => headers['x-large'] === large));
    t.is(origin.seen[0]!.headers['cookie'], cookie.join('; '));
    t.is(origin.seen[1]!.headers['x-large'], large);
  });

  test(`HTTP/1.1 to ${speaks}`, async (t) => {
    const { rig, origin } = await bridge(t, speaks, (seen) => ({ body: `got ${seen.body}`, headers: { 'x-answer': 'yes' } }));
    const text = await fetchRaw(rig.listener.port, getRequest('/x?y', 'Connection: close\r\n'));
    t.regex(text, /^HTTP\/1\.1 200 OK\r\n/);
    t.regex(text, /x-answer: yes\r\n/i);
    t.true(text.includes('got '), text);
    t.is(origin.seen[0]!.path, '/x?y');
  });
}
