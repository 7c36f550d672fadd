import type { Operation, PodFacts } from './types.ts';

/**
 * Containers go on serving for a while when the Pod ends: an application that ends at once on SIGTERM would be gone before everybody who
 * sends to it has heard. The kubelet waits with that signal until the hook is over (Pod lifecycle, KEP-3960). Left as they are: containers
 * with a preStop of their own, and Pods that run to completion, to which no Service sends. At most half of the Pod's grace: the rest is the
 * application's.
 */
export function delayedEndings({ spec }: PodFacts, delaySeconds: number): readonly Operation[] {
  const seconds = Math.min(delaySeconds, Math.floor(spec.terminationGracePeriodSeconds / 2));
  if (seconds === 0 || spec.restartPolicy !== 'Always') return [];
  const preStop = { sleep: { seconds } };
  return spec.containers.flatMap(({ lifecycle }, index): Operation[] => {
    if (lifecycle?.preStop !== undefined) return [];
    const path = `/spec/containers/${index}/lifecycle`;
    return [lifecycle === undefined ? { op: 'add', path, value: { preStop } } : { op: 'add', path: `${path}/preStop`, value: preStop }];
  });
}
