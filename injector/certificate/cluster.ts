import { AdmissionregistrationV1Api, ApiException, CoreV1Api, PatchStrategy, setHeaderOptions, type KubeConfig } from '@kubernetes/client-node';
import type { CertificateCluster } from './keeper.ts';

export interface CertificatePlace {
  readonly namespace: string;
  readonly secret: string;
  /** Name of the MutatingWebhookConfiguration. */
  readonly webhook: string;
}

const field = 'ring.json';

/** Reads and writes the one Secret and the one webhook configuration, by name. */
export function connectCertificates(config: KubeConfig, { namespace, secret, webhook }: CertificatePlace): CertificateCluster {
  const core = config.makeApiClient(CoreV1Api);
  const admission = config.makeApiClient(AdmissionregistrationV1Api);
  return {
    readRing: async () => {
      const found = await unlessStatus(404, core.readNamespacedSecret({ namespace, name: secret }));
      if (found === undefined) return undefined;
      const encoded = found.data?.[field];
      return { text: encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8'), version: found.metadata?.resourceVersion ?? '' };
    },
    writeRing: async (text, version) => {
      const metadata = { name: secret, namespace, labels: { 'app.kubernetes.io/part-of': 'weft', 'app.kubernetes.io/component': 'injector' } };
      const body = { metadata, type: 'Opaque', data: { [field]: Buffer.from(text, 'utf8').toString('base64') } };
      // 409: it is there already, or no longer at that version.
      if (version === undefined) return (await unlessStatus(409, core.createNamespacedSecret({ namespace, body }))) !== undefined;
      return (await unlessStatus(409, core.replaceNamespacedSecret({ namespace, name: secret, body: { ...body, metadata: { ...metadata, resourceVersion: version } } }))) !== undefined;
    },
    readBundles: async () => {
      const found = await unlessStatus(404, admission.readMutatingWebhookConfiguration({ name: webhook }));
      return found && new Map((found.webhooks ?? []).map(({ name, clientConfig }) => [name, Buffer.from(clientConfig.caBundle ?? '', 'base64').toString('utf8')]));
    },
    writeBundles: async (names, pem) => {
      const caBundle = Buffer.from(pem, 'utf8').toString('base64');
      const body = { webhooks: names.map((name) => ({ name, clientConfig: { caBundle } })) };
      // Strategic: webhooks are merged by name, so everything else that the chart wrote stays.
      await admission.patchMutatingWebhookConfiguration({ name: webhook, body }, setHeaderOptions('Content-Type', PatchStrategy.StrategicMergePatch));
    },
  };
}

async function unlessStatus<T>(status: number, answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiException && error.code === status) return undefined;
    throw error;
  }
}
