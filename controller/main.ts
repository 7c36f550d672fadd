import { hostname } from 'node:os';
import { KubeConfig } from '@kubernetes/client-node';
import { connectApi } from './kube/api.ts';
import { createLog } from './run/log.ts';
import { parseOptions, usage, type Options } from './run/options.ts';
import { runController } from './run/run.ts';

/** How long an orderly end may take. Milliseconds. */
const endingMs = 10_000;

const parsed = parseOptions({ argv: process.argv.slice(2), env: process.env, hostname: hostname() });
switch (parsed.kind) {
  case 'help':
    process.stdout.write(usage);
    break;
  case 'wrong':
    process.stderr.write(`${parsed.message}\n\n${usage}`);
    process.exitCode = 2;
    break;
  case 'run':
    await run(parsed.options);
}

async function run(options: Options): Promise<void> {
  const log = createLog((line) => process.stdout.write(line), Date.now);
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      stop.abort();
      setTimeout(() => process.exit(1), endingMs).unref();
    });
  }
  try {
    const config = new KubeConfig();
    if (options.kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(options.kubeconfig);
    const api = connectApi(config, 'weft-controller');
    await runController({ options, api, log, now: Date.now, monotonic: () => performance.now(), random: Math.random, signal: stop.signal });
    process.exit(0);
  } catch (error) {
    log('error', error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
}
