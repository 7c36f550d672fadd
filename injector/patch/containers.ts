import type { InjectionConfig } from '../configuration.ts';
import { files, initContainer, ports, proxyContainer, proxyUid } from '../names.ts';
import type { Choices } from './annotations.ts';
import type { Json } from './types.ts';
import { volumeMounts } from './volumes.ts';

const fieldEnv = (name: string, fieldPath: string): Json => ({ name, valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } });

/** Sends the Pod's TCP to the sidecar, then ends. The one container with a capability; its only one. */
export function initOf(config: InjectionConfig, choices: Choices): Json {
  const left = [`${ports.admin}`, ...choices.excludeInboundPorts];
  return {
    name: initContainer,
    image: config.initImage,
    imagePullPolicy: config.pullPolicy,
    args: [
      '/weft/redirect.js',
      `--uid=${proxyUid}`,
      `--outbound=${ports.outbound}`,
      `--inbound=${ports.inbound}`,
      `--exclude-inbound=${left.join(',')}`,
      ...(choices.excludeOutboundPorts.length > 0 ? [`--exclude-outbound=${choices.excludeOutboundPorts.join(',')}`] : []),
    ],
    // The families that the Pod has; its kernel may know others.
    env: [fieldEnv('POD_IPS', 'status.podIPs')],
    resources: config.initResources,
    securityContext: {
      // Capabilities of a container that is not root's have no effect (Kubernetes sets no ambient ones).
      runAsUser: 0,
      runAsGroup: 0,
      runAsNonRoot: false,
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    volumeMounts: volumeMounts('init'),
  };
}

/**
 * The sidecar, as an init container that goes on running (KEP-753): it is up before the init containers and containers that follow, ends
 * after the last container, and does not keep a Job from completing.
 */
export function proxyOf(config: InjectionConfig, choices: Choices, graceSeconds: number): Json {
  return {
    name: proxyContainer,
    image: config.proxyImage,
    imagePullPolicy: config.pullPolicy,
    restartPolicy: 'Always',
    args: ['/weft/sidecar.js'],
    ports: [{ name: 'weft-admin', containerPort: ports.admin, protocol: 'TCP' }],
    env: [
      fieldEnv('POD_NAME', 'metadata.name'),
      fieldEnv('POD_NAMESPACE', 'metadata.namespace'),
      fieldEnv('POD_UID', 'metadata.uid'),
      fieldEnv('POD_IP', 'status.podIP'),
      fieldEnv('POD_IPS', 'status.podIPs'),
      fieldEnv('NODE_NAME', 'spec.nodeName'),
      fieldEnv('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
      { name: 'WEFT_CONTROLLER', value: config.controller },
      { name: 'WEFT_TOKEN_FILE', value: files.token },
      { name: 'WEFT_CA_FILE', value: files.ca },
      { name: 'WEFT_STATE_DIR', value: files.state },
      { name: 'WEFT_OUTBOUND_PORT', value: `${ports.outbound}` },
      { name: 'WEFT_INBOUND_PORT', value: `${ports.inbound}` },
      { name: 'WEFT_ADMIN_PORT', value: `${ports.admin}` },
      { name: 'WEFT_LOG_LEVEL', value: choices.logLevel },
      // The kubelet kills the Pod when its grace is over; until then, requests in flight may end.
      { name: 'WEFT_DRAIN_SECONDS', value: `${graceSeconds}` },
      ...(config.socketIO === undefined || config.socketIO === 'public' ? [] : [{ name: 'WEFT_SOCKET_IO', value: config.socketIO }]),
      ...tracingOf(config),
    ],
    resources: choices.resources,
    // What follows starts only when this has passed once. Two minutes: an image pulled on a busy node, a controller that is away.
    startupProbe: { httpGet: { path: '/ready', port: ports.admin, scheme: 'HTTP' }, periodSeconds: 1, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 120 },
    securityContext: {
      runAsUser: proxyUid,
      runAsGroup: proxyUid,
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    volumeMounts: volumeMounts('proxy'),
  };
}

function tracingOf({ tracing }: InjectionConfig): readonly Json[] {
  if (tracing === undefined || tracing.endpoint === '') return [];
  return [{ name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: tracing.endpoint }, { name: 'WEFT_TRACE_SAMPLE', value: `${tracing.sample}` }];
}
