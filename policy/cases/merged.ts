import type { Case } from './cases.ts';

/** "The merged result is checked again". */
export const mergedCases: readonly Case[] = [
  {
    name: 'backendRequest is clamped to request, whose origin it then has',
    policies: [
      { on: 'g1', timeouts: { override: { request: '5s' } } },
      { on: 'service', timeouts: { default: { backendRequest: '30s' } } },
    ],
    expect: {
      'g1 http': {
        timeouts: { request: '5s', backendRequest: '5s' },
        origins: { 'timeouts.request': 'g1 override Gateway', 'timeouts.backendRequest': 'g1 override Gateway' },
        lost: ['timeouts.backendRequest 30s: service default > g1 override'],
        warns: ['BackendRequestClamped'],
      },
    },
  },
  {
    name: "the route's own backendRequest is clamped too",
    policies: [{ on: 'g1', timeouts: { override: { request: '5s' } } }],
    inline: { timeouts: { request: '60s', backendRequest: '30s' } },
    expect: { 'g1 http': { timeouts: { request: '5s', backendRequest: '5s' }, warns: ['BackendRequestClamped'] } },
  },
  {
    name: 'backendRequest and request of equal length are left alone, however written',
    policies: [{ on: 'g1', timeouts: { override: { request: '1m', backendRequest: '60s' } } }],
    expect: { 'g1 http': { timeouts: { request: '1m', backendRequest: '60s' } } },
  },
  {
    name: 'a request timeout of 0s bounds nothing',
    policies: [{ on: 'g1', timeouts: { override: { request: '0s', backendRequest: '30s' } } }],
    expect: { 'g1 http': { timeouts: { request: '0s', backendRequest: '30s' } } },
  },
  {
    name: 'a backendRequest of 0s survives: the request timeout bounds it anyway',
    policies: [{ on: 'g1', timeouts: { override: { request: '5s', backendRequest: '0s' } } }],
    expect: { 'g1 http': { timeouts: { request: '5s', backendRequest: '0s' } } },
  },
  {
    name: 'retries × per-try beyond the request timeout warns',
    policies: [
      { on: 'g1', timeouts: { override: { request: '5s' } } },
      { on: 'route', retry: { default: { maxRetries: 3, perTryTimeout: '2s' } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 3, perTryTimeout: '2s' }, timeouts: { request: '5s' }, warns: ['RetriesBeyondRequest'] } },
  },
  {
    name: 'retries × per-try within the request timeout does not',
    policies: [
      { on: 'g1', timeouts: { override: { request: '10s' } } },
      { on: 'route', retry: { default: { maxRetries: 3, perTryTimeout: '2s' } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 3, perTryTimeout: '2s' }, timeouts: { request: '10s' } } },
  },
  {
    name: 'without a request timeout there is nothing to exceed',
    policies: [
      { on: 'g1', timeouts: { override: { request: '0s' } } },
      { on: 'route', retry: { default: { maxRetries: 100, perTryTimeout: '1h' } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 100, perTryTimeout: '1h' }, timeouts: { request: '0s' } } },
  },
  {
    name: 'a per-try timeout longer than the request timeout warns, once',
    policies: [{ on: 'route', retry: { default: { maxRetries: 3, perTryTimeout: '20s' } } }],
    inline: { timeouts: { request: '5s' } },
    expect: { 'g1 http': { retry: { maxRetries: 3, perTryTimeout: '20s' }, timeouts: { request: '5s' }, warns: ['PerTryTimeoutBeyondRequest'] } },
  },
  {
    name: 'a per-try timeout longer than backendRequest warns',
    policies: [{ on: 'route', retry: { default: { perTryTimeout: '4s' } } }],
    inline: { timeouts: { request: '9s', backendRequest: '3s' } },
    expect: { 'g1 http': { retry: { perTryTimeout: '4s' }, timeouts: { request: '9s', backendRequest: '3s' }, warns: ['PerTryTimeoutBeyondBackendRequest'] } },
  },
  ...(
    [
      ['no method', { methods: [] }],
      ['no failure', { retryOn: { conditions: [] } }],
      ['no failure, and no code', { retryOn: { conditions: [], codes: [] } }],
      ['no budget', { budget: { percent: 0, minPerSecond: 0 } }],
    ] as const
  ).map(([what, retry]): Case => ({
    name: `retries that nothing is left to ask for warn: ${what}`,
    policies: [{ on: 'route', retry: { default: { maxRetries: 3 } } }, { on: 'g1', retry: { default: retry } }],
    expect: { 'g1 http': { retry: { maxRetries: 3, ...retry }, warns: ['RetriesNeverHappen'] }, 'g2 http': { retry: { maxRetries: 3 } } },
  })),
  {
    name: 'without codes the conditions still ask for retries, and a share does without a rate',
    policies: [{ on: 'route', retry: { default: { maxRetries: 3, retryOn: { codes: [] }, budget: { minPerSecond: 0 } } } }],
    expect: { 'g1 http': { retry: { maxRetries: 3, retryOn: { codes: [] }, budget: { minPerSecond: 0 } } } },
  },
  {
    name: 'retries of codes alone, of a share alone or of so many a second alone do happen; none at all need no warning',
    policies: [
      { on: 'route', retry: { default: { maxRetries: 3, retryOn: { conditions: [], codes: [503] } } } },
      { on: 'g1', retry: { default: { budget: { percent: 0 } } } },
      { on: 'g2', retry: { override: { maxRetries: 0, methods: [] } } },
    ],
    expect: {
      'g1 http': { retry: { maxRetries: 3, retryOn: { conditions: [], codes: [503] }, budget: { percent: 0 } } },
      'g2 http': { retry: { maxRetries: 0, methods: [], retryOn: { conditions: [], codes: [503] } } },
    },
  },
  {
    name: 'a backoff bound below its base warns',
    policies: [
      { on: 'g1', retry: { default: { backoff: { max: '100ms' } } } },
      { on: 'route', retry: { default: { backoff: { base: '1s' } } } },
    ],
    expect: { 'g1 http': { retry: { backoff: { base: '1s', max: '100ms' } }, warns: ['BackoffMaxBelowBase'] } },
  },
  {
    name: 'fields of client connections have no effect below the listener, and do not hide those that have',
    policies: [
      { on: 'g1', timeouts: { default: { requestHeaders: '9s' } } },
      { on: 'route', timeouts: { default: { requestHeaders: '1s', request: '3s' } } },
      { on: 'service', timeouts: { override: { maxConnectionDuration: '1h' } } },
    ],
    expect: {
      'g1 http': {
        timeouts: { request: '3s', requestHeaders: '9s' },
        lost: ['timeouts.requestHeaders 1s: route default > nothing', 'timeouts.maxConnectionDuration 1h: service override > nothing'],
        warns: ['NoEffectAtLevel', 'NoEffectAtLevel'],
      },
    },
  },
  {
    name: 'fields of client connections act from the mesh and the clients\' namespace',
    policies: [
      { on: 'mesh', timeouts: { default: { requestHeaders: '9s', maxConnectionDuration: '1h' } } },
      { on: 'client-namespace', timeouts: { default: { requestHeaders: '5s' } } },
    ],
    expect: { 'mesh from a': { timeouts: { requestHeaders: '5s', maxConnectionDuration: '1h' } }, 'mesh from c': { timeouts: { requestHeaders: '9s', maxConnectionDuration: '1h' } } },
  },
  {
    name: "fields of client connections have no effect from the Service's namespace on clients elsewhere; no warning, for it has clients too",
    policies: [{ on: 'backend-namespace', timeouts: { default: { requestHeaders: '1s' } } }],
    expect: { 'mesh from a': { lost: ['timeouts.requestHeaders 1s: backend-namespace default > nothing'] } },
  },
];
