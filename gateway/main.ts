import { randomBytes } from 'node:crypto';
import { anyAddress, assembleProcess, prepareV8, mergePages, readProcessSettings, readWorkers, runProcess, ticketKeysMs, VariableReader, type ProcessParts } from '#proxy';
import { startGateway } from './gateway.ts';
import { answerParent, forkWorker, hearTickets, Workers } from './workers/index.ts';

/** A process of one Gateway's proxy; the first one starts the others. It is set up by variables alone; see `proxy/process/settings.ts`. */

prepareV8();
const reader = new VariableReader(process.env);
const settings = { ...readProcessSettings(reader), workers: readWorkers(reader) };
const name = reader.text('WEFT_GATEWAY');
const delayMs = reader.number('WEFT_DRAIN_DELAY_SECONDS', { least: 0, most: 3600, otherwise: 5 }) * 1000;
if (reader.faults.length > 0) {
  process.stderr.write(`the gateway can't start:\n${reader.faults.map((fault) => `  ${fault}\n`).join('')}`);
  process.exit(2);
}

const { count, index } = settings.workers;
/** Beyond the end of the drain, for a worker to end by itself. Milliseconds. */
const graceMs = 2000;
const [end, now] = [new AbortController(), new AbortController()];
const signalled = (): void => (end.signal.aborted ? now : end).abort();
// A terminal, or who ends a whole group of processes, sends it to all of them, and the first process tells the others besides: they end once.
process.on('SIGTERM', index === 0 ? signalled : () => end.abort());
process.on('SIGINT', index === 0 ? signalled : () => {});
if (index > 0) {
  // The process that started it is gone, perhaps before this one could hear of it; one that goes while all of them end is in a hurry.
  if (process.connected) process.on('disconnect', signalled);
  else signalled();
}

/** The other processes, where this is the one that starts them. */
async function startWorkers({ log, metrics, lendSnapshot }: ProcessParts): Promise<Workers | undefined> {
  if (index > 0 || count === 1) return undefined;
  // So that they can serve before the controller answers, though they may not have run here before.
  for (let worker = 1; worker < count; worker++) await lendSnapshot(worker);
  // A signal to end that came before them tells nobody.
  if (end.signal.aborted) return undefined;
  const workers = new Workers({
    count: count - 1,
    prepare: lendSnapshot,
    spawn: (worker) => forkWorker(process.argv[1]!, { ...process.env, WEFT_WORKER: String(worker) }),
    log,
    now: () => performance.now(),
    random: Math.random,
    restarted: () => metrics.count('worker_restarts'),
  });
  end.signal.addEventListener('abort', () => workers.end());
  workers.start();
  return workers;
}

/** The first process draws what keys of TLS session tickets are derived from, for all of them, and anew before a stolen one is of much use. */
function shareTickets({ proxy }: ProcessParts, workers: Workers | undefined): void {
  const draw = (): void => {
    const secret = randomBytes(32);
    proxy.useTicketSecret(secret);
    workers?.shareTickets(secret);
  };
  if (index > 0) hearTickets(process, (secret) => proxy.useTicketSecret(secret));
  else {
    draw();
    setInterval(draw, ticketKeysMs).unref();
  }
}

/** At the admin port the first process answers for all; the others answer it. */
function withAdmin(parts: ProcessParts, workers: Workers | undefined): ProcessParts {
  const { exposition } = parts;
  if (index > 0) return { ...parts, admin: async (state) => answerParent(process, state, exposition) };
  if (workers === undefined) return parts;
  const merged = async () => {
    const [own, others] = await Promise.all([exposition(), workers.pages()]);
    return { contentType: own.contentType, body: mergePages([{ worker: '0', text: own.body }, ...others]) };
  };
  return { ...parts, admin: (state) => parts.admin({ ...state, metrics: merged }) };
}

try {
  const environment = { now: () => performance.now(), wallClock: Date.now, random: Math.random, write: (line: string) => process.stdout.write(line) };
  // Nobody reads it any more: a fault to be logged would be that of its own log line, again and again.
  process.stdout.on('error', () => {});
  const parts = await assembleProcess(settings, 'gateway', environment);
  process.on('uncaughtException', (error) => {
    // Whatever a peer sent, the others' connections go on.
    parts.metrics.count('internal_errors');
    parts.log('error', 'internal error', { error: error.stack ?? String(error) });
  });
  const { namespace, pod } = settings;
  const workers = await startWorkers(parts);
  shareTickets(parts, workers);
  const gateway = startGateway({
    node: { id: `gateway/${namespace}/${name}/${pod}${index === 0 ? '' : `/${index}`}`, role: 'gateway', namespace, name },
    proxy: parts.proxy,
    dial: () => parts.dial(),
    lastGood: (type, name) => parts.lastGood(type, name),
    now: environment.now,
    random: environment.random,
    // The address is the Service's; here all of the Pod's are meant.
    address: anyAddress(settings),
  });
  parts.log('info', 'started', { gateway: `${namespace}/${name}`, startMs: Math.round(performance.now()) });
  const running = {
    waitsFor: () => {
      if (!gateway.ready()) return 'no listeners yet';
      return gateway.sockets().size === 0 ? 'no listener can be bound' : workers?.notReady();
    },
    config: () => ({
      gateway: `${namespace}/${name}`,
      sockets: Object.fromEntries(gateway.sockets()),
      failures: Object.fromEntries(gateway.failures()),
      ...(workers === undefined ? {} : { workers: workers.summary() }),
    }),
    drain: async (ms: number) => {
      await Promise.all([gateway.drain(ms), workers?.ended(ms + graceMs)]);
    },
  };
  await runProcess(withAdmin(parts, workers), running, { delayMs, drainMs: settings.drainMs }, { end: end.signal, now: now.signal });
  process.exit(0);
} catch (error) {
  process.stderr.write(`the gateway can't run: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
