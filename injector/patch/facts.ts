import { check, formatPath, type Result, type Schema } from '#crds';
import type { PodFacts } from './types.ts';

const name: Schema = { type: 'string', minLength: 1, maxLength: 253 };
const words: Schema = { type: 'object', additionalProperties: { type: 'string' }, default: {} };
const user: Schema = { type: 'object', properties: { runAsUser: { type: 'integer' } }, default: {} };
const port: Schema = {
  type: 'object',
  properties: { containerPort: { type: 'integer', minimum: 1, maximum: 65_535 }, protocol: { type: 'string', default: 'TCP' } },
  required: ['containerPort'],
};
const container: Schema = {
  type: 'object',
  properties: { name, ports: { type: 'array', items: port, default: [], maxItems: 1024 }, securityContext: user, lifecycle: { type: 'object', properties: { preStop: { type: 'object' } } } },
  required: ['name'],
};
const containers: Schema = { type: 'array', items: container, maxItems: 256 };

const pod: Schema = {
  type: 'object',
  properties: {
    metadata: { type: 'object', properties: { labels: words, annotations: words }, default: {} },
    spec: {
      type: 'object',
      properties: {
        hostNetwork: { type: 'boolean', default: false },
        // Kubernetes' own default.
        terminationGracePeriodSeconds: { type: 'integer', minimum: 0, default: 30 },
        securityContext: user,
        os: { type: 'object', properties: { name: { type: 'string', default: 'linux' } }, default: {} },
        containers: { ...containers, minItems: 1 },
        // Kubernetes' own default.
        restartPolicy: { type: 'string', default: 'Always' },
        initContainers: { ...containers, default: [] },
        imagePullSecrets: { type: 'array', items: { type: 'object', properties: { name } }, maxItems: 1024 },
        volumes: { type: 'array', items: { type: 'object', properties: { name }, required: ['name'] }, default: [], maxItems: 1024 },
      },
      required: ['containers'],
    },
  },
  required: ['spec'],
};

/** What we read of a Pod or Pod template, or why it can't be one. */
export function factsOf(raw: unknown): Result<PodFacts, string> {
  const { value, errors } = check(pod, raw, 'leave-out');
  const first = errors[0];
  if (first === undefined) return { ok: true, value: value as PodFacts };
  return { ok: false, error: `${formatPath(first.path) || 'the Pod'}: ${first.message}` };
}
