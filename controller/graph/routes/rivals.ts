import { objectKey } from '#crds';
import { sortInSteps, type Pace, type Steps } from '#snapshot';
import { byAge } from '../../cluster.ts';
import type { Fault } from '../../problems.ts';
import { sectionOf, type ListenerFacts } from '../listeners/listeners.ts';
import { covering } from '../listeners/overlaps.ts';
import { portKey } from '../mesh.ts';
import { refused, type AttachedSection, type Attachment, type RouteAttachments } from './attachments.ts';
import { routeKinds, withArticle, type AnyRoute } from './route.ts';

/**
 * Settles where routes of different kinds want the same requests, which are never merged: on a listener the older of an HTTPRoute and a
 * GRPCRoute stays (GRPCRouteSpec.hostnames), on a Service port the most specific kind (GEP-1294, Route Types). Routes that lose nothing are
 * the same objects as before.
 */
export function* settleRivals(routes: readonly RouteAttachments[], pace: Pace): Steps<readonly RouteAttachments[]> {
  const all: Attachment[] = [];
  let onlyHttp = true;
  for (const { route, attachments } of routes) {
    onlyHttp &&= route.kind === 'HTTPRoute' || attachments.every(({ to }) => to === undefined);
    all.push(...attachments);
    if (pace.spend()) yield;
  }
  if (onlyHttp) return routes;
  const losses = new Losses();
  yield* onListeners(all, losses, pace);
  yield* onServices(all, losses, pace);
  if (losses.empty) return routes;
  const settled: RouteAttachments[] = [];
  for (const each of routes) {
    const attachments = each.attachments.map((attachment) => losses.applyTo(attachment));
    settled.push(attachments.every((attachment, index) => attachment === each.attachments[index]) ? each : { ...each, attachments });
    if (pace.spend()) yield;
  }
  return settled;
}

/** What attachments have to give up. */
class Losses {
  readonly #sections = new Map<Attachment, Map<AttachedSection, string>>();
  readonly #ports = new Map<Attachment, Map<number, string>>();

  get empty(): boolean {
    return this.#sections.size === 0 && this.#ports.size === 0;
  }

  section(attachment: Attachment, section: AttachedSection, why: string): void {
    this.#sections.set(attachment, (this.#sections.get(attachment) ?? new Map<AttachedSection, string>()).set(section, why));
  }

  port(attachment: Attachment, port: number, why: string): void {
    this.#ports.set(attachment, (this.#ports.get(attachment) ?? new Map<number, string>()).set(port, why));
  }

  applyTo(attachment: Attachment): Attachment {
    const { to } = attachment;
    const lost = to?.kind === 'gateway' ? this.#sections.get(attachment) : this.#ports.get(attachment);
    if (to === undefined || lost === undefined) return attachment;
    const fault: Fault = { reason: 'Conflicted', path: ['spec', 'parentRefs', attachment.index], message: [...lost.values()].join('; ') };
    if (to.kind === 'gateway') {
      const sections = to.sections.filter((section) => !(lost as ReadonlyMap<AttachedSection, string>).has(section));
      return sections.length === 0 ? refused(attachment, fault) : { ...attachment, to: { ...to, sections }, warnings: [...attachment.warnings, fault] };
    }
    const ports = to.ports.filter((port) => !(lost as ReadonlyMap<number, string>).has(port));
    return ports.length === 0 ? refused(attachment, fault) : { ...attachment, to: { ...to, ports }, warnings: [...attachment.warnings, fault] };
  }
}

interface OnListener {
  readonly attachment: Attachment;
  readonly section: AttachedSection;
}

function* onListeners(all: readonly Attachment[], losses: Losses, pace: Pace): Steps<void> {
  const byListener = new Map<ListenerFacts, OnListener[]>();
  for (const attachment of all) {
    if (pace.spend()) yield;
    if (attachment.to?.kind !== 'gateway') continue;
    for (const section of attachment.to.sections) {
      const group = byListener.get(section.listener);
      if (group === undefined) byListener.set(section.listener, [{ attachment, section }]);
      else group.push({ attachment, section });
    }
  }
  for (const [listener, group] of byListener) {
    const kinds = new Set(group.map(({ attachment }) => attachment.route.kind));
    if (kinds.has('HTTPRoute') && kinds.has('GRPCRoute')) yield* settleListener(listener, group, { losses, pace });
  }
}

