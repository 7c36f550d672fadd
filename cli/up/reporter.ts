import { formatProblem, type Edit, type GatewayAddress, type Mesh, type MeshProblem, type SidecarAddress } from '#mesh';
import { hostPort } from '#snapshot';
import type { CliEnvironment } from '../environment.ts';
import { printable } from '../table.ts';

export interface ReporterOptions {
  readonly format: 'text' | 'json';
  readonly environment: Pick<CliEnvironment, 'out' | 'err' | 'now'>;
}

/** Faults for which something that was asked for is not served. */
const notServed: ReadonlySet<string> = new Set(['NotProgrammed', 'SidecarNotStarted', 'Internal']);

/** Tells on standard output and error what a mesh serves and what is wrong with it: at first all, then what changes. */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #startedAt: number;
  #problems: ReadonlyMap<string, MeshProblem> = new Map();
  #places: ReadonlyMap<string, string> = new Map();
  #ready = false;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#startedAt = options.environment.now();
  }

  /** Tells what differs from what was told before. */
  update(mesh: Mesh): void {
    const problems = new Map(mesh.problems().map((problem) => [formatProblem(problem), problem] as const));
    for (const [text, problem] of problems) if (!this.#problems.has(text)) this.#problem(text, problem);
    for (const [text, problem] of this.#problems) if (!problems.has(text)) this.#say('solved', `solved: ${text}`, { problem });
    this.#problems = problems;
    const places = placesOf(mesh);
    for (const [key, place] of places) if (this.#places.get(key) !== place) this.#say('serves', place, { what: key });
    for (const [key] of this.#places) if (!places.has(key)) this.#say('ended', `ended ${key}`, { what: key });
    this.#places = places;
    this.#sayReady(mesh);
  }

  /** Before there is a mesh to look at: what keeps it from being ready. */
  early(problems: readonly MeshProblem[]): void {
    const texts = new Map(problems.map((problem) => [formatProblem(problem), problem] as const));
    for (const [text, problem] of texts) if (!this.#problems.has(text)) this.#problem(text, problem);
    this.#problems = new Map([...this.#problems, ...texts]);
  }

  edit({ added, changed, removed, tookMs }: Edit): void {
    const parts = Object.entries({ added, changed, removed }).flatMap(([verb, objects]) => (objects.length === 0 ? [] : [`${verb} ${shortList(objects)}`]));
    this.#say('edit', `${parts.join(', ')}: in force after ${Math.round(tookMs)} ms`, { added, changed, removed, tookMs: Math.round(tookMs) });
  }

  /** A line that is neither a problem nor an address. */
  note(event: string, text: string): void {
    this.#say(event, text, {});
  }

  #sayReady(mesh: Mesh): void {
    if (this.#ready || [...this.#problems.values()].some(({ reason }) => notServed.has(reason))) return;
    this.#ready = true;
    const took = this.#options.environment.now() - this.#startedAt;
    const [gateways, sidecars] = [mesh.gateways().size, mesh.sidecars().size];
    const errors = [...this.#problems.values()].filter(({ severity }) => severity === 'error').length;
    const nothing = gateways + sidecars > 0 ? '' : '; nothing to serve: there is no Gateway of class weft with a listener, and no Pod with a sidecar';
    const suffix = `${nothing}${errors === 0 ? '' : `; ${count(errors, 'error')} above`}`;
    this.#say('ready', `ready after ${took} ms: ${count(gateways, 'gateway')}, ${count(sidecars, 'sidecar')}${suffix}`, { gateways, sidecars, errors, tookMs: took });
  }

  #problem(text: string, problem: MeshProblem): void {
    if (this.#options.format === 'json') this.#say('problem', text, { problem });
    else this.#options.environment.err(printable(`${text}\n`));
  }

  #say(event: string, text: string, fields: Readonly<Record<string, unknown>>): void {
    const { format, environment } = this.#options;
    environment.out(format === 'json' ? `${JSON.stringify({ event, ...fields, message: text })}\n` : printable(`${text}\n`));
  }
}

function placesOf(mesh: Mesh): ReadonlyMap<string, string> {
  const gateways = [...mesh.gateways()].flatMap(([key, gateway]) => gatewayPlaces(key, gateway));
  const sidecars = [...mesh.sidecars()].map(([key, sidecar]) => [`sidecar ${key}`, sidecarPlace(key, sidecar)] as const);
  return new Map([...gateways, ...sidecars]);
}

function gatewayPlaces(key: string, { address, ports }: GatewayAddress): readonly (readonly [string, string])[] {
  return ports.map(({ address: own, port, bound, listeners }) => [`gateway ${key}:${port}${own === address ? '' : ` at ${own}`}`, `gateway ${key} serves ${shortList(listeners)} at ${hostPort(own, bound)}`] as const);
}

function sidecarPlace(key: string, { address, port }: SidecarAddress): string {
  return `sidecar ${key} serves HTTP_PROXY=http://${hostPort(address, port)}`;
}

function shortList(items: readonly string[]): string {
  return items.length <= 4 ? items.join(', ') : `${items.slice(0, 3).join(', ')} and ${items.length - 3} more`;
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? '' : 's'}`;
}
