import { join } from 'node:path';
import { familyOf, type ControllerChannel, type ResourceKind, type VersionedResource } from '#snapshot';
import { copyHoldings, dialController, inSlices, keepLastGood, type LastGood } from '../control/index.ts';
import { createProxy } from '../proxy.ts';
import { openSocketIO, type SocketIO } from '../sockets/index.ts';
import { AccessLog, createExposition, createTracer, descriptorSink, Metrics, startAdmin, type AdminServer, type Exposition, type LogSink } from '../telemetry/index.ts';
import type { Proxy } from '../types.ts';
import { anyAddress, logLevels, type LogLevel, type ProcessSettings } from './settings.ts';

/** What a process gives: clocks, chance, standard output. */
export interface ProcessEnvironment {
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** Milliseconds since 1970. */
  wallClock(): number;
  random(): number;
  /** For the access log, 1 (standard output) unless set. */
  readonly sink?: LogSink;
  /** One line, newline included. */
  write(line: string): void;
}

export type ProcessLog = (level: LogLevel, message: string, more?: Readonly<Record<string, string | number>>) => void;

/** What sidecar and gateway processes are made of. */
export interface ProcessParts {
  readonly proxy: Proxy;
  readonly metrics: Metrics;
  /** This process's page of metrics. */
  readonly exposition: () => Promise<Exposition>;
  readonly log: ProcessLog;
  /** To the controller, or the last good snapshot while that is away. */
  dial(): Promise<ControllerChannel>;
  /** Of an earlier run, from the same file. */
  lastGood(type: ResourceKind, name: string): VersionedResource | undefined;
  /** Serves /ready, /metrics and /config. Rejects where the port can't be bound. */
  admin(state: AdminState): Promise<AdminServer>;
  /** Puts what this process holds in the place of what another worker has kept, for that to begin with. Never rejects. */
  lendSnapshot(worker: number): Promise<void>;
  /** After the proxy: writes what waits to be written. */
  close(): Promise<void>;
}

export interface AdminState {
  /** In place of this process's own page of metrics. */
  readonly metrics?: () => Promise<Exposition>;
  /** Why it is not ready; undefined while it is. */
  notReady(): string | undefined;
  config(): unknown;
}

/** Rejects where the trace collector's address is none. */
export async function assembleProcess(settings: ProcessSettings, role: 'sidecar' | 'gateway', env: ProcessEnvironment): Promise<ProcessParts> {
  const metrics = new Metrics();
  const exposition = createExposition(metrics, () => env.now());
  const sharesPorts = settings.workers.count > 1;
  const log = processLog(settings, env);
  const accessLog = accessLogOf(settings, metrics, env);
  const tracer = await createTracer({
    endpoint: settings.collector,
    serviceName: `weft-${role}`,
    resource: { 'k8s.namespace.name': settings.namespace, 'k8s.pod.name': settings.pod },
    sample: settings.traceSample,
    onSpans: (result, spans) => metrics.count(result === 'exported' ? 'spans_exported' : 'spans_lost', spans),
  });
  const { now, random } = env;
  const io = await socketIOOf(settings, metrics, log);
  const proxy = createProxy({ now, random, wallClock: () => env.wallClock(), metrics, io, sharesPorts, addresses: settings.podAddresses, ...(accessLog && { accessLog }), ...(tracer && { tracer }) });
  const toController = dialer(settings, { metrics, log, now });
  const kept = settings.stateFolder === undefined ? undefined : keepLastGood({ file: snapshotFile(settings.stateFolder, settings.workers.index), dial: toController, random, failed: (message) => log('warn', message) });
  return {
    proxy,
    metrics,
    exposition,
    log,
    dial: () => (kept === undefined ? toController() : kept.dial()),
    lastGood: (type, name) => kept?.lastGood(type, name),
    admin: ({ notReady, config, metrics: page }) =>
      startAdmin({
        address: anyAddress(settings),
        port: settings.adminPort,
        hosts: settings.podAddresses.map((address) => (familyOf(address) === 'IPv6' ? `[${address}]` : address)),
        metrics: page ?? exposition,
        notReady,
        config: () => ({ role, namespace: settings.namespace, pod: settings.pod, source: sourceOf(kept), setAside: proxy.setAside(), ...(config() as object) }),
      }),
    lendSnapshot: async (worker) => {
      await kept?.flush();
      if (settings.stateFolder !== undefined) await copyHoldings(snapshotFile(settings.stateFolder, 0), snapshotFile(settings.stateFolder, worker));
    },
    close: async () => {
      await Promise.all([kept?.close(), accessLog?.close(), tracer?.close()]);
    },
  };
}

/** Raw only where it was asked for and works; where it does not, the proxy serves all the same. */
async function socketIOOf({ socketIO }: ProcessSettings, metrics: Metrics, log: ProcessLog): Promise<SocketIO> {
  const { io, refused } = await openSocketIO(socketIO);
  if (refused !== undefined) log('warn', 'raw socket I/O does not work here, the public one is used', { reason: refused });
  metrics.set('raw_socket_io', io.mode === 'raw' ? 1 : 0);
  return io;
}

/** Where the process keeps the last good snapshot: each worker its own. */
function snapshotFile(folder: string, worker: number): string {
  return join(folder, worker === 0 ? 'snapshot.json' : `snapshot-${worker}.json`);
}

function sourceOf(kept: LastGood | undefined): string {
  return kept?.source() ?? 'controller';
}

/** Dials, and says so once per change: a controller that is away is dialled again and again. */
function dialer(settings: ProcessSettings, { metrics, log, now }: { readonly metrics: Metrics; readonly log: ProcessLog; now(): number }): () => Promise<ControllerChannel> {
  const { controller, tokenFile, authorityFile, workers } = settings;
  const instance = workers.index === 0 ? {} : { instance: String(workers.index) };
  let told = '';
  const tell = (level: LogLevel, message: string): void => {
    if (message !== told) log(level, message);
    told = message;
  };
  return async () => {
    try {
      const channel = await dialController(
        { ...controller, serverName: controller.host, tokenFile, authorityFile, ...instance },
        {
          now,
          ended: (reason) => {
            metrics.set('control_plane_connected', 0);
            tell('warn', `the stream of the controller ended: ${reason}`);
          },
        },
      );
      metrics.set('control_plane_connected', 1);
      tell('info', 'connected to the controller');
      return inSlices(channel, now);
    } catch (error) {
      tell('warn', `can't reach the controller: ${error instanceof Error ? error.message : String(error)}`);
      throw error;
    }
  };
}

/** `info` and `debug`: every exchange. `warn`: those that failed. `error`: none. */
function accessLogOf({ logLevel: level, workers }: ProcessSettings, metrics: Metrics, env: ProcessEnvironment): AccessLog | undefined {
  if (level === 'error') return undefined;
  return new AccessLog({
    sink: env.sink ?? descriptorSink(1, workers.count > 1 ? 'shared' : 'own'),
    now: () => env.wallClock(),
    random: () => env.random(),
    sample: level === 'warn' ? 0 : 1,
    onLines: (result, lines) => metrics.count(result === 'written' ? 'access_log_lines' : 'access_log_lines_dropped', lines),
  });
}

function processLog({ logLevel: least, workers }: ProcessSettings, env: ProcessEnvironment): ProcessLog {
  const worker = workers.index === 0 ? {} : { worker: workers.index };
  return (level, message, more) => {
    if (logLevels.indexOf(level) > logLevels.indexOf(least)) return;
    env.write(`${JSON.stringify({ time: new Date(env.wallClock()).toISOString(), level, message, ...worker, ...more })}\n`);
  };
}
