import { injectionFor, injectLabel, type InjectionConfig } from '#injector';
import { parseAllDocuments, type Document } from 'yaml';

export interface InjectedManifests {
  /** The same documents, comments and order kept. */
  readonly output: string;
  /** Why a Pod was left as it is. */
  readonly notes: readonly string[];
  readonly faults: readonly string[];
}

/** Where a kind has its Pod template. */
const templates: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  Deployment: ['spec', 'template'],
  ReplicaSet: ['spec', 'template'],
  ReplicationController: ['spec', 'template'],
  StatefulSet: ['spec', 'template'],
  DaemonSet: ['spec', 'template'],
  Job: ['spec', 'template'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
};

type Path = readonly (string | number)[];

interface Place {
  readonly title: string;
  readonly namespace: string;
  readonly path: Path;
  readonly pod: unknown;
}

/** Adds the sidecar to every Pod template of a stream of YAML documents. Who calls this asks for it: a namespace's label is not needed. */
export function injectManifests(text: string, defaultNamespace: string, config: InjectionConfig): InjectedManifests {
  const notes: string[] = [];
  const faults: string[] = [];
  const parsed = parseAllDocuments(text, { version: '1.1', logLevel: 'silent' });
  const documents = 'empty' in parsed ? [] : (parsed as Document.Parsed[]);
  for (const document of documents) {
    const broken = document.errors[0];
    if (broken !== undefined) {
      faults.push(`no YAML: ${broken.message}`);
      continue;
    }
    for (const { title, namespace, path, pod } of placesIn(document.toJS(), [], defaultNamespace)) {
      const injection = injectionFor(pod, { name: namespace, labels: { [injectLabel]: 'enabled' } }, config);
      if (injection.kind === 'refuse') faults.push(`${title}: ${injection.message}`);
      else if (injection.kind === 'skip') notes.push(`${title}: ${injection.reason}`);
      else for (const { path: pointer, value } of injection.operations) document.setIn([...path, ...pointer.slice(1).split('/')], document.createNode(value, { aliasDuplicateObjects: false }));
    }
  }
  // A document of comments alone has no content; kubectl needs none of it.
  const output = documents.filter((document) => document.contents !== null && document.errors.length === 0).map((document) => document.toString({ lineWidth: 0, directives: false }));
  return { output: output.map((one) => one.replace(/^---\n/, '')).join('---\n'), notes, faults };
}

interface Written {
  readonly kind?: unknown;
  readonly metadata?: { readonly name?: unknown; readonly namespace?: unknown };
  readonly items?: unknown;
}

function placesIn(object: unknown, path: Path, defaultNamespace: string): readonly Place[] {
  if (typeof object !== 'object' || object === null) return [];
  const { kind, metadata, items } = object as Written;
  if (typeof kind !== 'string') return [];
  if (kind.endsWith('List') && Array.isArray(items)) return items.flatMap((item, index) => placesIn(item, [...path, 'items', index], defaultNamespace));
  const steps = Object.hasOwn(templates, kind) ? templates[kind]! : undefined;
  if (steps === undefined) return [];
  const namespace = typeof metadata?.namespace === 'string' ? metadata.namespace : defaultNamespace;
  const pod = steps.reduce<unknown>((value, step) => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[step] : undefined), object);
  return [{ title: `${kind} ${namespace}/${String(metadata?.name)}`, namespace, path: [...path, ...steps], pod }];
}
