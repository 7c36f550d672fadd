import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { bundle, bundles } from '../images/bundle.ts';
import { proxyEnvironment } from '../images/environment.ts';

/** One bundle per process, holding no more than that process may have. */

const folder = mkdtempSync(join(tmpdir(), 'weft-bundles-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

for (const one of bundles.filter(({ entry }) => existsSync(entry))) {
  test(`${one.image}/${one.name} is bundled without what it must not hold`, async (t) => {
    const { outputs } = await bundle(one, folder);
    t.true(Object.keys(outputs).some((path) => path.endsWith(`weft/${one.name}.js`)));
  });
}

test('a bundle that holds what it must not is refused', async (t) => {
  await t.throwsAsync(bundle({ image: 'weft', name: 'wrong', entry: 'injector/main.ts', without: ['node-forge'] }, folder), { message: 'the bundle of wrong must not hold node-forge' });
});

test('the program of the init container runs from its bundle alone', async (t) => {
  await bundle(bundles.find(({ name }) => name === 'redirect')!, folder);
  const { status, stderr } = spawnSync(process.execPath, [join(folder, 'weft-proxy-init/weft/redirect.js'), '--uid=x'], { encoding: 'utf8', cwd: '/' });
  t.is(status, 1);
  t.is(stderr, '{"message":"could not redirect the TCP of this Pod","error":"--uid must be a number from 1 to 2147483647"}\n');
});

test('the bundle of a sidecar runs with traces: what it loads only then is in it', async (t) => {
  await bundle(bundles.find(({ name }) => name === 'sidecar')!, folder);
  const env = { POD_NAME: 'a', POD_NAMESPACE: 'b', POD_IP: '127.0.0.1', WEFT_CONTROLLER: 'controller.invalid:15010', WEFT_OUTBOUND_PORT: '0', WEFT_INBOUND_PORT: '0', WEFT_ADMIN_PORT: '0', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' };
  symlinkSync(join(process.cwd(), 'node_modules'), join(folder, 'weft-proxy/node_modules'));
  const { stdout, stderr, signal } = spawnSync(process.execPath, [join(folder, 'weft-proxy/weft/sidecar.js')], { encoding: 'utf8', env, timeout: 3000, killSignal: 'SIGKILL' });
  t.is(signal, 'SIGKILL', `it ended by itself: ${stdout}${stderr}`);
});

test('both ways of making the image of proxies give it the same environment', (t) => {
  const pairs = Object.entries({ PATH: '/usr/bin', ...proxyEnvironment }).map(([name, value]) => `${name}=${value}`);
  const dockerfile = readFileSync('images/Dockerfile', 'utf8').split('FROM scratch AS weft-proxy\n')[1]!;
  // A value with a blank is quoted there.
  t.deepEqual([...(/^ENV (.*)$/m.exec(dockerfile)?.[1] ?? '').matchAll(/(\w+)=(?:"([^"]*)"|(\S+))/g)].map(([, name, quoted, bare]) => `${name}=${quoted ?? bare}`), pairs);
  const script = readFileSync('test/cluster/image', 'utf8');
  const quoted = [/variables='(.*)'/, /weft-proxy\) .*variables\+='(.*)'/].map((pattern) => pattern.exec(script)?.[1]).join('');
  t.deepEqual(JSON.parse(`[${quoted}]`), pairs);
});
