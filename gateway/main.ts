import { anyAddress, assembleProcess, readProcessSettings, runProcess, VariableReader } from '#proxy';
import { startGateway } from './gateway.ts';

/** The process of one Gateway's proxy. It is set up by variables alone; see `proxy/process/settings.ts`. */

const reader = new VariableReader(process.env);
const settings = readProcessSettings(reader);
const name = reader.text('WEFT_GATEWAY');
const delayMs = reader.number('WEFT_DRAIN_DELAY_SECONDS', { least: 0, most: 3600, otherwise: 5 }) * 1000;
if (reader.faults.length > 0) {
  process.stderr.write(`the gateway can't start:\n${reader.faults.map((fault) => `  ${fault}\n`).join('')}`);
  process.exit(2);
}

const [end, now] = [new AbortController(), new AbortController()];
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => (end.signal.aborted ? now : end).abort());

try {
  const environment = { now: () => performance.now(), wallClock: Date.now, random: Math.random, write: (line: string) => process.stdout.write(line) };
  const parts = await assembleProcess(settings, 'gateway', environment);
  process.on('uncaughtException', (error) => {
    // Whatever a peer sent, the others' connections go on.
    parts.metrics.count('internal_errors');
    parts.log('error', 'internal error', { error: error.stack ?? String(error) });
  });
  const { namespace, pod } = settings;
  const gateway = startGateway({
    node: { id: `gateway/${namespace}/${name}/${pod}`, role: 'gateway', namespace, name },
    proxy: parts.proxy,
    dial: () => parts.dial(),
    now: environment.now,
    random: environment.random,
    // The address is the Service's; here all of the Pod's are meant.
    address: anyAddress(settings),
  });
  parts.log('info', 'started', { gateway: `${namespace}/${name}`, startMs: Math.round(performance.now()) });
  const running = {
    waitsFor: () => (gateway.ready() ? undefined : 'no listeners yet'),
    config: () => ({ gateway: `${namespace}/${name}`, sockets: Object.fromEntries(gateway.sockets()), failures: Object.fromEntries(gateway.failures()) }),
    drain: (ms: number) => gateway.drain(ms),
  };
  await runProcess(parts, running, { delayMs, drainMs: settings.drainMs }, { end: end.signal, now: now.signal });
  process.exit(0);
} catch (error) {
  process.stderr.write(`the gateway can't run: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
