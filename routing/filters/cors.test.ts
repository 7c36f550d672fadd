import test from 'ava';
import type { CorsFilter } from '#snapshot';
import type { HeaderValue } from '../types.ts';
import { planCors } from './cors.ts';

function filter(fields: Partial<CorsFilter>): CorsFilter {
  return { type: 'CORS', allowOrigins: [], allowCredentials: false, allowMethods: [], allowHeaders: [], exposeHeaders: [], maxAge: 5, ...fields };
}

function short(headers: readonly HeaderValue[]): Record<string, string> {
  return Object.fromEntries(headers.map(({ name, value }) => [name.replace('access-control-', ''), value]));
}

function preflight(fields: Partial<CorsFilter>, headers: Record<string, string>, method = 'OPTIONS') {
  const answer = planCors(filter(fields)).preflight({ method, header: (name) => headers[name] });
  return answer && { status: answer.status, headers: short(answer.headers) };
}

const origins: readonly [allowed: string, yes: readonly string[], no: readonly string[]][] = [
  ['https://www.foo.com', ['https://www.foo.com', 'https://www.foo.com:443', 'HTTPS://WWW.foo.com'], ['http://www.foo.com', 'https://foo.com', 'https://www.foo.com:8443', 'null', 'https://www.foo.com.evil.org', 'https://www.foo.com/']],
  ['http://a.com:80', ['http://a.com'], ['http://a.com:8080']],
  ['https://*.bar.com', ['https://www.bar.com', 'https://xpto.www.bar.com'], ['https://bar.com', 'https://foobar.com', 'http://www.bar.com', 'https://www.bar.com:1', 'https://.bar.com.evil']],
  ['https://*.bar.com:8443', ['https://www.bar.com:8443'], ['https://www.bar.com']],
  ['https://*', ['https://anything.org', 'https://a'], ['http://anything.org', 'https://a:8443', 'null', '']],
  ['*', ['https://a.com:12345', 'http://b', 'null', 'http://[::1]:80'], ['', 'x', 'https://a.com x', 'https://a.com, https://b.com']],
];

for (const [allowed, yes, no] of origins) {
  test(`allowOrigins ${allowed}`, (t) => {
    const plan = planCors(filter({ allowOrigins: [allowed], allowCredentials: true }));
    for (const origin of yes) t.is(short(plan.respond(origin).append)['allow-origin'], origin, origin);
    for (const origin of no) t.is(short(plan.respond(origin).append)['allow-origin'], undefined, origin);
  });
}

const asked = { origin: 'https://www.foo.com', 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-header-1, x-header-2' };

test('a preflight from an allowed origin gets everything that is configured', (t) => {
  const fields = { allowOrigins: ['https://www.foo.com', 'https://*.bar.com'], allowMethods: ['GET', 'OPTIONS'], allowHeaders: ['x-header-1', 'x-header-2'], exposeHeaders: ['x-header-3', 'x-header-4'], allowCredentials: true, maxAge: 3600 };
  t.deepEqual(preflight(fields, asked), {
    status: 204,
    headers: {
      'allow-origin': 'https://www.foo.com',
      'allow-credentials': 'true',
      'expose-headers': 'x-header-3, x-header-4',
      vary: 'Origin',
      'allow-methods': 'GET, OPTIONS',
      'allow-headers': 'x-header-1, x-header-2',
      'max-age': '3600',
    },
  });
});

test('a preflight from another origin is refused, without CORS headers', (t) => {
  t.deepEqual(preflight({ allowOrigins: ['https://a.com'] }, asked), { status: 403, headers: { vary: 'Origin' } });
});

test('only OPTIONS with Origin and Access-Control-Request-Method is a preflight', (t) => {
  const fields = { allowOrigins: ['*'] };
  t.is(preflight(fields, asked, 'GET'), undefined);
  t.is(preflight(fields, { origin: 'https://a.com' }), undefined);
  t.is(preflight(fields, { 'access-control-request-method': 'PUT' }), undefined);
});

test('`*` without credentials is answered `*`, the same for every origin', (t) => {
  const fields = { allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'], exposeHeaders: ['*'] };
  const answer = { 'allow-origin': '*', 'expose-headers': '*', 'allow-methods': '*', 'max-age': '5' };
  t.deepEqual(preflight(fields, asked)?.headers, { ...answer, 'allow-headers': 'x-header-1, x-header-2' });
  t.deepEqual(preflight(fields, { ...asked, 'access-control-request-headers': '' })?.headers, { ...answer, 'allow-headers': '*' });
  const plan = planCors(filter(fields));
  t.is(plan.respond('https://a.com'), plan.respond(undefined));
});

test('`*` with credentials is never answered `*`, but with what was asked for', (t) => {
  const fields = { allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'], exposeHeaders: ['*'], allowCredentials: true };
  const answer = { 'allow-origin': 'https://www.foo.com', 'allow-credentials': 'true', vary: 'Origin', 'allow-methods': 'PUT', 'max-age': '5' };
  t.deepEqual(preflight(fields, asked)?.headers, { ...answer, 'allow-headers': 'x-header-1, x-header-2' });
  t.deepEqual(preflight(fields, { ...asked, 'access-control-request-headers': '' })?.headers, answer);
});

test('what a response exposes: the list, `*`, or with credentials the names that the response has', (t) => {
  const allowOrigins = ['https://a.com'];
  const expose = (fields: Partial<CorsFilter>, names?: () => string[]) =>
    short(planCors(filter({ allowOrigins, ...fields })).respond('https://a.com', names).append)['expose-headers'];
  t.is(expose({ exposeHeaders: ['x-a', 'x-b'] }), 'x-a, x-b');
  t.is(expose({ exposeHeaders: ['*'] }), '*');
  t.is(expose({ exposeHeaders: ['*'], allowCredentials: true }), undefined);
  t.is(expose({ exposeHeaders: ['*'], allowCredentials: true }, () => ['access-control-max-age']), undefined);
  t.is(expose({ exposeHeaders: ['*'], allowCredentials: true }, () => ['X-A', 'x-b', 'x-a', 'access-control-max-age']), 'x-a, x-b');
});

test("a backend's own CORS headers never get through", (t) => {
  const plan = planCors(filter({ allowOrigins: ['https://a.com'] }));
  for (const edits of [plan.respond('https://a.com'), plan.respond('https://b.com'), plan.respond(undefined)]) {
    for (const field of ['Allow-Credentials', 'Allow-Headers', 'Allow-Methods', 'Allow-Origin', 'Expose-Headers', 'Max-Age']) {
      const name = new TextEncoder().encode(`Access-Control-${field}`);
      t.true(edits.drops(name, 0, name.length), field);
    }
    t.true(edits.lines.includes('vary: Origin\r\n'));
  }
});

test('the wire form of a response has the same lines', (t) => {
  const { append, lines } = planCors(filter({ allowOrigins: ['https://a.com'], allowCredentials: true })).respond('https://a.com');
  t.is(lines, append.map(({ name, value }) => `${name}: ${value}\r\n`).join(''));
});
