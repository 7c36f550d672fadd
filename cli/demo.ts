import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InvalidArgumentError, type Command } from 'commander';
import { readFiles } from '#controller';
import { formatProblem, startMesh, type Mesh } from '#mesh';
import { hostPort } from '#snapshot';
import { startApplications, type Applications } from './demo/applications.ts';
import { startVisitor, type Visits } from './demo/visitor.ts';
import type { CliEnvironment } from './environment.ts';

const sample = fileURLToPath(new URL('../examples/bookinfo', import.meta.url));
const program = fileURLToPath(new URL('../examples/bookinfo/services/main.ts', import.meta.url));
const gateway = 'shop/bookinfo';
const visitsPerSecond = 10;
const lineEveryMs = 1000;
/** What is in flight when the demo ends is the visitor's own; nobody waits for it. */
const drainMs = 500;

/** `weft demo`: the sample `examples/bookinfo` with live traffic. */
export function register(command: Command, environment: CliEnvironment): void {
  command
    .command('demo')
    .description('Run the sample bookinfo: four applications, a Gateway, a canary, retries, and a visitor')
    .option('--port-offset <number>', 'added to the ports of gateway and sidecars', portOffset, 0)
    .action(async (options: { readonly portOffset: number }) => {
      try {
        await demo(options.portOffset, environment);
      } catch (error) {
        environment.err(`weft: ${error instanceof Error ? error.message : String(error)}\n`);
        environment.exit(1);
      }
    });
}

function portOffset(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('a number of ports');
  return Number(text);
}

async function demo(offset: number, environment: CliEnvironment): Promise<void> {
  const ended = Promise.withResolvers<void>();
  environment.onSignal(() => ended.resolve());
  const { state } = await readFiles([sample]);
  const mesh = await startMesh(
    {
      files: [sample],
      portOffset: offset,
      drainMs,
      onProblem: (problem) => environment.err(`${formatProblem(problem)}\n`),
      onEdit: ({ changed, added, removed, tookMs }) => environment.out(`${clearLine}in force after ${Math.round(tookMs)} ms: ${[...changed, ...added, ...removed].join(', ')}\n`),
    },
    { now: () => performance.now(), wallClock: () => environment.now(), random: () => environment.random() },
  );
  let applications: Applications | undefined;
  try {
    const address = mesh.gateway(gateway);
    if (address === undefined) throw new Error("the sample's Gateway could not be started; the lines above say why (a port in use: --port-offset 1000)");
    applications = await startApplications(program, [...state.pods.values()], mesh, (message) => environment.err(`${clearLine}${message}\n`));
    const url = `http://${hostPort(address.address, address.port('http'))}/productpage`;
    environment.out(introduction(url));
    await watch(mesh, url, environment, ended.promise);
  } finally {
    await applications?.stop();
    await mesh.drain(drainMs);
  }
  environment.out('\nended\n');
  environment.exit(0);
}

function introduction(url: string): string {
  const folder = relative('', sample) || '.';
  return `ready: open ${url}

Try in another terminal:
  curl -s -H 'end-user: jason' ${url} | grep 'Served by'
  npx weft explain -f ${folder} --from shop/productpage-v1 http://reviews:9080/reviews/0
  sed -i.bak 's/weight: 70/weight: 0/' ${folder}/routes.yaml    # no more v1, at once

Ctrl-C ends everything. A visitor is looking at the page now:
`;
}

async function watch(mesh: Mesh, url: string, environment: CliEnvironment, ended: Promise<void>): Promise<void> {
  const visitor = startVisitor(url, visitsPerSecond);
  let before = await retries(mesh);
  const tell = async (): Promise<void> => {
    const now = await retries(mesh);
    environment.out(`${clearLine}${liveLine(visitor.take(), now - before)}${process.stdout.isTTY ? '' : '\n'}`);
    before = now;
  };
  const timer = setInterval(() => void tell(), lineEveryMs);
  await ended;
  clearInterval(timer);
  visitor.stop();
}

function liveLine({ requests, failed, versions }: Visits, retried: number): string {
  const perSecond = (count: number): string => (count / (lineEveryMs / 1000)).toFixed(0).padStart(3);
  const shares = ['v1', 'v2', 'v3'].map((version) => `${version} ${perSecond(versions.get(version) ?? 0)}`).join('  ');
  return `${perSecond(requests)} requests/s   reviews ${shares}   retries ${perSecond(retried)}   failed ${perSecond(failed)}`;
}

/** Back to the start of the line on a terminal, where the live line is written over itself. */
const clearLine = process.stdout.isTTY ? '\r\u001b[2K' : '';

async function retries(mesh: Mesh): Promise<number> {
  const { body } = await mesh.metrics();
  return [...body.matchAll(/^weft_retries_total\{[^}]*result="made"[^}]*\} (\d+)/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
}
