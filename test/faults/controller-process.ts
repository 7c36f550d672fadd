import { mkdirSync, readFileSync, writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { createController, ManifestStore, translateInSteps } from '#controller';
import type { ProxyNode } from '#snapshot';
import { createAuthority, issueServing, serveStream, type Authority } from '../../controller/serve/index.ts';

/**
 * `node controller-process.ts <folder> <port> <node> <manifests, then others…>`: serves what the first file says to a proxy (`ProxyNode` in
 * JSON), over the same stream as the controller of a cluster, and changes to the next file ten times a second where there are several.
 */

const [folder = '', port = '0', node = '', ...files] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const kept = join(folder, 'authority.json');
const authority: Authority = existsSync(kept) ? (JSON.parse(readFileSync(kept, 'utf8')) as Authority) : await createAuthority(Date.now());
writeFileSync(kept, JSON.stringify(authority));
writeFileSync(join(folder, 'ca.crt'), authority.bundle);
writeFileSync(join(folder, 'token'), 'good');

const store = new ManifestStore();
const controller = createController({ translate: translateInSteps, addresses: { first: '127.0.0.1' }, portOffset: 0, bind: 'any', monotonic: () => performance.now(), changed: () => {}, failed: (message) => console.error(message) });
const texts = files.map((file) => readFileSync(file, 'utf8'));
let turn = 0;
const next = (): void => controller.setState(store.update(new Map([['all.yaml', texts[turn++ % texts.length]!]])).state);
next();
if (texts.length > 1) setInterval(next, 100);
const server = await serveStream({
  address: '127.0.0.1',
  port: Number(port),
  certificate: await issueServing(authority, ['localhost'], Date.now()),
  admit: async () => ({ ok: true, node: JSON.parse(node) as ProxyNode }),
  accept: (channel) => controller.accept(channel),
  refused: (reason) => console.error(reason),
  now: () => performance.now(),
  random: Math.random,
});
console.log(`listening ${server.port}`);
process.on('disconnect', () => process.exit());
