import type { Schema } from '../schema/schema.ts';

const text: Schema = { type: 'string' };
const protocol: Schema = { type: 'string', enum: ['TCP', 'UDP', 'SCTP'], default: 'TCP' };
const port: Schema = { type: 'integer', minimum: 1, maximum: 65535 };
const address: Schema = { type: 'string', format: 'ip' };
const family: Schema = { type: 'string', enum: ['IPv4', 'IPv6'] };
const truth: Schema = { type: 'string', enum: ['True', 'False', 'Unknown'] };

function object(properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema {
  return { type: 'object', properties, required };
}

/** A list that is empty where it is absent. */
function list(items: Schema, more: Schema = {}): Schema {
  return { type: 'array', items, default: [], ...more };
}

function map(values: Schema): Schema {
  return { type: 'object', additionalProperties: values };
}

export const namespaceSchema = object({});

const servicePort = object(
  {
    name: { ...text, default: '', pattern: '^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$', maxLength: 63 },
    port,
    targetPort: { 'x-kubernetes-int-or-string': true, minimum: 1, maximum: 65535, minLength: 1, maxLength: 15 },
    protocol,
    appProtocol: text,
  },
  ['port'],
);

export const serviceSchema = object(
  {
    spec: {
      ...object({
        type: { type: 'string', enum: ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'], default: 'ClusterIP' },
        selector: map(text),
        ports: list(servicePort, {
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['port', 'protocol'],
          'x-kubernetes-validations': [
            { rule: "self.size() < 2 || self.all(p, p.name != '')", message: 'a Service with several ports must name each of them' },
            { rule: "self.all(p, p.name == '' || self.exists_one(q, q.name == p.name))", message: 'the names of the ports must differ' },
          ],
        }),
        clusterIP: { ...text, pattern: '^(None|[0-9a-fA-F.:]*)$' },
        clusterIPs: list(text),
        ipFamilies: list(family),
        ipFamilyPolicy: { type: 'string', enum: ['SingleStack', 'PreferDualStack', 'RequireDualStack'] },
        externalIPs: list(text),
        externalName: text,
        publishNotReadyAddresses: { type: 'boolean', default: false },
      }),
      'x-kubernetes-validations': [
        { rule: "self.type != 'ExternalName' || (has(self.externalName) && self.externalName != '')", message: 'type ExternalName needs externalName', fieldPath: '.externalName' },
        { rule: "self.type == 'ExternalName' || self.ports.size() > 0 || (has(self.clusterIP) && self.clusterIP == 'None')", message: 'needs at least one port', fieldPath: '.ports' },
      ],
    },
    status: object({ loadBalancer: object({ ingress: list(object({ ip: text, hostname: text })) }) }),
  },
  ['spec'],
);

const sliceEndpoint = object(
  {
    addresses: { type: 'array', items: text, minItems: 1, maxItems: 100 },
    conditions: { ...object({ ready: { type: 'boolean', default: true }, serving: { type: 'boolean' }, terminating: { type: 'boolean', default: false } }), default: {} },
    hostname: text,
    nodeName: text,
    zone: text,
    targetRef: object({ kind: text, namespace: text, name: text, uid: text }),
  },
  ['addresses'],
);

export const endpointSliceSchema = object(
  {
    addressType: { type: 'string', enum: ['IPv4', 'IPv6', 'FQDN'] },
    endpoints: list(sliceEndpoint, { maxItems: 1000 }),
    ports: list(object({ name: { ...text, default: '' }, port, protocol, appProtocol: text }), { maxItems: 20_000 }),
  },
  ['addressType', 'endpoints'],
);

const containerPort = object({ name: text, containerPort: port, protocol }, ['containerPort']);
const container = object({ name: { ...text, minLength: 1 }, image: text, ports: list(containerPort) }, ['name']);

export const podSchema = object(
  {
    spec: object(
      {
        containers: { ...list(container, { minItems: 1 }), 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] },
        initContainers: list(container, { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] }),
        hostNetwork: { type: 'boolean', default: false },
        nodeName: text,
        serviceAccountName: text,
      },
      ['containers'],
    ),
    status: {
      ...object({
        phase: { type: 'string', enum: ['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'] },
        podIP: address,
        podIPs: list(object({ ip: address }, ['ip'])),
        conditions: list(object({ type: text, status: truth, reason: text }, ['type', 'status'])),
      }),
      default: {},
    },
  },
  ['spec'],
);

export const secretSchema = object({
  type: { ...text, default: 'Opaque' },
  data: { ...map({ type: 'string', format: 'byte' }), default: {} },
  stringData: map(text),
});

export const configMapSchema = object({
  data: { ...map(text), default: {} },
  binaryData: { ...map({ type: 'string', format: 'byte' }), default: {} },
});

export const clusterTrustBundleSchema = object({ spec: object({ signerName: text, trustBundle: text }, ['trustBundle']) }, ['spec']);

const ingressBackend: Schema = {
  ...object({
    service: object({ name: { ...text, minLength: 1 }, port: object({ name: text, number: port }) }, ['name']),
    resource: object({ apiGroup: text, kind: { ...text, minLength: 1 }, name: { ...text, minLength: 1 } }, ['kind', 'name']),
  }),
  'x-kubernetes-validations': [
    { rule: 'has(self.service) != has(self.resource)', message: 'exactly one of service and resource must be set' },
    { rule: '!has(self.service) || (has(self.service.port) && has(self.service.port.name) != has(self.service.port.number))', message: 'a port needs either a name or a number', fieldPath: '.service' },
  ],
};

const ingressHost: Schema = { ...text, maxLength: 253, pattern: '^((\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$' };

const ingressPath: Schema = {
  ...object({ path: text, pathType: { type: 'string', enum: ['Exact', 'Prefix', 'ImplementationSpecific'] }, backend: ingressBackend }, ['pathType', 'backend']),
  'x-kubernetes-validations': [
    { rule: "self.pathType == 'ImplementationSpecific' || (has(self.path) && self.path.startsWith('/'))", message: 'must be a path that begins with /', fieldPath: '.path' },
    { rule: "!has(self.path) || self.path == '' || self.path.startsWith('/')", message: 'must begin with /', fieldPath: '.path' },
  ],
};

export const ingressSchema = object(
  {
    spec: {
      ...object({
        ingressClassName: text,
        defaultBackend: ingressBackend,
        tls: list(object({ hosts: list(ingressHost), secretName: text })),
        rules: list(object({ host: ingressHost, http: object({ paths: { type: 'array', items: ingressPath, minItems: 1 } }, ['paths']) })),
      }),
      'x-kubernetes-validations': [{ rule: 'self.rules.size() > 0 || has(self.defaultBackend)', message: 'needs rules or a defaultBackend' }],
    },
  },
  ['spec'],
);

export const ingressClassSchema = object({ spec: { ...object({ controller: { ...text, default: '' }, parameters: object({ kind: text, name: text }, ['kind', 'name']) }), default: {} } });

export const serviceImportSchema = object(
  {
    spec: object({
      type: { type: 'string', enum: ['ClusterSetIP', 'Headless'] },
      ips: list(text),
      ports: list(object({ name: { ...text, default: '' }, port, protocol, appProtocol: text }, ['port'])),
    }, ['type']),
  },
  ['spec'],
);
