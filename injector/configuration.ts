import { check, formatPath, type Result, type Schema } from '#crds';
import { Type, type Static } from 'typebox';
import { beyondLimit, quantityPattern } from './patch/quantity.ts';

/** The source of the type, of the check at start, and of the chart's values.schema.json. */

const strict = { additionalProperties: false } as const;

export const logLevels = ['error', 'warn', 'info', 'debug'] as const;

function quantity(description: string) {
  return Type.Optional(Type.String({ pattern: quantityPattern, maxLength: 32, description }));
}

const amounts = () => Type.Object({ cpu: quantity('CPU, such as 50m'), memory: quantity('Memory, such as 64Mi') }, strict);

export const resourcesSchema = Type.Object(
  {
    requests: Type.Optional(amounts()),
    limits: Type.Optional(amounts()),
  },
  { ...strict, description: 'Requests and limits of a container' },
);

/** Of a Pod's grace; more than any load balancer needs to hear that a Pod goes. Seconds. */
export const longestTerminationDelay = 600;

export const terminationDelaySchema = Type.Integer({
  minimum: 0,
  maximum: longestTerminationDelay,
  default: 5,
  description: 'Seconds for which the containers of a Pod with a sidecar go on serving when it ends, for those who send to it have not heard yet; 0: none. Containers with a preStop hook of their own are left as they are',
});

export const pullPolicySchema = Type.Enum(['Always', 'IfNotPresent', 'Never'], { type: 'string', description: 'When the kubelet pulls the image' });

/** What `WEFT_SOCKET_IO` takes. */
export const socketModes = ['public', 'raw'] as const;

export const socketIOSchema = Type.Enum(socketModes, {
  type: 'string',
  description: 'How a proxy reads and writes its sockets. public: by what Node documents; raw: by the handles behind, which costs about a tenth less for a small request. A proxy whose Node fails a check at the start falls back to public, and says so',
});

export const logLevelSchema = Type.Enum(logLevels, { type: 'string', description: 'Least level of the lines that are written' });

/** Empty: no traces. */
export const collectorPattern = '^(https?://[^/?#@ ]{1,253}(/[^?# ]{0,200})?)?$';

export const tracingSchema = Type.Object(
  {
    endpoint: Type.String({ pattern: collectorPattern, description: 'Collector of traces (OTLP over HTTP), such as http://collector.monitoring:4318; empty: none' }),
    sample: Type.Number({ minimum: 0, maximum: 1, description: 'Share of the traces that begin here; one that comes with a request goes on as its beginning decided' }),
  },
  strict,
);

/** What the injector puts into Pods. One per installation; a Pod's annotations may only change what `annotations.ts` lists. */
export const injectionSchema = Type.Object(
  {
    proxyImage: Type.String({ minLength: 1, maxLength: 512, description: 'Image of the sidecar' }),
    initImage: Type.String({ minLength: 1, maxLength: 512, description: 'Image of the init container that redirects TCP' }),
    pullPolicy: pullPolicySchema,
    pullSecrets: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 253 }), { maxItems: 16, description: "Secrets for pulling these images, by their names in a Pod's namespace; added to the Pod's own" })),
    controller: Type.String({ pattern: '^[A-Za-z0-9.-]{1,253}:[0-9]{1,5}$', description: "The controller's stream, host:port" }),
    rootNamespace: Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$', description: 'Namespace of the control plane; its Pods never get a sidecar' }),
    logLevel: logLevelSchema,
    terminationDelaySeconds: terminationDelaySchema,
    socketIO: Type.Optional(socketIOSchema),
    tracing: Type.Optional(tracingSchema),
    proxyResources: resourcesSchema,
    initResources: resourcesSchema,
  },
  strict,
);

export type InjectionConfig = Static<typeof injectionSchema>;
export type Resources = Static<typeof resourcesSchema>;
export type LogLevel = (typeof logLevels)[number];

/** As the chart sets it up where nothing is overridden. */
export const defaultInjection: InjectionConfig = {
  proxyImage: 'ghcr.io/weft-mesh/weft-proxy:0.1.0',
  initImage: 'ghcr.io/weft-mesh/weft-proxy-init:0.1.0',
  pullPolicy: 'IfNotPresent',
  controller: 'weft-controller.weft-system.svc:15010',
  rootNamespace: 'weft-system',
  logLevel: 'info',
  terminationDelaySeconds: 5,
  socketIO: 'public',
  tracing: { endpoint: '', sample: 1 },
  proxyResources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '256Mi' } },
  initResources: { requests: { cpu: '10m', memory: '32Mi' }, limits: { memory: '128Mi' } },
};

/** Nothing that was set may be without effect: unknown fields are faults. What the API server would refuse in every Pod is found here, before a Pod is. */
export function readInjectionConfig(raw: unknown): Result<InjectionConfig, readonly string[]> {
  const { value, errors } = check(JSON.parse(JSON.stringify(injectionSchema)) as Schema, raw, 'refuse');
  if (errors.length === 0) {
    const config = value as InjectionConfig;
    const beyond = (['proxyResources', 'initResources'] as const).flatMap((part) => {
      const found = beyondLimit(config[part]);
      return found === undefined ? [] : [`${part}: ${found.request} of ${found.unit} are requested, ${found.limit} is the limit`];
    });
    return beyond.length === 0 ? { ok: true, value: config } : { ok: false, error: beyond };
  }
  return { ok: false, error: errors.map(({ path, message }) => `${formatPath(path) || 'the configuration'}: ${message}`) };
}
