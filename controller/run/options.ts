import { BlockList, isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { rootNamespace } from '../names.ts';
import { ipFamilyPolicies, type ProvisionConfig } from '../provision/index.ts';

/** How the cluster controller is run. */
export interface Options {
  /** Absent: `KUBECONFIG`, `~/.kube/config`, or the service account of the Pod. */
  readonly kubeconfig?: string;
  /** The control plane's own. */
  readonly namespace: string;
  /** Name of this replica, unique among them. */
  readonly identity: string;
  /** The Service by which proxies find the stream. */
  readonly service: string;
  /** Absent: all of this machine, of both families where it has both. */
  readonly address?: string;
  readonly streamPort: number;
  readonly healthPort: number;
  /** On 127.0.0.1 whatever `address` is. */
  readonly adminPort: number;
  /** How proxies of Gateways are made; absent: they are not. */
  readonly gateways?: ProvisionConfig;
}

export const usage = `Usage: controller [options]
Runs the control plane of Weft against a Kubernetes cluster. Each option can be given as an environment variable as well.

  --kubeconfig FILE     cluster to use; else KUBECONFIG, ~/.kube/config or the Pod's service account
  --namespace NAME      of the control plane                        WEFT_NAMESPACE, POD_NAMESPACE   (${rootNamespace})
  --identity NAME       of this replica                             WEFT_IDENTITY, POD_NAME         (the host's name)
  --service NAME        Service by which proxies find the stream    WEFT_SERVICE                    (weft-controller)
  --address ADDRESS     to listen on                                WEFT_ADDRESS                    (all)
  --stream-port PORT    for proxies, over TLS                       WEFT_STREAM_PORT                (15010)
  --health-port PORT    /healthz, /readyz and /metrics              WEFT_HEALTH_PORT                (15014)
  --admin-port PORT     on 127.0.0.1: /proxies, for weft status    WEFT_ADMIN_PORT                 (15015)
  --proxy-image NAME    of the proxies that Gateways get; none: Gateways get none    WEFT_PROXY_IMAGE
  --proxy-pull-policy POLICY                                        WEFT_PROXY_PULL_POLICY          (IfNotPresent)
  --proxy-pull-secrets NAME,…   Secrets of a Gateway's namespace, for pulling the image    WEFT_PROXY_PULL_SECRETS
  --proxy-log-level LEVEL   error, warn, info or debug              WEFT_PROXY_LOG_LEVEL            (info)
  --proxy-socket-io WAY     how they read and write sockets: public or raw    WEFT_PROXY_SOCKET_IO    (public)
  --proxy-resources JSON    of their container                      WEFT_PROXY_RESOURCES            ({})
  --proxy-tracing-endpoint URL   collector of their traces (OTLP over HTTP)    WEFT_PROXY_TRACING_ENDPOINT
  --proxy-tracing-sample N  share of those that begin there         WEFT_PROXY_TRACING_SAMPLE       (1)
  --gateway-replicas N  of a Gateway that is new                    WEFT_GATEWAY_REPLICAS           (1)
  --gateway-workers N   processes that share the ports of each Pod  WEFT_GATEWAY_WORKERS            (1)
  --gateway-ip-family-policy POLICY   ipFamilyPolicy of their Services    WEFT_GATEWAY_IP_FAMILY_POLICY    (the cluster's)
  --external-addresses CIDR,…   that Gateways may ask for, of which the nodes take traffic    WEFT_EXTERNAL_ADDRESSES
`;

export interface Surroundings {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly hostname: string;
}

export type Parsed = { readonly kind: 'run'; readonly options: Options } | { readonly kind: 'help' } | { readonly kind: 'wrong'; readonly message: string };

/** Flags win over the environment. */
export function parseOptions({ argv, env, hostname }: Surroundings): Parsed {
  const text = { type: 'string' } as const;
  let flags: Partial<Record<string, string | boolean>>;
  try {
    const options = { kubeconfig: text, namespace: text, identity: text, service: text, address: text, 'stream-port': text, 'health-port': text, 'admin-port': text, 'proxy-image': text, 'proxy-pull-policy': text, 'proxy-pull-secrets': text, 'proxy-log-level': text, 'proxy-socket-io': text, 'proxy-resources': text, 'proxy-tracing-endpoint': text, 'proxy-tracing-sample': text, 'gateway-replicas': text, 'gateway-workers': text, 'gateway-ip-family-policy': text, 'external-addresses': text, help: { type: 'boolean', short: 'h' } } as const;
    flags = parseArgs({ args: [...argv], options, allowPositionals: false }).values;
  } catch (error) {
    return { kind: 'wrong', message: error instanceof Error ? error.message : String(error) };
  }
  if (flags['help'] === true) return { kind: 'help' };
  const value = (flag: string, ...variables: readonly string[]): string | undefined => {
    const given = flags[flag];
    if (typeof given === 'string') return given;
    return variables.map((name) => env[name]).find((found) => found !== undefined && found !== '');
  };
  const streamPort = portOf(value('stream-port', 'WEFT_STREAM_PORT') ?? '15010');
  const healthPort = portOf(value('health-port', 'WEFT_HEALTH_PORT') ?? '15014');
  const adminPort = portOf(value('admin-port', 'WEFT_ADMIN_PORT') ?? '15015');
  if (streamPort === undefined || healthPort === undefined || adminPort === undefined) return { kind: 'wrong', message: 'a port must be a number from 0 to 65535' };
  const kubeconfig = value('kubeconfig');
  const address = value('address', 'WEFT_ADDRESS');
  const namespace = value('namespace', 'WEFT_NAMESPACE', 'POD_NAMESPACE') ?? rootNamespace;
  const service = value('service', 'WEFT_SERVICE') ?? 'weft-controller';
  const gateways = gatewaysOf(value, `${service}.${namespace}.svc:${streamPort}`);
  if (typeof gateways === 'string') return { kind: 'wrong', message: gateways };
  return {
    kind: 'run',
    options: {
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      namespace,
      identity: value('identity', 'WEFT_IDENTITY', 'POD_NAME') ?? hostname,
      service,
      ...(address === undefined ? {} : { address }),
      streamPort,
      healthPort,
      adminPort,
      ...(gateways === undefined ? {} : { gateways }),
    },
  };
}

function portOf(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined;
}

/** A text says what is wrong. */
function gatewaysOf(value: (flag: string, variable: string) => string | undefined, controller: string): ProvisionConfig | undefined | string {
  const image = value('proxy-image', 'WEFT_PROXY_IMAGE');
  const pullPolicy = value('proxy-pull-policy', 'WEFT_PROXY_PULL_POLICY') ?? 'IfNotPresent';
  const secrets = (value('proxy-pull-secrets', 'WEFT_PROXY_PULL_SECRETS') ?? '').split(',').filter((name) => name !== '');
  const pullSecrets = secrets.length === 0 ? {} : { pullSecrets: secrets };
  const logLevel = value('proxy-log-level', 'WEFT_PROXY_LOG_LEVEL') ?? 'info';
  if (!['Always', 'IfNotPresent', 'Never'].includes(pullPolicy)) return '--proxy-pull-policy must be Always, IfNotPresent or Never';
  if (!['error', 'warn', 'info', 'debug'].includes(logLevel)) return '--proxy-log-level must be error, warn, info or debug';
  const socketIO = value('proxy-socket-io', 'WEFT_PROXY_SOCKET_IO') ?? 'public';
  if (socketIO !== 'public' && socketIO !== 'raw') return '--proxy-socket-io must be public or raw';
  const resources = objectOf(value('proxy-resources', 'WEFT_PROXY_RESOURCES') ?? '{}');
  if (resources === undefined) return '--proxy-resources must be a JSON object';
  const endpoint = value('proxy-tracing-endpoint', 'WEFT_PROXY_TRACING_ENDPOINT');
  if (endpoint !== undefined && !/^https?:\/\/[^/]/.test(endpoint)) return '--proxy-tracing-endpoint must be an address such as http://collector:4318';
  const sample = Number(value('proxy-tracing-sample', 'WEFT_PROXY_TRACING_SAMPLE') ?? '1');
  if (!(sample >= 0 && sample <= 1)) return '--proxy-tracing-sample must be a number from 0 to 1';
  const replicas = value('gateway-replicas', 'WEFT_GATEWAY_REPLICAS') ?? '1';
  if (!/^[1-9]\d{0,2}$/.test(replicas)) return '--gateway-replicas must be a number from 1 to 999';
  const workers = value('gateway-workers', 'WEFT_GATEWAY_WORKERS') ?? '1';
  if (!/^[1-9]\d?$/.test(workers) || Number(workers) > 64) return '--gateway-workers must be a number from 1 to 64';
  const familyPolicy = value('gateway-ip-family-policy', 'WEFT_GATEWAY_IP_FAMILY_POLICY');
  const ipFamilyPolicy = ipFamilyPolicies.find((each) => each === familyPolicy);
  if (familyPolicy !== undefined && ipFamilyPolicy === undefined) return '--gateway-ip-family-policy must be SingleStack, PreferDualStack or RequireDualStack';
  const ranges = rangesOf(value('external-addresses', 'WEFT_EXTERNAL_ADDRESSES') ?? '');
  if (ranges === undefined) return '--external-addresses must be ranges such as 192.0.2.0/28, separated by commas';
  const isExternal = (address: string): boolean => isIP(address) !== 0 && ranges.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  const tracing = endpoint === undefined ? {} : { tracing: { endpoint, sample } };
  return image === undefined ? undefined : { image, pullPolicy, ...pullSecrets, logLevel, socketIO, resources, controller, ...tracing, replicas: Number(replicas), workers: Number(workers), ...(ipFamilyPolicy === undefined ? {} : { ipFamilyPolicy }), isExternal };
}

function rangesOf(text: string): BlockList | undefined {
  const ranges = new BlockList();
  for (const range of text.split(',').filter((part) => part !== '')) {
    const [address = '', length = ''] = range.split('/');
    const family = isIP(address);
    if (family === 0 || !/^\d{1,3}$/.test(length) || Number(length) > (family === 6 ? 128 : 32)) return undefined;
    ranges.addSubnet(address, Number(length), family === 6 ? 'ipv6' : 'ipv4');
  }
  return ranges;
}

function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
