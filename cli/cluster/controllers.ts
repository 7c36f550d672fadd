import { ApiError, fieldsOf, gatewayLabel, type ProxyReport } from '#controller';
import { messageOf, type Connection } from './connect.ts';
import { getFromPod } from './forward.ts';

/** What one replica of the controller says of itself and its proxies; `fault` where it could not be asked. */
export interface ControllerReport {
  readonly pod: string;
  readonly leads: boolean;
  readonly proxies: readonly ProxyReport[];
  readonly fault?: string;
}

/** The id that the proxy of a Pod has (controller/serve/identity.ts). */
export function proxyId({ namespace, name, labels }: { readonly namespace: string; readonly name: string; readonly labels: Readonly<Record<string, string>> }): string {
  const gateway = labels[gatewayLabel];
  return gateway === undefined ? `sidecar/${namespace}/${name}` : `gateway/${namespace}/${gateway}/${name}`;
}

const adminPort = 15_015;

/** Asks every running replica. Rejects where their Pods can't be listed. */
export async function askControllers(connection: Connection, namespace: string): Promise<readonly ControllerReport[]> {
  const query = { labelSelector: 'app.kubernetes.io/name=weft,app.kubernetes.io/component=controller', fieldSelector: 'status.phase=Running' };
  const answer = await connection.api.send({ path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`, query });
  if (answer.status !== 200) throw new ApiError(`Pods of ${namespace}`, answer);
  const { items } = fieldsOf(answer.body);
  const pods = (Array.isArray(items) ? items : []).map((item) => fieldsOf(fieldsOf(item)['metadata'])).filter(({ deletionTimestamp }) => deletionTimestamp === undefined);
  return Promise.all(pods.map(({ name }) => ask(connection, namespace, String(name))));
}

async function ask(connection: Connection, namespace: string, pod: string): Promise<ControllerReport> {
  try {
    const { leads, proxies } = fieldsOf(await getFromPod(connection, { namespace, pod, port: adminPort }, '/proxies'));
    return { pod, leads: leads === true, proxies: Array.isArray(proxies) ? (proxies as ProxyReport[]) : [] };
  } catch (error) {
    return { pod, leads: false, proxies: [], fault: messageOf(error) };
  }
}
