import { inTurns, Pace, type Steps } from '#snapshot';
import { backoff, pause } from '../../kube/backoff.ts';
import { fieldsOf, reasonOf, type ApiAnswer, type KubeApi } from '../../kube/types.ts';
import { fieldManager } from '../../names.ts';
import { isStatusOurs, pathOf, type LiveObject } from '../../source/kube/index.ts';
import { createSlot } from '../../memo.ts';
import type { ObjectStatus } from '../../types.ts';
import { mergeStatus, retraction, type Fields } from './merge.ts';
import { Bucket } from './bucket.ts';

export interface StatusWriterEnvironment {
  readonly api: KubeApi;
  /** All objects that could have a status of ours. */
  live(): Iterable<LiveObject>;
  /** Milliseconds since 1970. */
  now(): number;
  random(): number;
  /** Each answer of the API server, for metrics. */
  answered?(status: number): void;
  failed(message: string): void;
  readonly signal: AbortSignal;
}

export interface StatusWriter {
  /** These are the statuses from now on. */
  want(statuses: readonly ObjectStatus[]): void;
  /** An object or its status changed on the API server. */
  review(): void;
  /** Begins to write; to be called by the leader only. */
  start(): void;
  /** Ends at once; a write under way is given up. */
  stop(): void;
  /** Nothing is left to write. */
  settled(): boolean;
}

/** Writes in flight at once. */
const concurrency = 4;
/** Writes a second, and how many may be saved up. */
const rate = { perSecond: 50, burst: 100 } as const;
/** Compared in one step; some of them field by field. */
const objectsAtOnce = 50;
const retry = { base: 200, max: 30_000 } as const;

/** Keeps the statuses on the API server as they should be: what differs is written, each object by one request, and nothing else. */
export function createStatusWriter(env: StatusWriterEnvironment): StatusWriter {
  return new Writer(env);
}

interface Written {
  /** The version that was written on; a watch that still shows it lags behind. */
  readonly basedOn: string;
  readonly resourceVersion: string;
  readonly status: Fields;
  readonly statusIsOurs: boolean;
}

interface Change {
  readonly object: LiveObject;
  readonly resourceVersion: string;
  /** Of what is wanted. */
  readonly text: string;
  readonly patch: Fields;
}

const texts = createSlot<ObjectStatus, string>();

/** Made once: a translation gives the same object while the status stays. */
function textOf(wanted: ObjectStatus | undefined): string {
  if (wanted === undefined) return '';
  const text = texts.find(wanted) ?? `${wanted.uid ?? ''} ${JSON.stringify(wanted.status)}`;
  texts.keep(wanted, text);
  return text;
}

class Writer implements StatusWriter {
  readonly #env: StatusWriterEnvironment;
  readonly #bucket: Bucket;
  readonly #written = new Map<string, Written>();
  /** Live objects found to say what the text wants; so that a review costs nothing where nothing changed. */
  readonly #clean = new WeakMap<LiveObject, string>();
  /** By key: what the API server refused for good, and of which version. */
  readonly #refused = new Map<string, string>();
  /** By key: failures in a row. */
  readonly #failures = new Map<string, number>();
  readonly #queue = new Set<string>();
  readonly #busy = new Set<string>();
  /** What failed waits here for its next try, in nobody's way, and in no haste for what changes meanwhile. */
  readonly #resting = new Set<string>();
  #wanted: ReadonlyMap<string, ObjectStatus> = new Map();
  #objects: ReadonlyMap<string, LiveObject> = new Map();
  #known = false;
  #term: AbortController | undefined;
  #comparing = false;
  /** Something has changed since the last comparison began. */
  #stale = false;

  constructor(env: StatusWriterEnvironment) {
    this.#env = env;
    this.#bucket = new Bucket(rate, () => env.now());
    env.signal.addEventListener('abort', () => this.stop(), { once: true });
  }

  want(statuses: readonly ObjectStatus[]): void {
    this.#wanted = new Map(statuses.map((each) => [keyOf(each), each]));
    this.#known = true;
    this.review();
  }

