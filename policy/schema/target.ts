import { Type } from 'typebox';

const dnsName = '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*';

/** LocalPolicyTargetReferenceWithSectionName of Gateway API, and two things more: a version in the group, and a namespace to refuse. */
const targetRef = Type.Object(
  {
    group: Type.String({
      maxLength: 253,
      pattern: `^$|^${dnsName}(/v[0-9][a-z0-9]*)?$`,
      description: 'Group of the target; the empty text for Service and Namespace. A version behind a slash is ignored, with a warning.',
    }),
    kind: Type.String({ minLength: 1, maxLength: 63, pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$', description: 'GatewayClass, XMesh, Namespace, Gateway, ListenerSet, HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute, Service or ServiceImport.' }),
    name: Type.String({ minLength: 1, maxLength: 253, description: 'Name of the target.' }),
    sectionName: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 253,
        pattern: `^${dnsName}$`,
        description: 'A part of the target: a listener of a Gateway or ListenerSet, a named rule of a route, a port name of a Service or ServiceImport.',
      }),
    ),
    namespace: Type.Optional(Type.String({ minLength: 1, maxLength: 63, description: 'May be left out. A namespace other than the policy\'s own is refused (`Accepted=False`).' })),
  },
  { description: 'What the policy attaches to, in its own namespace.' },
);

const sameTarget = 'a.group == b.group && a.kind == b.kind && a.name == b.name';
const sameSection = "(has(a.sectionName) ? a.sectionName : '') == (has(b.sectionName) ? b.sectionName : '')";

/** `targetRef` or `targetRefs`, and the two stanzas. */
export function specSchema(fields: Type.TSchema): Type.TSchema {
  return Type.Object(
    {
      targetRef: Type.Optional(targetRef),
      targetRefs: Type.Optional(
        Type.Array(targetRef, {
          minItems: 1,
          maxItems: 16,
          description: 'Several targets. Instead of `targetRef`.',
          'x-kubernetes-list-type': 'atomic',
          'x-kubernetes-validations': [{ rule: `self.all(a, self.exists_one(b, ${sameTarget} && ${sameSection}))`, message: 'each target must be named once' }],
        }),
      ),
      override: Type.Optional({ ...fields, description: 'Wins over everything below the target, and over what routes say themselves.' }),
      default: Type.Optional({ ...fields, description: 'Holds where nothing below the target says otherwise.' }),
    },
    {
      description: 'Where the policy attaches and what it says there.',
      'x-kubernetes-validations': [
        { rule: 'has(self.targetRef) != has(self.targetRefs)', message: 'exactly one of targetRef and targetRefs must be set' },
        { rule: 'has(self.override) || has(self.default)', message: 'at least one of override and default must be set' },
      ],
    },
  );
}
