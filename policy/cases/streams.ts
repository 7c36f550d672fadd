import type { Case } from './cases.ts';

/** What acts on connections whose bytes pass as they are, and on flows of datagrams. */
export const streamCases: readonly Case[] = [
  {
    name: 'of connections that pass as they are three fields speak, at any level, by the same precedence',
    policies: [
      { on: 'class', timeouts: { override: { maxConnectionDuration: '24h' }, default: { streamIdle: '1h' } } },
      { on: 'g1-tcp', timeouts: { default: { connect: '1s', maxConnectionDuration: '1h' } } },
      { on: 'tcp-route', timeouts: { default: { streamIdle: '2h' } } },
      { on: 'service', timeouts: { override: { connect: '2s', maxConnectionDuration: '2h' } } },
    ],
    expect: {
      'tcp g1': {
        timeouts: { connect: '2s', streamIdle: '2h', maxConnectionDuration: '24h' },
        origins: { 'timeouts.connect': 'service override Service', 'timeouts.streamIdle': 'tcp-route default Route', 'timeouts.maxConnectionDuration': 'class override GatewayClass' },
        lost: [
          'timeouts.maxConnectionDuration 1h: g1-tcp default > class override',
          'timeouts.maxConnectionDuration 2h: service override > class override',
          'timeouts.connect 1s: g1-tcp default > service override',
          'timeouts.streamIdle 1h: class default > tcp-route default',
        ],
      },
      'tcp mesh from a': { timeouts: { connect: '2s', streamIdle: '2h', maxConnectionDuration: '2h' }, lost: [] },
    },
  },
  {
    name: 'of datagrams one field speaks',
    policies: [
      { on: 'g1', timeouts: { default: { streamIdle: '1m', connect: '1s' } } },
      { on: 'udp-route', timeouts: { default: { streamIdle: '2m', maxConnectionDuration: '1h' } } },
    ],
    expect: {
      'udp g1': {
        timeouts: { streamIdle: '2m' },
        lost: ['timeouts.streamIdle 1m: g1 default > udp-route default', 'timeouts.connect 1s: g1 default > nothing', 'timeouts.maxConnectionDuration 1h: udp-route default > nothing'],
        warns: ['NoEffectAtLevel'],
      },
    },
  },
  {
    name: 'what speaks of requests loses to nothing where none pass; a warning says so where nothing else passes the target',
    policies: [
      { on: 'class', retry: { override: { maxRetries: 1 } } },
      { on: 'g1-tcp', timeouts: { default: { request: '1s', idle: '1m' } } },
      { on: 'tcp-route', retry: { default: { maxRetries: 2 } } },
      { traffic: 'api', percent: 5, session: 's' },
    ],
    expect: {
      'tcp g1': {
        lost: [
          'retry.maxRetries 1: class override > nothing',
          'timeouts.request 1s: g1-tcp default > nothing',
          'timeouts.idle 1m: g1-tcp default > nothing',
          'retry.maxRetries 2: tcp-route default > nothing',
          'retry.budget.percent 5: constraint direct > nothing',
          'retry.budget.interval 10s: constraint direct > nothing',
          'retry.budget.minPerSecond 0.5: constraint direct > nothing',
          'session [object Object]: constraint direct > nothing',
        ],
        warns: ['NoEffectAtLevel', 'NoEffectAtLevel', 'NoEffectAtLevel', 'NoEffectAtLevel', 'NoEffectAtLevel', 'NoEffectAtLevel', 'NoEffectAtLevel'],
      },
    },
  },
];
