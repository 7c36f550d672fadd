import { mostSpecific, type Listener, type ListenerSection } from '#snapshot';
import { timeoutSettings, type TimeoutSettings } from '../retry/index.ts';

/** A section of a bound listener, with its policy read. */
export interface Section {
  readonly section: ListenerSection;
  readonly hostname: string;
  readonly timeouts: TimeoutSettings;
}

/** Sections of one socket, by the host that they are for. Replaced as a whole. */
export class Sections {
  readonly listener: Listener;
  /** Of connections of which no request is known yet: the section for all hosts, else the first. */
  readonly initial: Section | undefined;
  readonly #all: readonly Section[];
  readonly #exact: ReadonlyMap<string, Section>;
  readonly #wide: readonly Section[];

  constructor(listener: Listener) {
    this.listener = listener;
    this.#all = listener.sections.map(readSection);
    const exact = new Map<string, Section>();
    for (const section of this.#all) if (section.hostname !== '' && !section.hostname.startsWith('*.') && !exact.has(section.hostname)) exact.set(section.hostname, section);
    this.#exact = exact;
    this.#wide = this.#all.filter(({ hostname }) => hostname === '' || hostname.startsWith('*.'));
    this.initial = this.#all.find(({ hostname }) => hostname === '') ?? this.#all[0];
  }

  /** Gateway API, ListenerSpec.hostname: exact, then the longest wildcard, then the section for all hosts. */
  find(host: string): Section | undefined {
    return this.#exact.get(host) ?? (this.#wide.length === 0 ? undefined : mostSpecific(this.#wide, host));
  }

  get secure(): boolean {
    return this.#has('HTTPS');
  }

  /** What comes over the socket. `tls`: TLS of which the server name says who ends it, HTTPS among it. */
  get carries(): 'http' | 'https' | 'tcp' | 'tls' {
    if (this.#has('TLS')) return 'tls';
    if (this.secure) return 'https';
    return this.#has('TCP') ? 'tcp' : 'http';
  }

  #has(protocol: ListenerSection['protocol']): boolean {
    return this.#all.some(({ section }) => section.protocol === protocol);
  }
}

function readSection(section: ListenerSection): Section {
  return { section, hostname: section.hostname, timeouts: timeoutSettings(section.policy) };
}
