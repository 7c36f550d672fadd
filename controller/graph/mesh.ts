import type { Service } from '#crds';
import type { Pace, Steps } from '#snapshot';
import type { Attachment } from './routes/attachments.ts';

/** The routes of one Service port, by who they act on (GEP-1294). */
export interface PortRoutes {
  /** Routes of the Service's own namespace: for clients of all namespaces. */
  readonly producer: readonly Attachment[];
  /** By client namespace: routes of that namespace, which replace the producer's there. */
  readonly consumer: ReadonlyMap<string, readonly Attachment[]>;
}

/** The routes that are attached to Service ports, by `{namespace}/{service}:{port}`. */
export function* meshRoutes(attachments: Iterable<Attachment>, pace: Pace): Steps<ReadonlyMap<string, PortRoutes>> {
  const ports = new Map<string, { producer: Attachment[]; consumer: Map<string, Attachment[]> }>();
  for (const attachment of attachments) {
    if (pace.spend()) yield;
    if (attachment.to?.kind !== 'service') continue;
    const { service } = attachment.to;
    for (const port of attachment.to.ports) {
      const key = portKey(service, port);
      const routes = ports.get(key) ?? { producer: [], consumer: new Map<string, Attachment[]>() };
      ports.set(key, routes);
      const group = groupOf(attachment, service, routes);
      // Two parentRefs of one route may name the same port; its attachments come one after the other.
      if (group.at(-1)?.route !== attachment.route) group.push(attachment);
    }
  }
  return ports;
}

function groupOf({ route }: Attachment, service: Service, routes: { producer: Attachment[]; consumer: Map<string, Attachment[]> }): Attachment[] {
  const { namespace } = route.metadata;
  if (namespace === service.metadata.namespace) return routes.producer;
  const group = routes.consumer.get(namespace) ?? [];
  routes.consumer.set(namespace, group);
  return group;
}

export function portKey(service: Service, port: number): string {
  return `${service.metadata.namespace}/${service.metadata.name}:${port}`;
}
