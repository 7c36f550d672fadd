import type { Command } from 'commander';
import { gatewayLabel, rootNamespace, type ProxyReport } from '#controller';
import { injectedLabel } from '#injector';
import { connect, type ClusterOptions, type Connection } from './cluster/connect.ts';
import { askControllers, proxyId, type ControllerReport } from './cluster/controllers.ts';
import { listAll } from './cluster/list.ts';
import { reach } from './cluster/read.ts';
import type { CliEnvironment } from './environment.ts';
import { clusterOptions, failWith, outputOption } from './options.ts';
import { ageText, columns, printable } from './table.ts';

interface StatusOptions extends ClusterOptions {
  readonly namespace?: string;
  readonly controlPlane: string;
  readonly output?: 'json';
}

/** A proxy that is connected, or a Pod that should have one that is. */
interface ProxyLine extends Partial<ProxyReport> {
  readonly id: string;
  readonly namespace: string;
  readonly state: 'current' | 'behind' | 'refuses' | 'not connected';
  readonly controller?: string;
}

/** `weft status`: every proxy, the version that it should serve and the one that it does. Exit status 1 where one is not current. */
export function register(program: Command, environment: CliEnvironment): void {
  const command = program
    .command('status')
    .description('Show every proxy of a cluster: the version it should serve, the version it does, since when it is connected, what it refuses');
  clusterOptions(command)
    .option('-n, --namespace <name>', 'proxies of this namespace only')
    .option('--control-plane <namespace>', 'where Weft is installed', rootNamespace)
    .addOption(outputOption())
    .action(async (options: StatusOptions) => {
      try {
        const connection = await connect(options, environment);
        await reach(connection);
        const controllers = await askControllers(connection, options.controlPlane);
        const proxies = linesOf(controllers, await expectedProxies(connection)).filter(({ namespace }) => options.namespace === undefined || namespace === options.namespace);
        if (options.output === 'json') environment.out(`${JSON.stringify({ controllers: controllers.map(({ proxies: all, ...rest }) => ({ ...rest, connected: all.length })), proxies }, null, 2)}\n`);
        else environment.out(printable(statusText(controllers, proxies, environment.now())));
        environment.exitStatus(controllers.length > 0 && controllers.every(({ fault }) => fault === undefined) && proxies.every(({ state }) => state === 'current') ? 0 : 1);
      } catch (error) {
        failWith(error, environment);
      }
    });
}

/** Running Pods that have a proxy, by the id that their proxy has. */
async function expectedProxies(connection: Connection): Promise<ReadonlyMap<string, string>> {
  const expected = new Map<string, string>();
  for (const label of [`${injectedLabel}=true`, gatewayLabel]) {
    for (const { metadata, status } of await listAll(connection.api, '/api/v1/pods', { labelSelector: label, fieldSelector: 'status.phase=Running' })) {
      if (metadata.deletionTimestamp !== undefined || !isUp(status)) continue;
      expected.set(proxyId(metadata), metadata.namespace);
    }
  }
  return expected;
}

/** A Pod that is about to start or to end need not be connected. */
function isUp(status: Readonly<Record<string, unknown>>): boolean {
  const conditions = Array.isArray(status['conditions']) ? (status['conditions'] as { readonly type?: string; readonly status?: string }[]) : [];
  return conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True');
}

function linesOf(controllers: readonly ControllerReport[], expected: ReadonlyMap<string, string>): readonly ProxyLine[] {
  const connected = controllers.flatMap(({ pod, proxies }) => proxies.map((proxy): ProxyLine => ({ ...proxy, state: stateOf(proxy), controller: pod })));
  const seen = new Set(connected.flatMap(({ id }) => [id, id.split('/').slice(0, id.startsWith('gateway/') ? 4 : 3).join('/')]));
  const missing = [...expected].filter(([id]) => !seen.has(id)).map(([id, namespace]): ProxyLine => ({ id, namespace, state: 'not connected' }));
  return [...connected, ...missing].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

function stateOf({ refused, current, wanted, acknowledged }: ProxyReport): ProxyLine['state'] {
  if (refused.length > 0) return 'refuses';
  return current && wanted === acknowledged ? 'current' : 'behind';
}

function statusText(controllers: readonly ControllerReport[], proxies: readonly ProxyLine[], now: number): string {
  const lines: string[] = [];
  if (controllers.length === 0) lines.push('no controller is running');
  for (const { pod, leads, fault, proxies: own } of controllers) lines.push(`controller ${pod}: ${fault === undefined ? `${own.length} ${own.length === 1 ? 'proxy' : 'proxies'}${leads ? ', leads' : ''}` : `can't be asked: ${fault}`}`);
  if (proxies.length === 0) return `${[...lines, 'no proxies'].join('\n')}\n`;
  const rows = proxies.map(({ id, wanted, acknowledged, resources = 0, state, connectedAt, controller = '-' }) => [
    id, ...(resources === 0 ? ['-', '-', '-'] : [wanted ?? '-', acknowledged ?? '-', String(resources)]), state, connectedAt === undefined ? '-' : ageText(now - Date.parse(connectedAt)), controller,
  ]);
  lines.push('', columns([['PROXY', 'WANTED', 'ACKNOWLEDGED', 'RESOURCES', 'STATE', 'AGE', 'CONTROLLER'], ...rows]));
  for (const { id, refused = [] } of proxies) for (const { type, name, reason } of refused) lines.push(`${id} refuses ${type} ${name}: ${reason}`);
  return `${lines.join('\n')}\n`;
}
