import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';
import { connectApi, type KubeApi } from '#controller';
import type { CliEnvironment } from '../environment.ts';
import { UsageError } from '../explain/place.ts';

/** Which cluster: `--kubeconfig`, `--context`. */
export interface ClusterOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
}

export interface Connection {
  readonly config: KubeConfig;
  readonly api: KubeApi;
  /** URL of the API server. */
  readonly server: string;
  /** It is the cluster around the Pod that this runs in. */
  readonly inside: boolean;
}

/** A Pod's own way to the API server. */
const podToken = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/**
 * The cluster of `--kubeconfig`, else of `KUBECONFIG`, of `~/.kube/config`, or the one around the Pod that this runs in. Nothing is sent
 * yet. Throws UsageError where there is none, or no such context.
 */
export async function connect({ kubeconfig, context }: ClusterOptions, environment: CliEnvironment): Promise<Connection> {
  // Only where a cluster is asked for: the package takes longer to load than all the rest.
  const { KubeConfig: Config } = await import('@kubernetes/client-node');
  const config = new Config();
  const files = kubeconfig === undefined ? kubeconfigsOf(environment.variables) : [kubeconfig];
  if (files.length === 0 && !existsSync(podToken)) throw new UsageError('which cluster? There is no KUBECONFIG and no ~/.kube/config; name one with --kubeconfig FILE, or manifests with -f PATH');
  try {
    if (files.length === 0) config.loadFromCluster();
    else for (const file of files) mergeFile(config, new Config(), file);
  } catch (error) {
    throw new UsageError(`the kubeconfig ${files.join(delimiter)} can't be read: ${messageOf(error)}`);
  }
  if (context !== undefined) {
    if (config.getContextObject(context) === null) throw new UsageError(`no context ${context}; there ${config.getContexts().length === 1 ? 'is' : 'are'} ${config.getContexts().map(({ name }) => name).join(', ') || 'none'}`);
    config.setCurrentContext(context);
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new UsageError(`the kubeconfig ${files.join(delimiter)} has no current context; name one with --context`);
  return { config, api: connectApi(config, 'weft'), server: cluster.server, inside: files.length === 0 };
}

/** The first file that names a context gives the current one, as with kubectl. */
function mergeFile(config: KubeConfig, next: KubeConfig, file: string): void {
  next.loadFromFile(file);
  if (config.getContexts().length === 0 && config.getCurrentContext() === undefined) config.loadFromOptions({ clusters: next.clusters, users: next.users, contexts: next.contexts, currentContext: next.currentContext });
  else config.mergeConfig(next, true);
}

function kubeconfigsOf(variables: CliEnvironment['variables']): readonly string[] {
  const named = (variables['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
  if (named.length > 0) return named.filter((file) => named.length === 1 || existsSync(file));
  const usual = join(variables['HOME'] ?? homedir(), '.kube', 'config');
  return existsSync(usual) ? [usual] : [];
}

/** An error in words; of one that stands for several (a name with two addresses) the first. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '' && error.errors.length > 0) return messageOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
