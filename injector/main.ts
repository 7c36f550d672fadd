import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { KubeConfig } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { connectCertificates } from './certificate/cluster.ts';
import { CertificateKeeper } from './certificate/keeper.ts';
import { makePair } from './certificate/make.ts';
import { readInjectionConfig, type InjectionConfig } from './configuration.ts';
import { injectionFor } from './patch/injection.ts';
import { startAdmission, type AdmissionServer } from './server/server.ts';
import { createMetrics, serveHealth } from './server/health.ts';
import { warmUp } from './server/warm-up.ts';

/** The injector's process: the webhook, its certificate, and a port for the kubelet and Prometheus. */

const text = { type: 'string' } as const;
const { values: flags } = parseArgs({
  options: {
    /** YAML: see `configuration.ts`. */
    config: { ...text, default: '/etc/weft/injection.yaml' },
    port: { ...text, default: '15017' },
    'health-port': { ...text, default: '15014' },
    namespace: { ...text, default: process.env['POD_NAMESPACE'] ?? 'weft-system' },
    service: { ...text, default: 'weft-injector' },
    secret: { ...text, default: 'weft-injector-certificate' },
    webhook: { ...text, default: 'weft-injector' },
    /** Folder with tls.crt and tls.key that someone else renews (cert-manager), who also writes the caBundle. */
    'certificate-folder': text,
    'certificate-lifetime-hours': { ...text, default: '2160' },
    'certificate-overlap-seconds': { ...text, default: '600' },
    'look-seconds': { ...text, default: '5' },
  },
});

function log(level: 'info' | 'error', message: string, more: object = {}): void {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...more })}\n`);
}

function positive(name: 'port' | 'health-port' | 'certificate-lifetime-hours' | 'certificate-overlap-seconds' | 'look-seconds'): number {
  const number = Number(flags[name]);
  if (!(number > 0)) throw new Error(`--${name} must be a number above 0`);
  return number;
}

async function readConfig(): Promise<InjectionConfig> {
  const config = readInjectionConfig(parse(await readFile(flags.config, 'utf8')));
  if (!config.ok) throw new Error(`${flags.config}: ${config.error.join('; ')}`);
  return config.value;
}

/** What keeps the certificate: a step of rotation, or a look at the files of another. */
function certificateTurn(server: AdmissionServer, certified: () => void): () => Promise<void> {
  const folder = flags['certificate-folder'];
  let served = '';
  if (folder !== undefined) {
    return async () => {
      const [certificate, key] = await Promise.all([readFile(join(folder, 'tls.crt'), 'utf8'), readFile(join(folder, 'tls.key'), 'utf8')]);
      if (certificate === served) return;
      server.certify({ certificate, key });
      served = certificate;
      certified();
    };
  }
  const kube = new KubeConfig();
  kube.loadFromDefault();
  const lifetimeMs = positive('certificate-lifetime-hours') * 3_600_000;
  const names = ['', '.cluster.local'].map((domain) => `${flags.service}.${flags.namespace}.svc${domain}`);
  const keeper = new CertificateKeeper({
    cluster: connectCertificates(kube, { namespace: flags.namespace, secret: flags.secret, webhook: flags.webhook }),
    timing: { lifetimeMs, renewBeforeMs: lifetimeMs / 3, overlapMs: positive('certificate-overlap-seconds') * 1000 },
    now: Date.now,
    make: (now) => makePair({ names, lifetimeMs, now }),
    serve: (pair) => {
      server.certify(pair);
      certified();
      log('info', 'serving a certificate', { notAfter: new Date(pair.notAfter).toISOString() });
    },
  });
  return () => keeper.turn();
}

async function main(): Promise<void> {
  const config = await readConfig();
  const metrics = createMetrics();
  warmUp((pod, namespace) => injectionFor(pod, namespace, config));
  let ready = false;
  const server = await startAdmission({
    port: positive('port'),
    inject: (pod, namespace) => injectionFor(pod, namespace, config),
    answered: (outcome, milliseconds) => metrics.answered(outcome, milliseconds),
    now: () => performance.now(),
  });
  const health = await serveHealth(positive('health-port'), { ready: () => ready, metrics: () => metrics.text() });
  const turn = certificateTurn(server, () => {
    ready = true;
  });
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  const lookMs = positive('look-seconds') * 1000;
  while (!stop.signal.aborted) {
    try {
      await turn();
    } catch (error) {
      metrics.failed();
      log('error', 'the certificate could not be looked after', { error: error instanceof Error ? error.message.slice(0, 500) : String(error) });
    }
    // Soon again while nothing can be served (another replica may just have made the first certificate); else with jitter, so that replicas do not look at the same moment.
    await sleep(!ready ? 1000 : lookMs * (0.75 + Math.random() / 2), stop.signal);
  }
  // The API server may still send here until it has heard that this endpoint goes.
  server.drain();
  await sleep(3000);
  await Promise.race([server.close(), sleep(5000)]);
  await health.close();
}

function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

try {
  await main();
  process.exit(0);
} catch (error) {
  log('error', error instanceof Error ? error.message : String(error));
  process.exit(1);
}
