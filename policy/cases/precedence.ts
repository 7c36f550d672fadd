import type { Case } from './cases.ts';

const codes = (...list: number[]) => ({ retryOn: { codes: list } });

/** "Precedence, field by field" and the table of cases. */
export const precedenceCases: readonly Case[] = [
  {
    name: 'an override beats the default of the same object, which is dead',
    policies: [{ on: 'route', retry: { override: { maxRetries: 10 }, default: { maxRetries: 5 } } }],
    expect: {
      'g1 http': {
        retry: { maxRetries: 10 },
        origins: { 'retry.maxRetries': 'route override Route' },
        lost: ['retry.maxRetries 5: route default > route override'],
        warns: ['DeadDefault'],
      },
    },
  },
  {
    name: 'an override on the route beats the default of the Gateway',
    policies: [
      { on: 'g1', retry: { default: { maxRetries: 3 } } },
      { on: 'route', retry: { override: { maxRetries: 10 }, default: { maxRetries: 5 } } },
    ],
    expect: {
      'g1 http': {
        retry: { maxRetries: 10 },
        lost: ['retry.maxRetries 5: route default > route override', 'retry.maxRetries 3: g1 default > route override'],
        warns: ['DeadDefault'],
      },
    },
  },
  {
    name: 'an override of the Gateway beats everything of the route',
    policies: [
      { on: 'g1', retry: { override: { maxRetries: 2 } } },
      { on: 'route', retry: { override: { maxRetries: 10 }, default: { maxRetries: 5 } } },
    ],
    expect: {
      'g1 http': {
        retry: { maxRetries: 2 },
        lost: ['retry.maxRetries 5: route default > g1 override', 'retry.maxRetries 10: route override > g1 override'],
        warns: ['DeadDefault'],
      },
    },
  },
  {
    name: 'of four overrides the top one wins',
    policies: [
      { on: 'class', retry: { override: { maxRetries: 1 } } },
      { on: 'g1', retry: { override: { maxRetries: 2 } } },
      { on: 'route', retry: { override: { maxRetries: 10 } } },
      { on: 'service', retry: { override: { maxRetries: 20 } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 1 }, origins: { 'retry.maxRetries': 'class override GatewayClass' } } },
  },
  {
    name: 'of four defaults the bottom one wins',
    policies: [
      { on: 'class', retry: { default: { maxRetries: 1 } } },
      { on: 'g1', retry: { default: { maxRetries: 2 } } },
      { on: 'route', retry: { default: { maxRetries: 5 } } },
      { on: 'service', retry: { default: { maxRetries: 7 } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 7 }, origins: { 'retry.maxRetries': 'service default Service' } } },
  },
  {
    name: 'any override beats any default',
    policies: [
      { on: 'class', retry: { default: { maxRetries: 1 } } },
      { on: 'service', retry: { override: { maxRetries: 20 } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 20 } } },
  },
  {
    name: 'every field has its own winner: four origins',
    policies: [
      { on: 'class', retry: { override: { maxRetries: 1 } } },
      { on: 'g1', retry: { default: { maxRetries: 2, perTryTimeout: '2s' } } },
      { on: 'route', retry: { default: { maxRetries: 3, backoff: { base: '50ms' } } } },
      { on: 'service', retry: { default: { ...codes(503), backoff: { max: '1s' } } } },
    ],
    expect: {
      'g1 http': {
        retry: { maxRetries: 1, perTryTimeout: '2s', backoff: { base: '50ms', max: '1s' }, retryOn: { codes: [503] } },
        origins: {
          'retry.maxRetries': 'class override GatewayClass',
          'retry.perTryTimeout': 'g1 default Gateway',
          'retry.backoff.base': 'route default Route',
          'retry.backoff.max': 'service default Service',
          'retry.retryOn.codes': 'service default Service',
        },
        lost: ['retry.maxRetries 2: g1 default > class override', 'retry.maxRetries 3: route default > class override'],
      },
    },
  },
  {
    name: 'an override of the top beats the defaults of two levels below',
    policies: [
      { on: 'class', retry: { override: { maxRetries: 1 } } },
      { on: 'g1', retry: { default: { maxRetries: 2 } } },
      { on: 'route', retry: { default: { maxRetries: 3 } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 1 } } },
  },
  {
    name: 'lists are replaced whole, never appended',
    policies: [
      { on: 'g1', retry: { default: codes(500, 502) } },
      { on: 'route', retry: { default: codes(503) } },
    ],
    expect: { 'g1 http': { retry: codes(503), lost: ['retry.retryOn.codes [500, 502]: g1 default > route default'] } },
  },
  {
    name: 'an empty list is a value',
    policies: [
      { on: 'g1', retry: { default: codes(500) } },
      { on: 'route', retry: { default: codes() } },
    ],
    expect: { 'g1 http': { retry: codes() } },
  },
  {
    name: 'objects patch by key, also between stanzas',
    policies: [
      { on: 'g1', retry: { override: { budget: { percent: 10 } } } },
      { on: 'route', retry: { default: { budget: { percent: 50, interval: '20s' }, retryOn: { conditions: ['reset'] } } } },
      { on: 'service', retry: { default: codes(503) } },
    ],
    expect: { 'g1 http': { retry: { budget: { percent: 10, interval: '20s' }, retryOn: { conditions: ['reset'], codes: [503] } } } },
  },
  {
    name: "the route's own value beats every default",
    policies: [
      { on: 'g1', retry: { default: { maxRetries: 2 } } },
      { on: 'service', retry: { default: { maxRetries: 7 } } },
    ],
    inline: { retry: { maxRetries: 4 } },
    expect: {
      'g1 http': {
        retry: { maxRetries: 4 },
        origins: { 'retry.maxRetries': 'foo route Route' },
        lost: ['retry.maxRetries 2: g1 default > foo route', 'retry.maxRetries 7: service default > foo route'],
      },
    },
  },
  {
    name: "any override beats the route's own value, which is reported as lost",
    policies: [{ on: 'g1', retry: { override: { maxRetries: 2 } } }],
    inline: { retry: { maxRetries: 4 } },
    expect: { 'g1 http': { retry: { maxRetries: 2 }, lost: ['retry.maxRetries 4: foo route > g1 override'] } },
  },
  {
    name: "an override of the bottom beats the route's own value too",
    policies: [{ on: 'port', retry: { override: { maxRetries: 2 } } }],
    inline: { retry: { maxRetries: 4 } },
    expect: { 'g1 http': { retry: { maxRetries: 2 } } },
  },
  {
    name: "a route's own 0s is a value that no default fills",
    policies: [{ on: 'g1', timeouts: { default: { request: '15s', backendRequest: '5s' } } }],
    inline: { timeouts: { request: '0s' } },
    expect: { 'g1 http': { timeouts: { request: '0s', backendRequest: '5s' } } },
  },
  {
    name: '0, 0s and false are values',
    policies: [
      { on: 'g1', retry: { default: { maxRetries: 3, perTryTimeout: '1s', respectRetryAfter: true, maxBufferedBodyBytes: 1000 } } },
      { on: 'route', retry: { default: { maxRetries: 0, perTryTimeout: '0s', respectRetryAfter: false, maxBufferedBodyBytes: 0 } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 0, perTryTimeout: '0s', respectRetryAfter: false, maxBufferedBodyBytes: 0 } } },
  },
  {
    name: 'two policies on one target: the older one wins',
    policies: [
      { on: 'route', name: 'z-old', created: '2026-01-01T00:00:00Z', retry: { default: { maxRetries: 5 } } },
      { on: 'route', name: 'a-new', created: '2026-02-01T00:00:00Z', retry: { default: { maxRetries: 9 } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 5 }, lost: ['retry.maxRetries 9: a-new default > z-old default'] } },
  },
  {
    name: 'two overrides on one target: the older one wins',
    policies: [
      { on: 'route', name: 'z-old', created: '2026-01-01T00:00:00Z', retry: { override: { maxRetries: 5 } } },
      { on: 'route', name: 'a-new', created: '2026-02-01T00:00:00Z', retry: { override: { maxRetries: 9 } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 5 } } },
  },
  {
    name: 'two policies on one target that set different fields do not conflict',
    policies: [
      { on: 'route', name: 'old', created: '2026-01-01T00:00:00Z', retry: { default: { maxRetries: 5 } } },
      { on: 'route', name: 'new', created: '2026-02-01T00:00:00Z', retry: { default: { perTryTimeout: '1s' } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 5, perTryTimeout: '1s' }, lost: [] } },
  },
  {
    name: "on one target the newer policy's override beats the older one's default",
    policies: [
      { on: 'route', name: 'old', created: '2026-01-01T00:00:00Z', retry: { default: { maxRetries: 5 } } },
      { on: 'route', name: 'new', created: '2026-02-01T00:00:00Z', retry: { override: { maxRetries: 9 } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 9 } } },
  },
  {
    name: 'without timestamps, as in manifests, the name decides',
    policies: [
      { on: 'route', name: 'b', retry: { default: { maxRetries: 2 } } },
      { on: 'route', name: 'a', retry: { default: { maxRetries: 1 } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 1 } } },
  },
  {
    name: 'with equal timestamps the name decides',
    policies: [
      { on: 'route', name: 'b', created: '2026-01-01T00:00:00Z', retry: { default: { maxRetries: 2 } } },
      { on: 'route', name: 'a', created: '2026-01-01T01:00:00+01:00', retry: { default: { maxRetries: 1 } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 1 } } },
  },
  {
    name: 'what comes from a manifest is younger than what a cluster has',
    policies: [
      { on: 'route', name: 'a', retry: { default: { maxRetries: 1 } } },
      { on: 'route', name: 'b', created: '2026-01-01T00:00:00Z', retry: { default: { maxRetries: 2 } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 2 } } },
  },
  {
    name: 'kinds merge side by side',
    policies: [
      { on: 'route', retry: { override: { maxRetries: 1 } } },
      { on: 'route', timeouts: { default: { request: '5s' } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 1 }, timeouts: { request: '5s' } } },
  },
  { name: 'no policy: nothing, and no retries', policies: [], expect: { 'g1 http': { origins: {}, lost: [] }, 'mesh from a': { origins: {}, lost: [] } } },
  {
    name: 'one policy at two levels of a path: it wins and loses against itself',
    policies: [{ on: ['route', 'rule'], name: 'both', retry: { default: { maxRetries: 2 } } }],
    expect: { 'g1 http': { retry: { maxRetries: 2 }, origins: { 'retry.maxRetries': 'both default Rule' }, lost: ['retry.maxRetries 2: both default > both default'] } },
  },
];