  review(): void {
    if (this.#term === undefined) return;
    this.#stale = true;
    if (this.#comparing) return;
    this.#comparing = true;
    const failed = (error: unknown): void => {
      this.#comparing = false;
      this.#env.failed(`statuses could not be compared: ${String(error)}`);
    };
    setImmediate(() => inTurns(this.#compareAll(), { failed }));
  }

  start(): void {
    if (this.#term !== undefined || this.#env.signal.aborted) return;
    this.#term = new AbortController();
    this.#written.clear();
    this.#refused.clear();
    this.#failures.clear();
    this.review();
  }

  stop(): void {
    this.#term?.abort();
    this.#term = undefined;
    this.#queue.clear();
    this.#resting.clear();
  }

  settled(): boolean {
    return !this.#comparing && this.#queue.size === 0 && this.#busy.size === 0 && this.#resting.size === 0;
  }

  /** Until nothing has changed while it was looked at. */
  *#compareAll(): Steps<void> {
    while (this.#stale) {
      this.#stale = false;
      yield* this.#compare();
    }
    this.#comparing = false;
  }

  *#compare(): Steps<void> {
    // Before the first translation nothing is known to be wrong.
    if (this.#term === undefined || !this.#known) return;
    const pace = new Pace(objectsAtOnce);
    this.#objects = new Map([...this.#env.live()].map((object) => [keyOf(object), object]));
    for (const [key, object] of this.#objects) {
      if (pace.spend()) yield;
      const wanted = this.#wanted.get(key);
      const text = textOf(wanted);
      if (this.#clean.get(object) === text) continue;
      if (this.#change(key) === undefined) this.#clean.set(object, text);
      else if (!this.#resting.has(key)) this.#queue.add(key);
    }
    for (const known of [this.#written, this.#refused, this.#failures]) for (const key of known.keys()) if (!this.#objects.has(key)) known.delete(key);
    this.#pump();
  }

  /** What has to be written of the object, against the newest that is known of it. */
  #change(key: string): Change | undefined {
    const object = this.#objects.get(key);
    const wanted = this.#wanted.get(key);
    // What was found out about an object is not said of the one that was made under its name since.
    if (object === undefined || (wanted?.uid !== undefined && wanted.uid !== object.uid)) return undefined;
    const written = this.#written.get(key);
    const lags = written?.basedOn === object.resourceVersion;
    if (written !== undefined && !lags) this.#written.delete(key);
    const { status, resourceVersion, statusIsOurs } = lags ? written : object;
    const draft = wanted?.status ?? retraction({ ...object, status, statusIsOurs });
    const patch = draft === undefined ? undefined : mergeStatus(status, draft, timeOf(this.#env.now()));
    const text = textOf(wanted);
    if (patch === undefined || this.#refused.get(key) === `${resourceVersion} ${text}`) return undefined;
    return { object, resourceVersion, text, patch };
  }

  #pump(): void {
    const term = this.#term;
    if (term === undefined) return;
    for (const key of this.#queue) {
      if (this.#busy.size >= concurrency) return;
      if (this.#busy.has(key)) continue;
      this.#queue.delete(key);
      this.#busy.add(key);
      void this.#write(key, term.signal).finally(() => {
        this.#busy.delete(key);
        this.#pump();
      });
    }
  }

  async #write(key: string, signal: AbortSignal): Promise<void> {
    await pause(this.#bucket.take(), signal);
    const change = this.#change(key);
    if (change === undefined || signal.aborted) return;
    const { object, resourceVersion, patch } = change;
    const path = `${pathOf(object.location, object)}/status`;
    const body = { metadata: { resourceVersion }, status: patch };
    let answer: ApiAnswer;
    try {
      answer = await this.#env.api.send({ method: 'PATCH', path, query: { fieldManager }, contentType: 'application/merge-patch+json', body, signal });
    } catch (error) {
      return this.#again(key, `${path}: ${error instanceof Error ? error.message : String(error)}`, signal);
    }
    this.#env.answered?.(answer.status);
    if (signal.aborted) return;
    await this.#take(key, change, answer, signal);
  }

  async #take(key: string, change: Change, answer: ApiAnswer, signal: AbortSignal): Promise<void> {
    const { object, resourceVersion } = change;
    const path = pathOf(object.location, object);
    switch (answer.status) {
      case 200:
        this.#failures.delete(key);
        this.#remember(key, object, answer.body);
        return this.#checkKept(key, change, fieldsOf(fieldsOf(answer.body)['metadata'])['resourceVersion']);
      case 404:
        // Gone, as a rule: the watch will say so.
        return this.#rest(key, signal);
      case 409:
        return this.#refresh(key, object, signal);
      case 400:
      case 413:
      case 422:
        // Another try could only end the same way.
        this.#refused.set(key, `${resourceVersion} ${change.text}`);
        return this.#env.failed(`the status of ${path} is refused: ${answer.status} ${reasonOf(answer.body)}`);
      default:
        return this.#again(key, `${path}: ${answer.status} ${reasonOf(answer.body)}`, signal, answer.retryAfterMs);
    }
  }

  /** Where the server takes a status and leaves out some of it (its CRD is an older one), another try could only end the same way. */
  #checkKept(key: string, { object, text }: Change, answered: unknown): void {
    const left = this.#change(key);
    // What is wanted, or what there is, may be another by now.
    if (left?.text !== text || left.resourceVersion !== answered) return;
    this.#queue.delete(key);
    this.#refused.set(key, `${left.resourceVersion} ${text}`);
    this.#env.failed(`the API server does not keep all of the status of ${pathOf(object.location, object)}: not as written are ${Object.keys(left.patch).join(', ')}`);
  }

  #remember(key: string, object: LiveObject, body: unknown): void {
    const { metadata, status } = fieldsOf(body);
    const { resourceVersion, uid = object.uid, managedFields } = fieldsOf(metadata);
    // One of another uid the watch will bring, and what is to be said of it the next translation.
    if (typeof resourceVersion !== 'string' || uid !== object.uid) return;
    this.#written.set(key, { basedOn: object.resourceVersion, resourceVersion, status: fieldsOf(status), statusIsOurs: isStatusOurs(object.kind, managedFields) });
    // A newer draft may have come meanwhile.
    if (this.#change(key) !== undefined) this.#queue.add(key);
  }

  /** Somebody else has written: reads what there is now and tries again. */
  async #refresh(key: string, object: LiveObject, signal: AbortSignal): Promise<void> {
    try {
      const answer = await this.#env.api.send({ path: pathOf(object.location, object), signal });
      if (answer.status === 200) this.#remember(key, object, answer.body);
      else if (answer.status !== 404) this.#again(key, `${object.kind} ${key}: ${answer.status}`, signal, answer.retryAfterMs);
    } catch (error) {
      this.#again(key, error instanceof Error ? error.message : String(error), signal);
    }
  }

  #again(key: string, reason: string, signal: AbortSignal, askedMs = 0): void {
    if (signal.aborted) return;
    this.#env.failed(`a status could not be written: ${reason}`);
    this.#rest(key, signal, askedMs);
  }

  #rest(key: string, signal: AbortSignal, askedMs = 0): void {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    this.#queue.delete(key);
    this.#resting.add(key);
    void pause(Math.min(askedMs, retry.max) + backoff(failures, retry, () => this.#env.random()), signal).then(() => {
      if (signal.aborted) return;
      this.#resting.delete(key);
      this.#queue.add(key);
      this.#pump();
    });
  }
}

function keyOf({ kind, namespace, name, apiVersion }: Omit<ObjectStatus, 'status'>): string {
  return `${apiVersion.split('/', 1)[0]} ${kind} ${namespace}/${name}`;
}

/** RFC 3339 in whole seconds, as Kubernetes writes it. */
function timeOf(now: number): string {
  return `${new Date(now).toISOString().slice(0, 19)}Z`;
}
