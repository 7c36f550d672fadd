import { Type } from 'typebox';

const condition = Type.Object({
  type: Type.String({ maxLength: 316 }),
  status: Type.Enum(['True', 'False', 'Unknown'], { type: 'string' }),
  reason: Type.String({ minLength: 1, maxLength: 1024, pattern: '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$' }),
  message: Type.String({ maxLength: 32_768 }),
  observedGeneration: Type.Optional(Type.Integer({ format: 'int64', minimum: 0 })),
  lastTransitionTime: Type.String({ format: 'date-time' }),
});

const ancestor = Type.Object({
  ancestorRef: Type.Object({
    group: Type.Optional(Type.String({ maxLength: 253 })),
    kind: Type.Optional(Type.String({ maxLength: 63 })),
    namespace: Type.Optional(Type.String({ maxLength: 63 })),
    name: Type.String({ minLength: 1, maxLength: 253 }),
    sectionName: Type.Optional(Type.String({ maxLength: 253 })),
    port: Type.Optional(Type.Integer({ format: 'int32', minimum: 1, maximum: 65_535 })),
  }),
  controllerName: Type.String({ minLength: 1, maxLength: 253 }),
  conditions: Type.Array(condition, { minItems: 1, maxItems: 8, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] }),
});

/** PolicyStatus of Gateway API. */
export const statusSchema = Type.Object(
  {
    ancestors: Type.Array(ancestor, {
      maxItems: 16,
      description: 'The result per Gateway, Service or mesh, and per target that was refused.',
      'x-kubernetes-list-type': 'atomic',
    }),
  },
  { description: 'What became of the policy.' },
);
