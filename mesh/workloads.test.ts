import test from 'ava';
import { builtInKinds, readManifests, stateOf } from '#crds';
import { formatProblem } from './problems.ts';
import { injectedWorkloads, workloadProblems } from './workloads.ts';

const pod = (name: string, status: string): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { weft-mesh.io/inject: enabled } }
spec: { containers: [{ name: app, image: x }] }
status: ${status}
---`;

test('of two Pods with one address the first gets the sidecar; the other, and one without an address, are told', (t) => {
  const text = [pod('a', '{ podIP: 127.0.1.1 }'), pod('b', '{ podIP: 127.0.1.1 }'), pod('c', '{}'), pod('d', '{ podIP: 127.0.1.1, phase: Succeeded }')].join('');
  const state = stateOf(readManifests([{ file: 'pods.yaml', text }], builtInKinds).objects);
  t.deepEqual([...injectedWorkloads(state).keys()], ['shop/a']);
  t.deepEqual(workloadProblems(state).map(formatProblem), [
    'pods.yaml:8:1: error: Pod shop/b: has no sidecar, as 127.0.1.1 is the status.podIP of Pod shop/a, too; give it an address of its own (AddressTaken)',
    'pods.yaml:14:1: warning: Pod shop/c: has no sidecar here, as it has no status.podIP; give it one, such as 127.0.1.1 (NoPodIP)',
  ]);
});
