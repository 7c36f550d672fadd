import { Agent, request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { makePair } from '../../injector/certificate/make.ts';
import { defaultInjection, injectionFor } from '#injector';
import { startAdmission } from '../../injector/server/server.ts';
import { warmUp } from '../../injector/server/warm-up.ts';

/** `node test/bench/injector.ts`: how long the webhook takes for a Pod of usual size (10 containers, 100 variables each), over TLS on loopback. */

const names = ['weft-injector.weft-system.svc'];
warmUp((pod, namespace) => injectionFor(pod, namespace, defaultInjection));
const pair = await makePair({ names, lifetimeMs: 3_600_000, now: Date.now() });
const server = await startAdmission({ port: 0, address: '127.0.0.1', now: () => performance.now(), answered: () => {}, inject: (pod, namespace) => injectionFor(pod, namespace, defaultInjection) });
server.certify(pair);

const env = Array.from({ length: 100 }, (_, index) => ({ name: `VARIABLE_${index}`, value: 'x'.repeat(64) }));
const containers = Array.from({ length: 10 }, (_, index) => ({ name: `c${index}`, image: 'web', env }));
const body = JSON.stringify({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: { uid: 'u', kind: { group: '', version: 'v1', kind: 'Pod' }, operation: 'CREATE', namespace: 'shop', object: { metadata: { name: 'a' }, spec: { containers } } },
});
const agent = new Agent({ keepAlive: true, maxSockets: 8, ca: pair.authority, servername: names[0] });

function once(): Promise<number> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: server.port, path: '/inject/namespace', method: 'POST', agent, headers: { 'content-type': 'application/json' } }, (response) => {
      response.resume().on('end', () => resolve(performance.now() - start));
    });
    sent.on('error', reject).end(body);
  });
}

function print(title: string, took: readonly number[]): void {
  const sorted = took.toSorted((a, b) => a - b);
  const at = (share: number): string => sorted[Math.floor(sorted.length * share)]!.toFixed(2);
  console.log(`${title}, ${body.length} bytes: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${sorted.at(-1)!.toFixed(2)} ms`);
}

// One after the other; as in a rollout, whether the one before was answered or not; and a queue that is never empty.
const began = process.cpuUsage();
const single: number[] = [];
for (let turn = 0; turn < 1000; turn++) single.push(await once());
const { user, system } = process.cpuUsage(began);
print('one at a time', single);
console.log(`  ${((user + system) / 1000 / single.length).toFixed(2)} ms of the processor for each, the client's part included`);
for (const rate of [50, 200]) {
  const begun: Promise<number>[] = [];
  const start = performance.now();
  for (let turn = 0; turn < 500; turn++) {
    await sleep(Math.max(0, start + (turn * 1000) / rate - performance.now()));
    begun.push(once());
  }
  print(`${rate} a second`, await Promise.all(begun));
}
const queued: number[] = [];
const lane = async (): Promise<void> => {
  for (let turn = 0; turn < 250; turn++) queued.push(await once());
};
await Promise.all(Array.from({ length: 8 }, lane));
print('8 at once', queued);
agent.destroy();
await server.close();
