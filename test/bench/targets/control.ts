import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Publisher, runSteps, type Resource, type ResourceKind } from '#snapshot';
import { publish } from '../../../controller/push/view.ts';
import { createAuthority, issueServing, serveStream } from '../../../controller/serve/index.ts';

/** The stream of a controller, without one: gateways get the resources that they were given here. */
export interface Control {
  readonly port: number;
  readonly authorityFile: string;
  /** Replaces what the gateway with this token sees. */
  set(token: string, resources: readonly Resource[]): void;
  /** The gateway has taken all that it should have, and refused nothing. A text says what it refused. */
  settled(token: string): 'no' | 'yes' | { readonly refused: string };
  forget(token: string): void;
  close(): Promise<void>;
}

interface Seat {
  byKind: ReadonlyMap<ResourceKind, ReadonlyMap<string, Resource>>;
  publisher: Publisher | undefined;
}

export const serverName = 'localhost';
const kinds: readonly ResourceKind[] = ['Listener', 'RouteTable', 'Backend', 'Endpoints', 'Certificate'];

export async function serveControl(folder: string): Promise<Control> {
  const seats = new Map<string, Seat>();
  const authority = await createAuthority(Date.now());
  const authorityFile = join(folder, 'control.crt');
  writeFileSync(authorityFile, authority.bundle);
  const server = await serveStream({
    address: '127.0.0.1',
    port: 0,
    certificate: await issueServing(authority, [serverName], Date.now()),
    admit: async (token) => (seats.has(token) ? { ok: true, node: { id: token, role: 'gateway', namespace: 'bench', name: token } } : { ok: false, reason: 'unknown' }),
    accept: (channel, node) => {
      const seat = seats.get(node.id)!;
      const publisher = new Publisher({
        send: (message) => channel.send(message),
        open: () => ({
          own: (kind) => [...(seat.byKind.get(kind)?.keys() ?? [])],
          find: (kind, name) => {
            const resource = seat.byKind.get(kind)?.get(name);
            return resource === undefined ? undefined : publish(resource);
          },
        }),
      });
      seat.publisher = publisher;
      channel.onMessage((message) => {
        const fault = runSteps(publisher.receive(message));
        if (fault !== undefined) channel.close();
      });
    },
    refused: (reason) => console.error(reason),
    now: () => performance.now(),
    random: Math.random,
  });
  return {
    port: server.port,
    authorityFile,
    set: (token, resources) => {
      const byKind = new Map([...Map.groupBy(resources, ({ kind }) => kind)].map(([kind, all]) => [kind, new Map(all.map((one) => [one.name, one]))] as const));
      const seat = seats.get(token) ?? { byKind, publisher: undefined };
      seat.byKind = byKind;
      seats.set(token, seat);
      if (seat.publisher !== undefined) runSteps(seat.publisher.refresh());
    },
    settled: (token) => settledOf(seats.get(token)),
    forget: (token) => void seats.delete(token),
    close: () => server.close(),
  };
}

function settledOf(seat: Seat | undefined): ReturnType<Control['settled']> {
  const publisher = seat?.publisher;
  if (publisher === undefined) return 'no';
  const refused = kinds.flatMap((kind) => [...(publisher.rejected(kind) ?? [])].map(([name, reason]) => `${kind} ${name}: ${reason}`));
  if (refused.length > 0) return { refused: refused.join('; ') };
  const followed = kinds.every((kind) => {
    const { settled, wanted, acked } = publisher.progress(kind);
    return settled && [...wanted].every(([name, version]) => acked.get(name) === version);
  });
  return followed && publisher.progress('Listener').wanted.size > 0 ? 'yes' : 'no';
}
