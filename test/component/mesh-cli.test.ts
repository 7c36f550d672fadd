import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { parseAllDocuments } from 'yaml';
import { addresses, folder, get, until, wait, workload, yaml, type Workload } from './mesh-rig.ts';

const at = addresses(78);
const launcher = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));

interface Running {
  readonly child: ChildProcess;
  out(): string;
  err(): string;
  readonly exit: Promise<number | null>;
  /** Waits for a line of standard output, or of standard error. */
  line(pattern: RegExp): Promise<string>;
}

/** The command as a person starts it. */
function weft(t: ExecutionContext, args: readonly string[], node = process.execPath): Running {
  const child = spawn(node, [launcher, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (out += part));
  child.stderr.setEncoding('utf8').on('data', (part: string) => (err += part));
  const exit = new Promise<number | null>((resolve) => child.on('exit', resolve));
  t.teardown(() => child.kill('SIGKILL'));
  return {
    child,
    out: () => out,
    err: () => err,
    exit,
    line: (pattern) => until(() => `${out}\n${err}`.split('\n').find((line) => pattern.test(line)), 15_000).catch((error: unknown) => {
      throw new Error(`no line ${pattern} in:\n${out}\n${err}`, { cause: error });
    }),
  };
}

/** Manifests of one Gateway at an address of its own with a workload behind it. */
async function manifests(t: ExecutionContext, base: number): Promise<{ readonly text: string; readonly place: { readonly address: string; readonly port: number }; readonly web: Workload }> {
  const web = await workload(t, 'web', at(base + 1));
  const text = yaml.join(yaml.gateway('g', [18_080], at(base)), yaml.route('r', '{ name: g }', { web: 1 }), yaml.service('web', 'web', web.port), yaml.pod('p', 'web', web.address, 'enabled'));
  return { text, place: { address: at(base), port: 18_080 }, web };
}

test('weft up: says where everything is and that it is ready; a signal drains, and no request in flight is cut', async (t) => {
  const { text, place, web } = await manifests(t, 1);
  const path = await folder(t, { 'all.yaml': text });
  const running = weft(t, ['up', '-f', path]);
  t.log(await running.line(/^ready/));
  t.regex(running.out(), new RegExp(`gateway shop/g serves http-18080 at ${place.address}:18080`));
  t.regex(running.out(), new RegExp(`sidecar shop/p serves HTTP_PROXY=http://${at(2)}:15001`));
  const slow = get(place, '/?delay=400');
  await until(() => web.requests.length === 1);
  running.child.kill('SIGTERM');
  t.like(await slow, { status: 200, body: 'web' });
  t.is(await running.exit, 0);
  t.regex(running.out(), /draining/);
});

test('weft up: a second signal ends it at once', async (t) => {
  const { text, place, web } = await manifests(t, 5);
  const running = weft(t, ['up', '-f', await folder(t, { 'all.yaml': text })]);
  await running.line(/^ready/);
  const cut = get(place, '/?delay=20000');
  await until(() => web.requests.length === 1);
  running.child.kill('SIGTERM');
  await wait(500);
  const start = performance.now();
  running.child.kill('SIGTERM');
  t.is(await running.exit, 143);
  t.true(performance.now() - start < 5000);
  await t.throwsAsync(cut);
});

test('weft up: serves on when nobody reads its output any more', async (t) => {
  const { text, place } = await manifests(t, 90);
  const path = await folder(t, { 'all.yaml': text });
  const running = weft(t, ['up', '-f', path]);
  await running.line(/^ready/);
  running.child.stdout?.destroy();
  running.child.stderr?.destroy();
  for (const method of ['POST', 'PUT', 'GET']) {
    await writeFile(join(path, 'all.yaml'), text.replace('backendRefs', `matches: [{ method: ${method} }]\n      backendRefs`));
    await until(async () => (await get(place, '/')).status === (method === 'GET' ? 200 : 404));
  }
  t.is(running.child.exitCode, null);
  running.child.kill('SIGTERM');
  t.is(await running.exit, 0);
});

test('weft up: keeps the status file up to date, with times of transition that stay while a status stays', async (t) => {
  const { text } = await manifests(t, 9);
  const path = await folder(t, { 'all.yaml': text });
  const file = join(path, 'status.out');
  const running = weft(t, ['up', '-f', path, '--status-out', file]);
  await running.line(/^ready/);
  interface Status {
    readonly kind: string;
    readonly metadata: { readonly namespace: string; readonly name: string };
    readonly status: { readonly parents: readonly { readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason: string; readonly lastTransitionTime: string }[] }[] };
  }
  const conditions = async (): Promise<Record<string, string>> => {
    const documents = existsSync(file) ? parseAllDocuments(await readFile(file, 'utf8')).map((each) => each.toJS() as Status) : [];
    const route = documents.find(({ kind }) => kind === 'HTTPRoute');
    return Object.fromEntries((route?.status.parents[0]?.conditions ?? []).flatMap(({ type, status, reason, lastTransitionTime }) => [[type, `${status} ${reason}`], [`${type} at`, lastTransitionTime]]));
  };
  const first = await until(async () => ((await conditions())['ResolvedRefs'] === 'True ResolvedRefs' ? conditions() : undefined));
  t.regex(first['Accepted at'] ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  await wait(1100);
  await writeFile(join(path, 'all.yaml'), text.replace('name: web, port: 80, weight', 'name: nothing, port: 80, weight'));
  await running.line(/changed HTTPRoute shop\/r: in force after \d+ ms/);
  const second = await until(async () => ((await conditions())['ResolvedRefs'] === 'False BackendNotFound' ? conditions() : undefined));
  t.is(second['Accepted at'], first['Accepted at']);
  t.not(second['ResolvedRefs at'], first['ResolvedRefs at']);
  await running.line(/all\.yaml:\d+:\d+: error: HTTPRoute shop\/r.*BackendNotFound/);
});

test('weft up: a broken file is told with file, line, column and reason, and that it is solved', async (t) => {
  const { text, place } = await manifests(t, 13);
  const path = await folder(t, { 'all.yaml': text });
  const running = weft(t, ['up', '-f', path]);
  await running.line(/^ready/);
  await writeFile(join(path, 'all.yaml'), `${text}---\nfoo: [1,\n`);
  await running.line(/all\.yaml:\d+:\d+: error: .*last good version goes on \(SyntaxError\)/);
  t.is((await get(place)).status, 200);
  await writeFile(join(path, 'all.yaml'), text);
  await running.line(/^solved: .*SyntaxError/);
});

test('weft up --json tells the same as lines of JSON, --admin serves metrics, --access-log writes requests', async (t) => {
  const { text, place } = await manifests(t, 17);
  const path = await folder(t, { 'all.yaml': text });
  const log = join(path, 'access.log');
  const running = weft(t, ['up', '-f', path, '--json', '--admin', '0', '--access-log', log]);
  await running.line(/"event":"ready"/);
  const events = running.out().trim().split('\n').map((line) => JSON.parse(line) as { event: string; message: string });
  t.deepEqual(events.map(({ event }) => event).sort(), ['admin', 'ready', 'serves', 'serves']);
  await get(place, '/logged');
  const port = Number(/:(\d+)\/metrics/.exec(events.find(({ event }) => event === 'admin')?.message ?? '')?.[1]);
  t.regex((await get({ address: '127.0.0.1', port }, '/metrics', { host: '127.0.0.1' })).body, /weft_requests_total\{.*route_name="r".*\} 1/);
  await until(async () => existsSync(log) && (await readFile(log, 'utf8')).includes('/logged'));
});

test('weft up: a path that is not there ends it with a reason', async (t) => {
  const running = weft(t, ['up', '-f', '/nowhere/at/all.yaml']);
  t.is(await running.exit, 2);
  t.regex(running.err(), /\/nowhere\/at\/all\.yaml: no such file or folder/);
});

test('weft up: what it could not write ends it before anything is served', async (t) => {
  const path = await folder(t, { 'all.yaml': '' });
  for (const [option, place, reason] of [['--access-log', '/nowhere/at/a.log', 'ENOENT'], ['--status-out', '/nowhere/at/s.yaml', 'ENOENT'], ['--access-log', path, 'is a folder']] as const) {
    const running = weft(t, ['up', '-f', path, option, place]);
    t.is(await running.exit, 2);
    t.regex(running.err(), new RegExp(`^weft: ${option} ${place}: .*${reason}`));
    t.is(running.out(), '');
  }
});

test('weft up: says so where there is nothing to serve', async (t) => {
  const running = weft(t, ['up', '-f', await folder(t, { 'readme.txt': '' })]);
  t.regex(await running.line(/^ready/), /0 gateways, 0 sidecars; nothing to serve: there is no Gateway of class weft with a listener, and no Pod with a sidecar$/);
});

test('a mesh ends when the launcher that started it was killed', async (t) => {
  const older = ['/usr/bin/node', '/usr/local/bin/node'].find((path) => existsSync(path) && path !== process.execPath);
  if (older === undefined) return t.pass('no other Node here');
  const { text, place } = await manifests(t, 21);
  const running = weft(t, ['up', '-f', await folder(t, { 'all.yaml': text })], older);
  await running.line(/^ready/);
  t.is((await get(place)).status, 200);
  running.child.kill('SIGKILL');
  await until(() => get(place).then(() => false, () => true));
  t.pass();
});

test('the launcher needs no Node 26 on the PATH: an older one goes on in the one of the project', async (t) => {
  const older = ['/usr/bin/node', '/usr/local/bin/node'].find((path) => existsSync(path));
  if (older === undefined) return t.pass('no other Node here');
  const running = weft(t, ['--help'], older);
  t.is(await running.exit, 0);
  t.regex(running.out(), /Usage: weft/);
});
