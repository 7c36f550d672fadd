import { open, stat } from 'node:fs/promises';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { startMesh, type Mesh, type MeshProblem } from '#mesh';
import { AccessLog, prepareV8, createTracer, descriptorSink, fileSink, socketModes, startAdmin, type AdminServer, type SocketMode, type Tracer } from '#proxy';
import type { CliEnvironment } from './environment.ts';
import { failWith, pathsOption } from './options.ts';
import { UsageError } from './explain/place.ts';
import { printable } from './table.ts';
import { Reporter } from './up/reporter.ts';
import { besideOf, keepStatusFile, type StatusFile } from './up/status-file.ts';

interface UpOptions {
  readonly file: readonly string[];
  readonly portOffset: number;
  readonly statusOut?: string;
  readonly accessLog?: string;
  readonly admin?: number;
  readonly drain: number;
  readonly socketIo: SocketMode;
  readonly json?: true;
}

/** A second signal within this many milliseconds is the first one come by another way: from the terminal and from the launcher. */
const sameSignalMs = 300;

/** `weft up`: runs a mesh on this machine until it is told to end. */
export function register(program: Command, environment: CliEnvironment): void {
  program
    .command('up')
    .description('Run gateways and sidecars on this machine, from manifests that are watched')
    .addOption(pathsOption())
    .option('--port-offset <number>', 'added to every port that gateways and sidecars bind', numberUpTo(65_535), 0)
    .option('--status-out <file>', "keep a file of every object's status up to date")
    .option('--access-log <file>', 'a line of JSON per request; - for standard output')
    .option('--admin <port>', 'serve /metrics, /ready and /config on 127.0.0.1', numberUpTo(65_535))
    .option('--drain <seconds>', 'at the end, how long requests in flight may take', numberUpTo(3600), 30)
    .addOption(new Option('--socket-io <way>', "how sockets are read and written: raw is cheaper, by handles that are no part of Node's interface").choices(socketModes).default('public').env('WEFT_SOCKET_IO'))
    .option('--json', 'tell what happens as lines of JSON')
    .action(async (options: UpOptions) => {
      try {
        await checkPaths(options.file);
        await checkOutputs(options);
        await up(options, environment);
      } catch (error) {
        failWith(error, environment);
      }
    });
}

async function up(options: UpOptions, environment: CliEnvironment): Promise<void> {
  prepareV8();
  const reporter = new Reporter({ format: options.json === true ? 'json' : 'text', environment });
  const statusFile = options.statusOut === undefined ? undefined : keepStatusFile(options.statusOut, (message) => environment.err(printable(`${message}\n`)));
  const accessLog = accessLogOf(options.accessLog, environment);
  const tracer = await tracerOf(environment);
  const stop = Promise.withResolvers<void>();
  const running: { mesh?: Mesh; draining?: true } = {};
  listenToSignals(environment, () => {
    running.draining = true;
    stop.resolve();
    // Nothing is in flight yet.
    if (running.mesh === undefined) environment.exit(0);
  });
  const tell = (): void => {
    if (running.mesh === undefined) return;
    reporter.update(running.mesh);
    statusFile?.set(running.mesh.statuses());
  };
  const early = tellEarly(reporter);
  const mesh = await startMesh(
    {
      files: options.file,
      portOffset: options.portOffset,
      socketIO: options.socketIo,
      drainMs: options.drain * 1000,
      ...(accessLog && { accessLog }),
      ...(tracer && { tracer }),
      onChange: tell,
      onProblem: early.problem,
      onEdit: (edit) => reporter.edit(edit),
    },
    { now: () => performance.now(), wallClock: () => environment.now(), random: () => environment.random() },
  );
  early.end();
  running.mesh = mesh;
  const admin = options.admin === undefined ? undefined : await openAdmin(options.admin, mesh, () => running.draining === true);
  if (admin !== undefined) reporter.note('admin', `admin serves http://${admin.address}:${admin.port}/metrics`);
  tell();
  await stop.promise;
  reporter.note('draining', 'draining: requests in flight are finished; signal again to end at once');
  await mesh.drain(options.drain * 1000);
  await Promise.all([admin?.close(), accessLog?.close(), tracer?.close(), flush(statusFile, mesh)]);
  reporter.note('ended', 'ended');
  environment.exit(0);
}

