import type { Command } from 'commander';
import type { SettledPath, Translation } from '#controller';
import type { ClusterState, KubernetesObject } from '#crds';
import { affects, type Effect } from '#policy';
import type { CliEnvironment } from './environment.ts';
import { UsageError } from './explain/place.ts';
import { load, type Source } from './load.ts';
import { failWith, outputOption, pathOption, sourceOptions } from './options.ts';
import { pathText, selectPaths, type PathQuery } from './policy/paths.ts';
import { fieldsInForce, originText, show } from './policy/text.ts';
import { explainedTls, tlsText, type ExplainedTls } from './policy/tls.ts';
import { columns, printable } from './table.ts';

interface PolicyOptions extends PathQuery, Source {
  readonly output?: 'json';
}

/** `weft policy`: the effective policy of a path; `weft policy affects`: the paths of a policy. */
export function register(program: Command, environment: CliEnvironment): void {
  const command = program
    .command('policy')
    // Otherwise the options of `policy affects` would be taken for those of `policy`.
    .enablePositionalOptions()
    .description('Show the effective policy of a path, where each field came from and what lost');
  sourceOptions(command, pathOption())
    .option('--gateway <namespace/name[/listener]>', 'requests that come through this Gateway')
    .option('--from-namespace <namespace>', 'requests of workloads of this namespace')
    .option('--route <kind/namespace/name[/rule]>', 'by this route, and rule (name or index)')
    .option('--backend <namespace/name[:port]>', 'to this Service')
    .addOption(outputOption())
    .action(async (options: PolicyOptions) => {
      await guarded(environment, async () => {
        const { translation } = await load(options, environment);
        const paths = selectPaths(translation, options);
        environment.out(options.output === 'json' ? `${JSON.stringify(policyJson(paths, translation), null, 2)}\n` : printable(policyText(paths, translation)));
      });
    });
  const affecting = command
    .command('affects')
    .description('Show every path that a policy touches, and what it decides there')
    .argument('<kind/namespace/name>', 'the policy');
  sourceOptions(affecting, pathOption())
    .addOption(outputOption())
    .action(async (name: string, options: PolicyOptions) => {
      await guarded(environment, async () => {
        const { state, translation } = await load(options, environment);
        const policy = state.policies.get(name) ?? directPolicy(state, name);
        if (policy === undefined) throw new UsageError(`no policy ${name}; there ${state.policies.size === 1 ? 'is' : 'are'} ${[...state.policies.keys()].join(', ') || 'none'}`);
        const effects = affects({ kind: policy.kind, namespace: policy.metadata.namespace, name: policy.metadata.name }, translation.paths.all());
        environment.out(options.output === 'json' ? `${JSON.stringify(effects.map(effectJson), null, 2)}\n` : printable(effectsText(name, effects)));
      });
    });
}

/** Gateway API's own policy of backends, which stands in a map of its own. */
function directPolicy({ backendTrafficPolicies }: ClusterState, name: string): KubernetesObject | undefined {
  const [kind, ...key] = name.split('/');
  return kind === 'XBackendTrafficPolicy' ? backendTrafficPolicies.get(key.join('/')) : undefined;
}

async function guarded(environment: CliEnvironment, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    failWith(error, environment);
  }
}

/** Several paths can have several policies; the first one is shown then, and the warning names the others. */
function chosen(paths: readonly SettledPath[]): { readonly path: SettledPath; readonly warnings: readonly string[] } {
  const path = paths[0]!;
  const same = JSON.stringify(path.settled.policy);
  const others = paths.filter((other) => JSON.stringify(other.settled.policy) !== same);
  const more = others.length === 0 ? [] : [`this is ${pathText(path)}; it is otherwise on ${others.map(pathText).join('; ')}`];
  return { path, warnings: [...path.settled.warnings, ...more] };
}

/** TLS to the backend of the path. */
function tlsOf({ resource }: SettledPath, { paths }: Translation): ExplainedTls | undefined {
  const found = resource === undefined ? undefined : paths.tlsTo(resource);
  return found === undefined ? undefined : explainedTls(found);
}

function policyJson(paths: readonly SettledPath[], translation: Translation): object {
  const { path, warnings } = chosen(paths);
  const { policy, lost } = path.settled;
  const tls = tlsOf(path, translation);
  return { retry: policy.retry ?? {}, timeouts: policy.timeouts ?? {}, ...(policy.session === undefined ? {} : { session: policy.session }), origins: policy.origins, ...(tls === undefined ? {} : { tls }), lost, warnings };
}

function policyText(paths: readonly SettledPath[], translation: Translation): string {
  const { path, warnings } = chosen(paths);
  const { policy, lost } = path.settled;
  const tls = tlsOf(path, translation);
  const lines = [pathText(path), fieldsInForce(policy, '  ', path.carries), ...(tls === undefined ? [] : [`  ${tlsText(tls)}`])];
  if (lost.length > 0) lines.push('lost', columns(lost.map((field) => [field.field, show(field.value), originText(field), `to ${field.to}`]), '  '));
  return `${[...lines, ...warnings.map((warning) => `warning: ${warning}`)].join('\n')}\n`;
}

function effectJson({ path, won, lost }: Effect<SettledPath>): object {
  return { via: path.via, route: path.route, rule: path.rule, backend: path.backend, won, lost };
}

function effectsText(name: string, effects: readonly Effect<SettledPath>[]): string {
  if (effects.length === 0) return `${name} touches no path: its target serves no route, others come first for all that it is for, or it is not accepted ('weft analyze' says why)\n`;
  const blocks = effects.map(({ path, won, lost }) => {
    const rows = [...won.map(({ field, value }) => [field, show(value), 'decides']), ...lost.map(({ field, value, to }) => [field, show(value), `loses to ${to}`])];
    return `${pathText(path)}\n${columns(rows, '  ')}`;
  });
  return `${blocks.join('\n')}\n`;
}

