import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dialController, type ControllerAddress } from '#proxy';
import { keepConnected, Subscriber, type ProxyNode, type Resource } from '#snapshot';
import { kubectl } from './cluster.ts';

/** A proxy that is nothing but its stream to the controller. */
export interface BareProxy {
  readonly subscriber: Subscriber;
  readonly got: Resource[];
  close(): void;
}

export interface BareProxyOptions {
  readonly address: ControllerAddress;
  readonly token: string;
  /** What it says of itself. */
  readonly node: ProxyNode;
  /** Why it refuses a resource, if so. */
  check?(resource: Resource): string | undefined;
}

export function bareProxy({ address, token, node, check = () => undefined }: BareProxyOptions): BareProxy {
  const got: Resource[] = [];
  const tokenFile = written(token);
  const now = (): number => performance.now();
  const subscriber = new Subscriber({ node, now, check, apply: ({ resources }) => void got.push(...resources) });
  const link = keepConnected(subscriber, {
    dial: () => dialController({ ...address, tokenFile }, { now }),
    random: Math.random,
    after: (milliseconds, turn) => {
      const timer = setTimeout(turn, milliseconds);
      return () => clearTimeout(timer);
    },
  });
  return { subscriber, got, close: () => link.close() };
}

/** A token that is bound to a Pod. */
export function tokenFor(namespace: string, pod: string, audience = 'weft-mesh.io'): string {
  return kubectl(['create', 'token', 'default', '-n', namespace, `--audience=${audience}`, '--bound-object-kind=Pod', `--bound-object-name=${pod}`]).trim();
}

/** A file with this text. */
export function written(text: string): string {
  const file = join(mkdtempSync(join(tmpdir(), 'weft-file-')), 'file');
  writeFileSync(file, text);
  return file;
}
