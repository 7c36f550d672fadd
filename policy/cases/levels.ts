import type { Case } from './cases.ts';
import type { Place, PolicyRow } from './world.ts';

const gatewayLevels: readonly Place[] = ['class', 'gateway-namespace', 'g1', 'g1-https', 'route-namespace', 'route', 'rule', 'backend-namespace', 'service', 'port'];
const producerLevels: readonly Place[] = ['mesh', 'backend-namespace', 'producer-route', 'service', 'port'];
const consumerLevels: readonly Place[] = ['mesh', 'client-namespace', 'consumer-route', 'backend-namespace', 'service', 'port'];

/** One policy at each level, numbered from the top. */
function each(stanza: 'override' | 'default', levels: readonly Place[]): readonly PolicyRow[] {
  return levels.map((on, index) => ({ on, retry: { [stanza]: { maxRetries: index + 1 } } }));
}

/** Every neighbouring pair of levels: the lower default wins, the higher override wins. */
function neighbours(levels: readonly Place[], path: keyof Case['expect']): readonly Case[] {
  return levels.slice(1).flatMap((lower, index): readonly Case[] => {
    const pair = [levels[index]!, lower];
    return [
      { name: `${path}: default on ${lower} beats default on ${pair[0]}`, policies: each('default', pair), expect: { [path]: { retry: { maxRetries: 2 } } } },
      { name: `${path}: override on ${pair[0]} beats override on ${lower}`, policies: each('override', pair), expect: { [path]: { retry: { maxRetries: 1 } } } },
    ];
  });
}

/** "Levels" and what a path consists of. */
export const levelCases: readonly Case[] = [
  ...neighbours(gatewayLevels, 'g1 https'),
  ...neighbours(producerLevels, 'mesh from c, producer route'),
  ...neighbours(consumerLevels, 'mesh from a, consumer route'),
  {
    name: 'a policy on a listener acts on what comes through that listener alone',
    policies: [
      { on: 'g1-https', retry: { default: { maxRetries: 4 } } },
      { on: 'g1', retry: { default: { maxRetries: 2 } } },
    ],
    expect: { 'g1 https': { retry: { maxRetries: 4 }, origins: { 'retry.maxRetries': 'g1-https default Listener' } }, 'g1 http': { retry: { maxRetries: 2 } } },
  },
  {
    name: 'a route under two Gateways has two effective policies',
    policies: [{ on: 'g1', retry: { default: { maxRetries: 3 } } }],
    expect: { 'g1 http': { retry: { maxRetries: 3 } }, 'g2 http': { origins: {} } },
  },
  {
    name: "a client namespace's override acts on its own clients alone",
    policies: [
      { on: 'service', retry: { default: { maxRetries: 5 } } },
      { on: 'client-namespace', retry: { override: { maxRetries: 0 } } },
    ],
    expect: {
      'mesh from a': { retry: { maxRetries: 0 }, lost: ['retry.maxRetries 5: service default > client-namespace override'] },
      'mesh from c': { retry: { maxRetries: 5 } },
    },
  },
  {
    name: 'an override of the mesh decides its field and leaves the others',
    policies: [
      { on: 'mesh', timeouts: { override: { request: '10s' } } },
      { on: 'service', timeouts: { default: { request: '30s', idle: '60s' } } },
    ],
    expect: {
      'mesh from a': { timeouts: { request: '10s', idle: '60s' }, lost: ['timeouts.request 30s: service default > mesh override'] },
      'g1 http': { timeouts: { request: '30s', idle: '60s' } },
    },
  },
  {
    name: 'the default of a Service beats that of its producer route',
    policies: [
      { on: 'producer-route', retry: { default: { maxRetries: 3 } } },
      { on: 'service', retry: { default: { maxRetries: 5 } } },
    ],
    expect: { 'mesh from c, producer route': { retry: { maxRetries: 5 } }, 'mesh from c': { retry: { maxRetries: 5 } } },
  },
  {
    name: 'a named rule has its own policy',
    policies: [
      { on: 'rule', retry: { default: { maxRetries: 4 } } },
      { on: 'route', retry: { default: { maxRetries: 2 } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 4 } }, 'g1 http, other rule': { retry: { maxRetries: 2 } } },
  },
  {
    name: 'a rule without a backend has the policies above it',
    policies: [
      { on: 'route', timeouts: { default: { request: '2s' } } },
      { on: 'service', timeouts: { default: { request: '1s' } } },
    ],
    expect: { 'g1 http, no backend': { timeouts: { request: '2s' } }, 'g1 http': { timeouts: { request: '1s' } } },
  },
  {
    name: 'each backend of a rule has its own effective policy',
    policies: [{ on: 'service', retry: { default: { maxRetries: 4 } } }],
    expect: { 'g1 http': { retry: { maxRetries: 4 } }, 'g1 http, other backend': { origins: {} } },
  },
  {
    name: 'a ListenerSet stands below its Gateway and above the route',
    policies: [
      { on: 'g1', retry: { default: { maxRetries: 1, perTryTimeout: '1s' } } },
      { on: 'listener-set', retry: { default: { maxRetries: 2, respectRetryAfter: false } } },
      { on: 'route', retry: { default: { respectRetryAfter: true } } },
    ],
    expect: { 'g1 listener set': { retry: { maxRetries: 2, perTryTimeout: '1s', respectRetryAfter: true } } },
  },
  {
    name: 'a namespace that a route shares with its backend counts once, above the route',
    policies: [
      { on: 'backend-namespace', retry: { default: { maxRetries: 1 } } },
      { on: 'producer-route', retry: { default: { maxRetries: 2 } } },
    ],
    expect: { 'g1, route and backend in back': { retry: { maxRetries: 2 }, lost: ['retry.maxRetries 1: backend-namespace default > producer-route default'] } },
  },
  {
    name: 'a namespace that client and Service share counts once, as the clients\'',
    policies: [{ on: 'backend-namespace', timeouts: { default: { requestHeaders: '1s' } } }],
    expect: { 'mesh from back': { timeouts: { requestHeaders: '1s' }, lost: [] } },
  },
  {
    name: 'policies on a producer route do not touch clients that have a consumer route',
    policies: [{ on: 'producer-route', retry: { override: { maxRetries: 9 } } }],
    expect: { 'mesh from a, consumer route': { origins: {} }, 'mesh from c, producer route': { retry: { maxRetries: 9 } } },
  },
  {
    name: 'policies on Gateways and GatewayClass do not touch mesh traffic, nor those on the mesh what comes through a Gateway',
    policies: [
      { on: 'class', retry: { override: { maxRetries: 1 } } },
      { on: 'mesh', retry: { override: { maxRetries: 2 } } },
    ],
    expect: { 'g1 http': { retry: { maxRetries: 1 } }, 'mesh from c': { retry: { maxRetries: 2 } } },
  },
  {
    name: 'the Service that was dialled stands above the one that its route sends to',
    policies: [
      { on: 'service', retry: { default: { maxRetries: 1, perTryTimeout: '1s' } } },
      { on: 'other-service', retry: { default: { maxRetries: 2 } } },
    ],
    expect: { 'mesh from c, routed to api-v2': { retry: { maxRetries: 2, perTryTimeout: '1s' } } },
  },
];
