import { collectorPattern, defaultInjection, logLevelSchema, pullPolicySchema, resourcesSchema, socketIOSchema, terminationDelaySchema } from '#injector';
import { Type, type Static } from 'typebox';

/**
 * What `charts/weft` can be set up with. values.yaml, values.schema.json and docs/reference/values.md are generated from it
 * (`npm run generate`), so a value that means nothing is refused by `helm install`.
 */

const strict = { additionalProperties: false } as const;

const replicas = (what: string) => Type.Integer({ minimum: 1, maximum: 100, default: 2, description: `Replicas of the ${what}` });
const level = Type.Enum(['error', 'warn', 'info', 'debug'], { ...logLevelSchema, default: 'info' });
const resources = (value: Static<typeof resourcesSchema>) => ({ ...resourcesSchema, default: value });
/** Only the form; the API server and the controller look at the rest. */
const ranges = (description: string) => Type.Array(Type.String({ pattern: '^[0-9a-fA-F.:]{2,39}/[0-9]{1,3}$' }), { maxItems: 32, default: [], description });
const labels = (description: string) => Type.Record(Type.String(), Type.String(), { default: {}, description });
/** Which nodes Pods run on: what a cluster needs whose nodes are not all alike. */
const nodes = (whose: string) => ({
  nodeSelector: labels(`Labels of the nodes on which ${whose} run, besides kubernetes.io/os: linux`),
  tolerations: Type.Array(
    Type.Object(
      {
        key: Type.Optional(Type.String()),
        operator: Type.Optional(Type.Enum(['Exists', 'Equal'], { type: 'string' })),
        value: Type.Optional(Type.String()),
        effect: Type.Optional(Type.Enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'], { type: 'string' })),
        tolerationSeconds: Type.Optional(Type.Integer()),
      },
      strict,
    ),
    { maxItems: 32, default: [], description: `Taints of nodes on which ${whose} may run all the same` },
  ),
});
const image = (what: string) => Type.String({ maxLength: 512, default: '', description: `Image of ${what}, with tag or digest; empty: registry, name and the chart's version` });

export const valuesSchema = Type.Object(
  {
    images: Type.Object(
      {
        registry: Type.String({ pattern: '[^/]$', maxLength: 256, default: 'ghcr.io/weft-mesh', description: 'Registry and path before the names of the images' }),
        controlPlane: image('controller and injector'),
        proxy: image('sidecars and gateways'),
        init: image('the init container that redirects TCP'),
        pullPolicy: { ...pullPolicySchema, default: 'IfNotPresent' },
        pullSecrets: Type.Array(Type.String({ minLength: 1 }), { maxItems: 16, default: [], description: "Secrets for pulling the images, by their names: in the control plane's namespace, and of proxies in the namespaces of Gateways and of Pods with a sidecar, where you make them. Pods keep their own besides" }),
      },
      strict,
    ),
    controller: Type.Object(
      {
        replicas: replicas('controller; all serve configuration, an elected one writes status'),
        resources: resources({ requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '1Gi' } }),
        podLabels: labels('More labels of its Pods'),
        priorityClassName: Type.String({ default: '', description: 'Priority class of its Pods' }),
        ...nodes("its Pods, and those of the chart's checks,"),
      },
      strict,
    ),
    injector: Type.Object(
      {
        replicas: replicas('injector'),
        resources: resources({ requests: { cpu: '20m', memory: '96Mi' }, limits: { memory: '256Mi' } }),
        podLabels: labels('More labels of its Pods'),
        priorityClassName: Type.String({ default: '', description: 'Priority class of its Pods' }),
        ...nodes('its Pods'),
        failurePolicy: Type.Enum(['Fail', 'Ignore'], { type: 'string', default: 'Fail', description: 'What becomes of a Pod that should get a sidecar while the injector is away: Fail refuses it, Ignore lets it run without' }),
        certificate: Type.Object(
          {
            source: Type.Enum(['self', 'cert-manager'], { type: 'string', default: 'self', description: 'self: made and rotated by the injector; cert-manager: by an Issuer. While it is changed on a running installation, Pods may be refused for some seconds' }),
            issuerName: Type.String({ default: '', description: 'cert-manager: name of the issuer' }),
            issuerKind: Type.Enum(['Issuer', 'ClusterIssuer'], { type: 'string', default: 'Issuer', description: 'cert-manager: kind of the issuer' }),
            lifetimeHours: Type.Integer({ minimum: 1, maximum: 87_600, default: 2160, description: 'self: how long a certificate lives; it is renewed after two thirds' }),
            overlapSeconds: Type.Integer({ minimum: 60, maximum: 86_400, default: 600, description: 'self: how long old and new are both trusted before and after the change' }),
          },
          strict,
        ),
      },
      strict,
    ),
    readyCheck: Type.Object(
      {
        enabled: Type.Boolean({ default: true, description: 'A Job at the end of an installation waits until the control plane is ready, so that `helm install` returns when the first Pod can be made. It is deleted when it has succeeded' }),
        timeoutSeconds: Type.Integer({ minimum: 10, maximum: 3600, default: 240, description: "How long it waits; less than Helm's own --timeout (5 minutes), or its reason is not seen" }),
      },
      strict,
    ),
    ingressClass: Type.Object(
      {
        isDefault: Type.Boolean({ default: false, description: 'Ingresses that name no class are of IngressClass weft' }),
      },
      strict,
    ),
    proxy: Type.Object(
      {
        logLevel: level,
        socketIO: { ...socketIOSchema, default: 'public' },
        terminationDelaySeconds: terminationDelaySchema,
        tracing: Type.Object(
          {
            endpoint: Type.String({ pattern: collectorPattern, default: '', description: 'Collector of traces (OTLP over HTTP) of sidecars and gateways, such as http://collector.monitoring:4318; empty: none' }),
            sample: Type.Number({ minimum: 0, maximum: 1, default: 1, description: 'Share of the traces that begin in a proxy; one that comes with a request goes on as its beginning decided' }),
          },
          strict,
        ),
        resources: resources(defaultInjection.proxyResources),
      },
      strict,
    ),
    gateways: Type.Object(
      {
        replicas: Type.Integer({ minimum: 1, maximum: 100, default: 1, description: 'Replicas that a new Gateway begins with; then whoever scales its Deployment (kubectl scale, an autoscaler) owns the number. Of several, evictions take one at a time; a single one may be evicted' }),
        workers: Type.Integer({ minimum: 1, maximum: 64, default: 1, description: 'Processes in each Pod of a Gateway; they share its ports, and each serves with one core at most. Each needs memory of its own: 64Mi idle, 128Mi and more under load, so raise resources with it. A change rolls the Pods' }),
        resources: { ...resources({}), description: 'Requests and limits of the container of a Gateway; none: those of proxy.resources' },
        ipFamilyPolicy: Type.String({ pattern: '^(SingleStack|PreferDualStack|RequireDualStack)?$', default: '', description: 'SingleStack, PreferDualStack or RequireDualStack, of the Services of Gateways; empty: the first family of the cluster, and both where a Gateway asks for addresses of externalAddresses alone. With PreferDualStack some load balancers give no address unless they have one of each family' }),
        externalAddresses: ranges("Ranges (CIDR) of addresses whose traffic the network brings to the nodes. A Gateway that asks for one in spec.addresses gets it (as externalIPs of its Service); any other is asked of the load balancer. Who may write Gateways may take any of these"),
      },
      strict,
    ),
    init: Type.Object({ resources: resources(defaultInjection.initResources) }, strict),
    networkPolicy: Type.Object(
      {
        enabled: Type.Boolean({ default: true, description: 'NetworkPolicies for the control plane' }),
        apiServerCidrs: ranges('Addresses of the API server (CIDR), which alone may ask the injector; empty: anyone may'),
        metricsNamespaces: Type.Array(Type.String({ minLength: 1, maxLength: 63 }), { maxItems: 32, default: [], description: 'Namespaces whose Pods may read the metrics; empty: all' }),
      },
      strict,
    ),
    podMonitor: Type.Object(
      {
        enabled: Type.Boolean({ default: true, description: 'PodMonitors for control plane, sidecars and gateways, where the cluster has that API' }),
        labels: labels('Labels by which a Prometheus selects them'),
        interval: Type.String({ pattern: '^[0-9]{1,4}(s|m)$', default: '30s', description: 'How often metrics are read' }),
      },
      strict,
    ),
  },
  strict,
);

export type Values = Static<typeof valuesSchema>;
