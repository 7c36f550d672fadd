import type { Injection, NamespaceFacts } from '../patch/types.ts';
import { decodeReview, encodeReview } from './review.ts';

const rounds = 50;

/**
 * Reviews a Pod of some size again and again, so that the first real one does not wait until the code is compiled: measured 7 ms of the
 * processor for the first review, 0.4 ms for one after these. Takes about 20 ms. Returns the length of the last answer.
 */
export function warmUp(inject: (pod: unknown, namespace: NamespaceFacts) => Injection): number {
  const env = Array.from({ length: 20 }, (_, index) => ({ name: `VARIABLE_${index}`, value: 'value' }));
  const containers = Array.from({ length: 5 }, (_, index) => ({ name: `c${index}`, image: 'image', env, ports: [{ containerPort: 8080 + index, protocol: 'TCP' }] }));
  const object = { metadata: { name: 'warm-up', labels: { app: 'warm-up' } }, spec: { containers, initContainers: [{ name: 'init' }], volumes: [{ name: 'data', emptyDir: {} }] } };
  const body = JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { uid: 'warm-up', kind: { group: '', version: 'v1', kind: 'Pod' }, operation: 'CREATE', namespace: 'warm-up', object },
  });
  let length = 0;
  for (let round = 0; round < rounds; round++) {
    const review = decodeReview(body);
    if (review.ok) length = encodeReview(review.value.uid, inject(review.value.object, { name: review.value.namespace, labels: { 'weft-mesh.io/inject': 'enabled' } })).length;
  }
  return length;
}