/** A start that takes long says why: what cannot be served is waited for. */
const patienceMs = 1000;

/** Problems are told when the mesh has started, all at once; those of a start that takes long, when it has taken long. */
function tellEarly(reporter: Reporter): { readonly problem: (problem: MeshProblem) => void; readonly end: () => void } {
  const problems: MeshProblem[] = [];
  let late = false;
  let started = false;
  const timer = setTimeout(() => {
    late = true;
    reporter.early(problems);
  }, patienceMs);
  return {
    problem: (problem) => {
      if (started) return;
      problems.push(problem);
      if (late) reporter.early([problem]);
    },
    end: () => {
      started = true;
      clearTimeout(timer);
    },
  };
}

/** What is to be written must be writable before anything is served. */
async function checkOutputs({ accessLog, statusOut }: UpOptions): Promise<void> {
  const outputs = [
    ...(accessLog === undefined || accessLog === '-' ? [] : [{ option: '--access-log', path: accessLog, file: accessLog }]),
    ...(statusOut === undefined ? [] : [{ option: '--status-out', path: statusOut, file: besideOf(statusOut) }]),
  ];
  for (const { option, path, file } of outputs) {
    try {
      if ((await stat(path).catch(() => undefined))?.isDirectory()) throw new Error('is a folder');
      await (await open(file, 'a')).close();
    } catch (error) {
      throw new UsageError(`${option} ${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

async function checkPaths(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await stat(path).catch(() => {
      throw new UsageError(`${path}: no such file or folder`);
    });
  }
}

function listenToSignals(environment: CliEnvironment, first: () => void): void {
  let since: number | undefined;
  environment.onSignal((signal) => {
    if (since === undefined) {
      since = performance.now();
      first();
    } else if (performance.now() - since > sameSignalMs) environment.exit(signal === 'SIGINT' ? 130 : 143);
  });
}

function accessLogOf(target: string | undefined, environment: CliEnvironment): AccessLog | undefined {
  if (target === undefined) return undefined;
  return new AccessLog({ sink: target === '-' ? descriptorSink(1) : fileSink(target), now: () => environment.now() });
}

/** Spans leave where `OTEL_EXPORTER_OTLP_ENDPOINT` says, as in any program with OpenTelemetry. */
async function tracerOf({ variables }: CliEnvironment): Promise<Tracer | undefined> {
  try {
    const sample = Number(variables['OTEL_TRACES_SAMPLER_ARG']);
    return await createTracer({
      endpoint: variables['OTEL_EXPORTER_OTLP_ENDPOINT'],
      serviceName: variables['OTEL_SERVICE_NAME'] ?? 'weft',
      ...(Number.isFinite(sample) && variables['OTEL_TRACES_SAMPLER_ARG'] !== undefined ? { sample } : {}),
    });
  } catch (error) {
    throw new UsageError(`OTEL_EXPORTER_OTLP_ENDPOINT: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function openAdmin(port: number, mesh: Mesh, draining: () => boolean): Promise<AdminServer> {
  try {
    // The mesh is there once this is opened.
    return await startAdmin({ port, metrics: () => mesh.metrics(), notReady: () => (draining() ? 'draining' : undefined), config: () => mesh.config() });
  } catch (error) {
    await mesh.close();
    throw new UsageError(`--admin ${port}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function flush(statusFile: StatusFile | undefined, mesh: Mesh): Promise<void> {
  statusFile?.set(mesh.statuses());
  await statusFile?.flush();
}

function numberUpTo(limit: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value > limit) throw new InvalidArgumentError(`not a whole number from 0 to ${limit}`);
    return value;
  };
}
