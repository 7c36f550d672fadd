import type { Case } from './cases.ts';

/** What an XBackendTrafficPolicy with `percent` makes of the budget: its least rate, 30 a minute, is 0.5 a second. */
const budget = (percent: number) => ({ percent, interval: '10s', minPerSecond: 0.5 });
const cookie = (name: string) => ({ type: 'Cookie', name, lifetime: 'Session', path: '/' }) as const;

/** Direct policies of a Service: between what a route says itself and every default. */
export const trafficCases: readonly Case[] = [
  {
    name: 'a retry constraint is the budget on every path to its Service',
    policies: [{ traffic: 'api', percent: 30 }],
    expect: {
      'g1 http': {
        retry: { budget: budget(30) },
        origins: { 'retry.budget.interval': 'constraint direct Service', 'retry.budget.minPerSecond': 'constraint direct Service', 'retry.budget.percent': 'constraint direct Service' },
      },
      'mesh from c, producer route': { retry: { budget: budget(30) } },
      'g1 http, other backend': {},
    },
  },
  {
    name: 'a retry constraint beats every default, and loses to every override',
    policies: [
      { traffic: 'api', percent: 30 },
      { on: 'service', retry: { default: { budget: { percent: 1 } } } },
      { on: 'g1', retry: { override: { budget: { interval: '20s' } } } },
    ],
    expect: {
      'g1 http': {
        retry: { budget: { ...budget(30), interval: '20s' } },
        lost: ['retry.budget.interval 10s: constraint direct > g1 override', 'retry.budget.percent 1: service default > constraint direct'],
      },
    },
  },
  {
    name: 'what a dialled Service says of itself does not go on to the Service that its route sends to',
    policies: [{ traffic: 'api', percent: 30 }],
    expect: { 'mesh from c, routed to api-v2': {}, 'mesh from c': { retry: { budget: budget(30) } } },
  },
  {
    name: 'of two direct policies on one Service the older one is in force, as a whole',
    policies: [
      { traffic: 'api', name: 'young', created: '2026-02-01T00:00:00Z', percent: 1, session: 'theirs' },
      { traffic: 'api', name: 'old', created: '2026-01-01T00:00:00Z', percent: 50 },
    ],
    expect: { 'g1 http': { retry: { budget: budget(50) }, lost: [] } },
  },
  {
    name: "a rule's own session beats that of its Service",
    policies: [{ traffic: 'api', session: 'of-the-service' }],
    inline: { session: cookie('of-the-rule') },
    expect: {
      'g1 http': { session: cookie('of-the-rule'), origins: { session: 'foo route Route' } },
      'g1 http, other backend': { session: cookie('of-the-rule') },
    },
  },
  {
    name: 'a session of a Service is that of every rule without one',
    policies: [{ traffic: 'api', session: 'sticky' }],
    expect: { 'g1 http': { session: cookie('sticky'), origins: { session: 'constraint direct Service' } }, 'g1 http, other backend': {} },
  },
];
