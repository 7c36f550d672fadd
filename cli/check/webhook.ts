import { connect } from 'node:tls';
import { injectLabel, proxyContainer } from '#injector';
import { ageText } from '../table.ts';
import { certificateFault, endOf } from './control-plane.ts';
import type { Observer } from './observer.ts';
import { failed, ok, skipped, warning, type Check, type Outcome } from './types.ts';

interface Webhook {
  readonly name: string;
  readonly failurePolicy?: string;
  readonly clientConfig: { readonly caBundle?: string; readonly service?: { readonly name: string; readonly namespace: string } };
  readonly namespaceSelector?: { readonly matchExpressions?: readonly { readonly key: string; readonly operator: string; readonly values?: readonly string[] }[] };
}

const soonMs = 86_400_000;

async function webhooksOf(observer: Observer): Promise<readonly Webhook[] | undefined> {
  const found = await observer.find('/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/weft-injector');
  return found === undefined ? undefined : ((found.raw['webhooks'] ?? []) as readonly Webhook[]);
}

const bundleOf = ({ clientConfig }: Webhook): string => Buffer.from(clientConfig.caBundle ?? '', 'base64').toString('utf8');

/** Why no TLS connection can be made; undefined where one can. */
function tlsFault({ address, port, name, authority }: { readonly address: string; readonly port: number; readonly name: string; readonly authority: string }): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, servername: name, ca: authority, timeout: 3000 }, () => end(undefined));
    const end = (fault: string | undefined): void => {
      resolve(fault);
      socket.destroy();
    };
    socket.on('error', ({ message }) => end(message));
    socket.on('timeout', () => end('no answer within 3 s'));
  });
}

/** `ask` gets webhooks that are there. */
function check(id: Check['id'], claim: Check['claim'], ask: (webhooks: readonly Webhook[], observer: Observer) => Outcome | Promise<Outcome>): Check {
  return {
    id,
    claim,
    when: 'post',
    run: async (observer) => {
      const webhooks = await webhooksOf(observer);
      return webhooks === undefined ? skipped('there is no webhook') : ask(webhooks, observer);
    },
  };
}

const needed: typeof check = (id, claim, ask) => ({ ...check(id, claim, ask), forPods: true });

const logs = ({ controlPlane }: Observer): string => `kubectl logs -n ${controlPlane} deployment/weft-injector`;

export const webhookChecks: readonly Check[] = [
  {
    id: 'webhook',
    claim: 'the webhook is registered',
    when: 'post',
    forPods: true,
    run: async (observer) => {
      const webhooks = await webhooksOf(observer);
      const missing = ['namespace', 'pod'].filter((name) => webhooks?.some((each) => each.name === `${name}.injector.weft-mesh.io`) !== true);
      return missing.length === 0 ? ok('weft-injector') : failed(`MutatingWebhookConfiguration weft-injector ${webhooks === undefined ? 'is not there' : `lacks ${missing.join(', ')}`}: no Pod gets a sidecar`, `helm upgrade --install weft charts/weft -n ${observer.controlPlane}`);
    },
  },
  needed('webhook-authority', "it trusts the injector's certificate", (webhooks, observer) => {
    const fault = webhooks.map((webhook) => (webhook.clientConfig.caBundle === undefined ? `${webhook.name} has no caBundle` : certificateFault(bundleOf(webhook), observer.now()))).find((each) => each !== undefined);
    if (fault !== undefined) return failed(fault, logs(observer));
    const left = Math.min(...webhooks.map((webhook) => endOf(bundleOf(webhook)))) - observer.now();
    return left < soonMs ? warning(`it ends in ${ageText(left)} and should have been renewed`, logs(observer)) : ok(`valid for ${ageText(left)}`);
  }),
  needed('webhook-connects', 'the injector answers at the address of its Service', async (webhooks, observer) => {
    if (!observer.isInside) return skipped('only a Pod of the cluster can try');
    const [authority] = webhooks.map(bundleOf);
    const service = await observer.find(`/api/v1/namespaces/${observer.controlPlane}/services/weft-injector`);
    const address = service?.spec['clusterIP'];
    if (authority === undefined || authority === '' || typeof address !== 'string') return failed('there is no authority, or no Service weft-injector', logs(observer));
    const fault = await tlsFault({ address, port: 443, name: `weft-injector.${observer.controlPlane}.svc`, authority });
    return fault === undefined ? ok(address) : failed(`${address}: ${fault}`, logs(observer));
  }),
  check('webhook-failure-policy', 'no Pod of a labelled namespace runs without a sidecar while the injector is away', (webhooks) =>
    webhooks.every(({ failurePolicy }) => failurePolicy === 'Fail') ? ok('failurePolicy: Fail') : warning('failurePolicy is Ignore: such Pods run outside the mesh', 'helm upgrade with --set injector.failurePolicy=Fail'),
  ),
  check('webhook-scope', 'it stays out of the way of the control plane', (webhooks, observer) => {
    const kept = (webhook: Webhook, name: string): boolean =>
      webhook.namespaceSelector?.matchExpressions?.some(({ key, operator, values }) => key === 'kubernetes.io/metadata.name' && operator === 'NotIn' && values?.includes(name) === true) === true;
    const open = ['kube-system', observer.controlPlane].filter((name) => !webhooks.every((webhook) => kept(webhook, name)));
    return open.length === 0 ? ok(`kube-system and ${observer.controlPlane} are left out`) : failed(`${open.join(', ')} is not left out: where the injector is away, it could not start again`, `helm upgrade --install weft charts/weft -n ${observer.controlPlane}`);
  }),
  check('webhook-answers', 'a Pod that is tried gets its sidecar', async (_webhooks, observer) => {
    const labelled = (await observer.list('/api/v1/namespaces')).find(({ metadata }) => metadata.labels[injectLabel] === 'enabled' && metadata.deletionTimestamp === undefined);
    if (labelled === undefined) return skipped(`no namespace has the label ${injectLabel}=enabled`);
    const { name } = labelled.metadata;
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { generateName: 'weft-check-' }, spec: { containers: [{ name: 'app', image: 'weft-check' }] } };
    const made = await observer.tryCreate(`/api/v1/namespaces/${name}/pods`, pod);
    if (typeof made === 'string') return failed(`in ${name} it is refused: ${made}`, logs(observer));
    const containers = (made.spec['initContainers'] ?? []) as readonly { readonly name: string }[];
    return containers.some((container) => container.name === proxyContainer) ? ok(`in ${name}`) : failed(`in ${name} it gets none`, logs(observer));
  }),
];
