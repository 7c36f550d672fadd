import { ApiError, fieldsOf, reasonOf, type KubeApi } from '#controller';
import { askControllers, type ControllerReport } from '../cluster/controllers.ts';
import type { Connection } from '../cluster/connect.ts';
import { listAll, objectOf, type AnyObject, type Selectors } from '../cluster/list.ts';

/** What checks look at. Each thing is asked for once, however many checks want it. */
export class Observer {
  /** Where Weft is, or is to be, installed. */
  readonly controlPlane: string;
  readonly #connection: Connection;
  readonly #now: () => number;
  readonly #seen = new Map<string, Promise<unknown>>();

  constructor(connection: Connection, { controlPlane, now }: { readonly controlPlane: string; now(): number }) {
    this.controlPlane = controlPlane;
    this.#connection = connection;
    this.#now = now;
  }

  get server(): string {
    return this.#connection.server;
  }

  /** Whether this runs in a Pod of the cluster that it looks at. */
  get isInside(): boolean {
    return this.#connection.inside;
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.#now();
  }

  /** The answer to GET, which must be 200. */
  fields(path: string): Promise<Readonly<Record<string, unknown>>> {
    return this.#once(path, async () => {
      const answer = await this.#api.send({ path });
      if (answer.status !== 200) throw new ApiError(path, answer);
      return fieldsOf(answer.body);
    });
  }

  /** Undefined where there is none. */
  find(path: string): Promise<AnyObject | undefined> {
    return this.#once(`find ${path}`, async () => {
      const answer = await this.#api.send({ path });
      if (answer.status === 404) return undefined;
      if (answer.status !== 200) throw new ApiError(path, answer);
      return objectOf(answer.body);
    });
  }

  /** Empty where the API server has no such kind. */
  list(path: string, selectors: Selectors = {}): Promise<readonly AnyObject[]> {
    return this.#once(`list ${path} ${JSON.stringify(selectors)}`, async () => {
      try {
        return await listAll(this.#api, path, selectors);
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return [];
        throw error;
      }
    });
  }

  controllers(): Promise<readonly ControllerReport[]> {
    return this.#once('controllers', () => askControllers(this.#connection, this.controlPlane));
  }

  /** Whether the caller may do this (`SelfSubjectAccessReview`). */
  async may(verb: string, resource: { readonly group: string; readonly resource: string; readonly subresource?: string; readonly namespace?: string }): Promise<boolean> {
    const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes: { verb, ...resource } } };
    const answer = await this.#api.send({ method: 'POST', path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', body });
    if (answer.status !== 201) throw new ApiError('SelfSubjectAccessReview', answer);
    return objectOf(answer.body).status['allowed'] === true;
  }

  /** What would become of the object, which is not made (`dryRun=All`), or why it is refused. */
  async tryCreate(path: string, body: object): Promise<AnyObject | string> {
    const answer = await this.#api.send({ method: 'POST', path, query: { dryRun: 'All' }, body, timeoutMs: 15_000 });
    if (answer.status === 403 && !/admission webhook|PodSecurity/.test(reasonOf(answer.body))) throw new ApiError(path, answer);
    return answer.status === 201 ? objectOf(answer.body) : `${answer.status} ${reasonOf(answer.body)}`;
  }

  get #api(): KubeApi {
    return this.#connection.api;
  }

  #once<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#seen.get(key) as Promise<T> | undefined;
    if (known !== undefined) return known;
    const asked = ask();
    this.#seen.set(key, asked);
    return asked;
  }
}
