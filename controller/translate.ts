import type { ClusterState } from '#crds';
import { withBuiltIns } from './built-ins.ts';
import { buildGraph } from './graph/graph.ts';
import { pathIndex } from './paths.ts';
import { renderListeners, servedCertificates } from './render/gateway.ts';
import { renderTable } from './render/table.ts';
import { snapshotsOf } from './snapshots.ts';
import { report } from './status/report.ts';
import type { Environment, Translation } from './types.ts';

/**
 * From everything that is written down to everything that proxies and users get to know. Synchronous, total and deterministic:
 * the order of the state's maps does not matter, and what users got wrong is in `problems` and `statuses`.
 */
export function translate(written: ClusterState, environment: Environment): Translation {
  const graph = buildGraph(withBuiltIns(written), environment);
  const { cluster, gateways, policies, mesh, tables } = graph;
  const snapshots = snapshotsOf({
    state: cluster.state,
    mesh,
    listeners: new Map([...gateways].map(([key, facts]) => [key, renderListeners(facts, environment, policies)])),
    tables: new Map(tables.map((table) => [table.way.name, () => renderTable(table.routes, table.way)])),
    certificates: servedCertificates(gateways.values()),
  });
  const { statuses, problems } = report(graph);
  return { statuses, problems, snapshots, paths: pathIndex(graph) };
}

