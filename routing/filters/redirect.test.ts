import test from 'ava';
import type { RedirectFilter } from '#snapshot';
import { match } from '../fixtures.ts';
import type { RedirectTarget } from '../types.ts';
import { planRedirect } from './redirect.ts';

function location(filter: Partial<RedirectFilter>, target: Partial<RedirectTarget> = {}, prefix = '/'): string {
  const plan = planRedirect({ type: 'RequestRedirect', statusCode: 302, ...filter }, match({ prefix }));
  return plan({ scheme: 'http', host: 'example.org', port: 80, path: '/a', query: undefined, ...target }).location;
}

const http80 = { scheme: 'http', port: 80 } as const;
const http8080 = { scheme: 'http', port: 8080 } as const;
const https443 = { scheme: 'https', port: 443 } as const;
const https8443 = { scheme: 'https', port: 8443 } as const;

const ports: readonly [sentence: string, filter: Partial<RedirectFilter>, listener: Partial<RedirectTarget>, location: string][] = [
  ['no scheme, no port: the listener, its well-known port left out', {}, http80, 'http://example.org/a'],
  ["no scheme, no port: the listener's port", {}, http8080, 'http://example.org:8080/a'],
  ['no scheme, port 80 on 8080', { port: 80 }, http8080, 'http://example.org/a'],
  ['no scheme, port 8080 on 80', { port: 8080 }, http80, 'http://example.org:8080/a'],
  ["no scheme, no port on https: the listener's", {}, https443, 'https://example.org/a'],
  ['no scheme, no port on https at another port', {}, https8443, 'https://example.org:8443/a'],
  ['no scheme, port 80 on https is not the well-known one', { port: 80 }, https443, 'https://example.org:80/a'],
  ['scheme https, no port: 443, left out', { scheme: 'https' }, http8080, 'https://example.org/a'],
  ['scheme http, no port: 80, left out', { scheme: 'http' }, https8443, 'http://example.org/a'],
  ['scheme https, port 443', { scheme: 'https', port: 443 }, http80, 'https://example.org/a'],
  ['scheme https, port 8443', { scheme: 'https', port: 8443 }, http80, 'https://example.org:8443/a'],
  ['scheme http, port 443', { scheme: 'http', port: 443 }, http80, 'http://example.org:443/a'],
];

for (const [sentence, filter, listener, expected] of ports) test(`redirect: ${sentence}`, (t) => t.is(location(filter, listener), expected));

test('the hostname is the filter\'s, or the request\'s own', (t) => {
  t.is(location({ hostname: 'other.org' }), 'http://other.org/a');
  t.is(location({}, { host: '[::1]', port: 8080 }), 'http://[::1]:8080/a');
  t.is(location({}, { host: '' }), '/a');
});

test('the path stays, or is modified; the query stays', (t) => {
  t.is(location({}, { path: '/a/b', query: 'c=d' }), 'http://example.org/a/b?c=d');
  t.is(location({ path: { type: 'ReplaceFullPath', value: '/full' } }, { query: 'c=d' }), 'http://example.org/full?c=d');
  t.is(location({ path: { type: 'ReplacePrefixMatch', value: '/new' } }, { path: '/old/x' }, '/old'), 'http://example.org/new/x');
});

test('the status is the filter\'s', (t) => {
  const plan = planRedirect({ type: 'RequestRedirect', statusCode: 308 }, match({}));
  for (const host of ['a', '']) t.is(plan({ ...http80, host, path: '/', query: undefined }).status, 308);
});
