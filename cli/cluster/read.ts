import { knownKinds, readCluster, reasonOf, type ClusterReading } from '#controller';
import { UsageError } from '../explain/place.ts';
import { messageOf, type Connection } from './connect.ts';

/** Reading a cluster takes as long as its API server needs; it must end some time all the same. Milliseconds. */
const limitMs = 120_000;

/** What a cluster holds. Throws UsageError where it can't be reached, or does not let a whole kind be read. */
export async function readState(connection: Connection): Promise<ClusterReading> {
  await reach(connection);
  const reading = await readCluster({ api: connection.api, registry: knownKinds, signal: AbortSignal.timeout(limitMs) });
  const kinds = reading.unread.filter(({ what }) => !what.includes('/'));
  if (kinds.length > 0) throw new UsageError(`not everything can be read, so no answer would be sure:\n${kinds.map(({ what, reason }) => `      ${what}: ${reason}`).join('\n')}`);
  return reading;
}

/** Throws UsageError where the API server gives no answer, or does not know who asks. */
export async function reach({ api, server }: Connection): Promise<void> {
  let fault: string | undefined;
  try {
    const answer = await api.send({ path: '/version', timeoutMs: 10_000 });
    if (answer.status === 401) fault = `401 ${reasonOf(answer.body)}`;
  } catch (error) {
    fault = messageOf(error);
  }
  if (fault !== undefined) throw new UsageError(`the API server ${server} can't be asked: ${fault}`);
}
