import test from 'ava';
import fc from 'fast-check';
import { emptyState } from '#crds';
import { settle } from '#policy';
import { Pace, runSteps, type RouteTable } from '#snapshot';
import { withBuiltIns } from '../built-ins.ts';
import { buildGraph } from '../graph/graph.ts';
import { pathIndex } from '../paths.ts';
import { environmentOf, translateState } from '../testing.ts';
import type { SettledPath } from '../types.ts';
import { after, firstStale, histories } from './history.ts';
import { refusals } from './objects.ts';

test('objects of every kind are made, and most are taken', (t) => {
  const found = refusals(2000, 1);
  const taken = [...found].filter(([key]) => key.endsWith(': taken'));
  t.is(taken.length, 24, [...found.keys()].join('\n'));
  t.true(taken.reduce((sum, [, count]) => sum + count, 0) > 1800, [...found].map(([key, count]) => `${count} ${key}`).join('\n'));
});

test('after any changes of any kinds, what is kept of earlier translations never shows', (t) => {
  fc.assert(
    fc.property(histories(20), (history) => {
      const stale = firstStale(history);
      if (stale === undefined) return;
      const [kept, anew] = [stale.kept.split('\n'), stale.anew.split('\n')];
      t.deepEqual(kept.filter((line) => !anew.includes(line)), anew.filter((line) => !kept.includes(line)), `after batch ${stale.step}`);
      t.is(stale.kept, stale.anew);
    }),
    { numRuns: 8 },
  );
  t.pass();
});

/** What a table says of the end of a path. */
function policyInTable(table: RouteTable | undefined, { route, rule, resource }: SettledPath): unknown {
  const found = table?.routes.find(({ ref }) => route === undefined || (ref.kind === route.kind && ref.namespace === route.namespace && ref.name === route.name));
  const own = found?.rules.find(({ index }) => index === (rule?.index ?? 0));
  const at = resource === undefined ? own?.policy : own?.backends.find(({ target }) => target.kind === 'backend' && target.backend === resource)?.policy;
  return at === undefined ? { origins: {} } : table?.policies[at];
}

test('the policy of every path, in the index and in its table, is what its steps alone come to', (t) => {
  fc.assert(
    fc.property(histories(0), ([start = []]) => {
      const state = after(emptyState(), start);
      const graph = runSteps(buildGraph(withBuiltIns(state), environmentOf(state), new Pace()));
      const { snapshots } = translateState(state);
      for (const each of pathIndex(graph).all()) {
        // The routes of an Ingress all have its name.
        if (each.route?.kind === 'Ingress') continue;
        const { via, path, settled } = each;
        t.deepEqual(settled.policy, settle(path, graph.policies).policy);
        const table = via.kind === 'gateway' ? `listener/${via.gateway.namespace}/${via.gateway.name}/${via.listener}` : `service/${via.clientNamespace}/${via.service.namespace}/${via.service.kind === 'Service' ? '' : 'import:'}${via.service.name}/${via.port}`;
        t.deepEqual(policyInTable(snapshots.routeTable(table), each), settled.policy, table);
      }
    }),
    { numRuns: 25 },
  );
  t.pass();
});
