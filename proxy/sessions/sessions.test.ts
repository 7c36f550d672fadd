import test from 'ava';
import fc from 'fast-check';
import type { Endpoint, SessionPersistence } from '#snapshot';
import { EndpointSet } from '../balancing/index.ts';
import { cookieValues, RequestSession } from './session.ts';
import { sessionSettings, type SessionSettings } from './settings.ts';
import { formatToken, parseToken, withEntry } from './token.ts';

const endpoint = (last: number): Endpoint => ({ address: `10.0.0.${last}`, port: 8080, workload: `shop/pod-${last}` });
const setOf = (...lasts: number[]) => new EndpointSet<never>(lasts.map(endpoint));
const settingsOf = (session: Partial<SessionPersistence> = {}): SessionSettings =>
  sessionSettings({ session: { type: 'Cookie', name: 's', lifetime: 'Session', path: '/', ...session }, origins: {} })!;
const startedAt = 1_700_000_000_000;

interface Asked {
  readonly settings?: SessionSettings;
  readonly header?: string | undefined;
  readonly backend?: string;
  readonly wallClock?: number;
}

const ask = (endpoints: EndpointSet<never>, { settings = settingsOf(), header, backend = 'shop/v1:8080', wallClock = startedAt }: Asked = {}) =>
  new RequestSession({ settings, backend, endpoints, header, wallClock });
/** What a browser sends back. */
const cookie = (setCookie: { readonly value: string } | undefined): string => setCookie!.value.split(';')[0]!;

test('the second request goes where the first one went, on every proxy', (t) => {
  const [one, other] = [setOf(1, 2, 3), setOf(3, 2, 1)];
  for (const state of one.states) {
    const header = cookie(ask(one).answer(state, 'http'));
    const again = ask(other, { header: `theme=dark; ${header}; lang=de` });
    t.deepEqual(again.pinned?.endpoint, state.endpoint);
    t.is(again.answer(again.pinned!, 'http'), undefined, 'a client that has its cookie gets none');
  }
});

test('an endpoint that is gone, or another Pod at its address, ends the session; the response carries a new token', (t) => {
  const before = setOf(1, 2);
  const header = cookie(ask(before).answer(before.states[0]!, 'http'));
  const without = ask(setOf(2), { header });
  t.is(without.pinned, undefined);
  const sequel = cookie(without.answer(setOf(2).states[0]!, 'http'));
  t.is(ask(setOf(2), { header: sequel }).pinned?.endpoint.address, '10.0.0.2');
  t.is(sequel.length, header.length, 'the old entry is gone');
  t.is(ask(new EndpointSet<never>([{ ...endpoint(1), workload: 'shop/pod-9' }]), { header }).pinned, undefined);
});

test('an endpoint that is set aside serves no session', (t) => {
  const set = setOf(1, 2);
  const header = cookie(ask(set).answer(set.states[0]!, 'http'));
  set.failed(set.states[0]!, 'absent', { startedAt: 0, now: 0 });
  t.is(ask(set, { header }).pinned, undefined);
});

test('each backend has its own session; being sent to another one and back changes nothing', (t) => {
  const [v1, v2] = [setOf(1, 2), setOf(1, 2)];
  const first = cookie(ask(v1).answer(v1.states[1]!, 'http'));
  const second = ask(v2, { header: first, backend: 'shop/v2:8080' });
  t.is(second.pinned, undefined);
  const both = cookie(second.answer(v2.states[0]!, 'http'));
  t.is(ask(v1, { header: both }).pinned, v1.states[1]);
  t.is(ask(v2, { header: both, backend: 'shop/v2:8080' }).pinned, v2.states[0]);
});

test('a session ends with its absoluteTimeout, whatever the client keeps; one from the future, or without a time, never was', (t) => {
  const set = setOf(1, 2);
  const settings = settingsOf({ absoluteTimeout: '1h' });
  const answer = ask(set, { settings }).answer(set.states[0]!, 'http');
  const at = (wallClock: number) => ask(set, { settings, header: cookie(answer), wallClock }).pinned;
  t.is(at(startedAt + 3_599_000), set.states[0]);
  t.is(at(startedAt + 3_600_000), undefined);
  t.is(at(startedAt - 30_000), set.states[0], 'another proxy may be ahead');
  t.is(at(startedAt - 120_000), undefined);
  const endless = cookie(ask(set).answer(set.states[0]!, 'http'));
  t.is(ask(set, { settings, header: endless }).pinned, undefined);
});

