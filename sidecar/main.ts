import { anyAddress, assembleProcess, prepareV8, readProcessSettings, runProcess, VariableReader } from '#proxy';
import { linuxOriginalDestination, startCapture } from './capture/index.ts';

/** The process beside a workload. It is set up by variables alone; see `proxy/process/settings.ts`. */

prepareV8();
const reader = new VariableReader(process.env);
const settings = readProcessSettings(reader);
const outboundPort = reader.port('WEFT_OUTBOUND_PORT', 15_001);
const inboundPort = reader.port('WEFT_INBOUND_PORT', 15_006);
if (reader.faults.length > 0) {
  process.stderr.write(`the sidecar can't start:\n${reader.faults.map((fault) => `  ${fault}\n`).join('')}`);
  process.exit(2);
}

const [end, now] = [new AbortController(), new AbortController()];
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => (end.signal.aborted ? now : end).abort());

try {
  const environment = { now: () => performance.now(), wallClock: Date.now, random: Math.random, write: (line: string) => process.stdout.write(line) };
  // Nobody reads it any more: a fault to be logged would be that of its own log line, again and again.
  process.stdout.on('error', () => {});
  const parts = await assembleProcess(settings, 'sidecar', environment);
  process.on('uncaughtException', (error) => {
    // Whatever a peer sent, the others' connections go on.
    parts.metrics.count('internal_errors');
    parts.log('error', 'internal error', { error: error.stack ?? String(error) });
  });
  const { namespace, pod } = settings;
  const capture = await startCapture({
    node: { id: `sidecar/${namespace}/${pod}`, role: 'sidecar', namespace, name: pod },
    proxy: parts.proxy,
    metrics: parts.metrics,
    dial: () => parts.dial(),
    lastGood: (type, name) => parts.lastGood(type, name),
    now: environment.now,
    random: environment.random,
    original: await linuxOriginalDestination(),
    address: anyAddress(settings),
    podAddresses: settings.podAddresses,
    outboundPort,
    inboundPort,
  });
  parts.log('info', 'started', { outboundPort, inboundPort, startMs: Math.round(performance.now()) });
  const running = {
    waitsFor: () => (capture.connected() ? undefined : 'the controller has not been reached yet'),
    config: () => ({ outboundPort: capture.outboundPort, inboundPort: capture.inboundPort }),
    drain: (ms: number) => capture.drain(ms),
  };
  // A sidecar gets its signal after the last container has ended: nobody comes any more.
  await runProcess(parts, running, { delayMs: 0, drainMs: settings.drainMs }, { end: end.signal, now: now.signal });
  process.exit(0);
} catch (error) {
  process.stderr.write(`the sidecar can't run: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