/** The oldest first; each stays unless one of the other kind that has stayed takes hosts of it. */
function* settleListener(listener: ListenerFacts, group: readonly OnListener[], { losses, pace }: { readonly losses: Losses; readonly pace: Pace }): Steps<void> {
  const holders = new Map<string, Hosts>();
  for (const { attachment, section } of yield* sortInSteps(group, (a, b) => compareRoutes(a.attachment.route, b.attachment.route), pace)) {
    if (pace.spend()) yield;
    const { route } = attachment;
    const names = section.hostnames.length === 0 ? [''] : section.hostnames.map(({ match }) => match);
    const rival = [...holders].flatMap(([kind, hosts]) => (kind === route.kind ? [] : [hosts.meeting(names)])).find((found) => found !== undefined);
    if (rival !== undefined) {
      losses.section(attachment, section, `${tell(route, rival)} serves hosts of this route on listener ${sectionOf(listener)} and comes first; HTTPRoutes and GRPCRoutes of one host are not merged`);
      continue;
    }
    const own = holders.get(route.kind) ?? new Hosts();
    holders.set(route.kind, own.add(names, route));
  }
}

/** The oldest, then by `{namespace}/{name}`; what is left is settled by kind. */
function compareRoutes(a: AnyRoute, b: AnyRoute): number {
  return byAge(a, b) || routeKinds.indexOf(a.kind) - routeKinds.indexOf(b.kind);
}

/** Who has which hosts. */
class Hosts {
  readonly #exact = new Map<string, AnyRoute>();
  /** By a name, who has one that it covers. */
  readonly #covered = new Map<string, AnyRoute>();

  add(names: readonly string[], route: AnyRoute): this {
    for (const name of names) {
      if (!this.#exact.has(name)) this.#exact.set(name, route);
      for (const wide of covering(name)) if (!this.#covered.has(wide)) this.#covered.set(wide, route);
    }
    return this;
  }

  meeting(names: readonly string[]): AnyRoute | undefined {
    for (const name of names) {
      for (const found of [this.#covered.get(name), ...covering(name).map((wide) => this.#exact.get(wide))]) if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** Routes of the Service's namespace and those of each client namespace are sets of their own, which never meet (GEP-1294). */
function* onServices(all: readonly Attachment[], losses: Losses, pace: Pace): Steps<void> {
  const sets = new Map<string, { readonly port: number; readonly attachments: Attachment[] }>();
  for (const attachment of all) {
    if (pace.spend()) yield;
    if (attachment.to?.kind !== 'service') continue;
    for (const port of attachment.to.ports) {
      const key = `${portKey(attachment.to.service, port)} ${attachment.route.metadata.namespace}`;
      const set = sets.get(key);
      if (set === undefined) sets.set(key, { port, attachments: [attachment] });
      else set.attachments.push(attachment);
    }
  }
  for (const { port, attachments } of sets.values()) {
    const winner = attachments.reduce((best, each) => (rank(each) < rank(best) ? each : best)).route;
    for (const attachment of attachments) {
      if (pace.spend()) yield;
      const { route } = attachment;
      if (route.kind === winner.kind) continue;
      losses.port(attachment, port, `${tell(route, winner)} is attached to port ${port} too; of the kinds of routes on one port only the most specific counts, and ${winner.kind} is more so than ${route.kind}`);
    }
  }
}

function rank({ route }: Attachment): number {
  return routeKinds.indexOf(route.kind);
}

/** The other route, by no more than the reader may know: who may not read a namespace should not learn from it what is there. */
function tell(reader: AnyRoute, other: AnyRoute): string {
  if (reader.metadata.namespace !== other.metadata.namespace) return `${withArticle(other.kind)} of another namespace`;
  return `${other.kind} ${objectKey(other)}`;
}