test('a session that goes on is not prolonged', (t) => {
  const set = setOf(1, 2);
  const settings = settingsOf({ type: 'Header', name: 'X-Session', absoluteTimeout: '1h' });
  const first = ask(set, { settings }).answer(set.states[0]!, 'http')!;
  const later = ask(set, { settings, header: first.value, wallClock: startedAt + 1_800_000 });
  t.deepEqual(later.answer(later.pinned!, 'http'), first);
  t.is(first.name, 'x-session');
});

test('attributes of the cookie: strict, Secure over TLS, Max-Age only where it is permanent', (t) => {
  const set = setOf(1);
  const of = (session: Partial<SessionPersistence>, scheme: 'http' | 'https') => ask(set, { settings: settingsOf(session) }).answer(set.states[0]!, scheme)!.value.replace(/^s=[^;]*/, '');
  t.is(of({}, 'http'), '; Path=/; HttpOnly; SameSite=Strict');
  t.is(of({}, 'https'), '; Path=/; HttpOnly; SameSite=Strict; Secure');
  t.is(of({ absoluteTimeout: '1h' }, 'http'), '; Path=/; HttpOnly; SameSite=Strict');
  t.is(of({ absoluteTimeout: '5m', lifetime: 'Permanent', path: '/shop' }, 'http'), '; Path=/shop; Max-Age=300; HttpOnly; SameSite=Strict');
  t.is(of({ path: '/a; Domain=example.com' }, 'http'), '; Path=/; HttpOnly; SameSite=Strict', 'no attribute comes in by the path');
});

test('whatever a client sends, it gets an endpoint of the set or none, and nothing throws', (t) => {
  const set = setOf(1, 2, 3);
  const valid = cookie(ask(set).answer(set.states[0]!, 'http')).slice(2);
  const hostile = fc.oneof(fc.string({ maxLength: 3000 }), fc.constantFrom('', '~', '.', `${valid}~`, `${valid}.`, `${valid}.zzzzzzzzz`, `"${valid}"`, Array<string>(17).fill(valid).join('~')), fc.string().map((rest) => valid + rest));
  fc.assert(
    fc.property(hostile, fc.constantFrom('Cookie', 'Header'), (text, type) => {
      const session = ask(set, { settings: settingsOf({ type: type as 'Cookie' | 'Header' }), header: type === 'Cookie' ? `s=${text}` : text });
      t.true(session.pinned === undefined || set.states.includes(session.pinned));
      const value = session.answer(set.states[1]!, 'http')?.value ?? '';
      t.regex(value, /^[\w=.~; /-]*$/);
      t.true(value.length < 600);
    }),
  );
  t.pass();
});

test('tokens are read as they are written, and otherwise not at all', (t) => {
  const entry = fc.record({ tags: fc.stringMatching(/^[\w-]{17}$/), since: fc.option(fc.integer({ min: 0, max: 36 ** 8 - 1 }), { nil: undefined }) });
  fc.assert(fc.property(fc.array(entry, { minLength: 1, maxLength: 16 }), (entries) => { t.deepEqual(parseToken(formatToken(entries)), entries); }));
  for (const text of ['', 'short', 'A'.repeat(16), 'A'.repeat(18), `${'A'.repeat(17)}~`, `${'A'.repeat(17)}.`, `${'A'.repeat(17)}.-1`, `${'A'.repeat(16)}!`]) t.deepEqual(parseToken(text), []);
});

test('a token never has more entries than a rule has backends', (t) => {
  let entries: ReturnType<typeof withEntry> = [];
  for (let index = 0; index < 40; index++) entries = withEntry(entries, { tags: `${String(index).padStart(6, '0')}AAAAAAAAAAA`, since: index });
  t.is(entries.length, 16);
  t.is(parseToken(formatToken(entries)).length, 16);
});

test('cookies of one name are found wherever they stand, a few of them', (t) => {
  t.deepEqual(cookieValues('a=1; s=x;s="y" , s=z; xs=no; ns=s=no', 's'), ['x', 'y', 'z']);
  t.is(cookieValues('s=1; '.repeat(100), 's').length, 4);
  t.deepEqual(cookieValues('S=1', 's'), []);
});
