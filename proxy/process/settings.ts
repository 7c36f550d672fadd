import { isIP } from 'node:net';
import { familyOf, normalAddress } from '#snapshot';
import { socketModes, type SocketMode } from '../sockets/index.ts';

/** How a proxy's process was told to run: by its container's environment, which injector and gateway template write. */
export interface ProcessSettings {
  readonly namespace: string;
  readonly pod: string;
  /** Of the Pod, one per family, as `normalAddress` has them. */
  readonly podAddresses: readonly string[];
  readonly controller: { readonly host: string; readonly port: number };
  readonly tokenFile: string;
  readonly authorityFile: string;
  /** A folder that outlives the process; absent: nothing is kept. */
  readonly stateFolder?: string;
  readonly adminPort: number;
  /** Of the processes that share this proxy's ports: how many there are, and which one this is; 0 is the one that started the others. */
  readonly workers: { readonly count: number; readonly index: number };
  readonly logLevel: LogLevel;
  /** How sockets are read and written, where that can be. */
  readonly socketIO: SocketMode;
  /** How long what is in flight may take to end. Milliseconds. */
  readonly drainMs: number;
  readonly collector?: string;
  /** Share of traces that begin here, 0 to 1. */
  readonly traceSample: number;
}

export const logLevels = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

export type Variables = Readonly<Record<string, string | undefined>>;

/** Reads variables; every fault is noted, with the variable's name and what would be right. */
export class VariableReader {
  readonly faults: string[] = [];
  readonly #variables: Variables;

  constructor(variables: Variables) {
    this.#variables = variables;
  }

  /** Empty counts as absent. */
  optional(name: string): string | undefined {
    const value = this.#variables[name];
    return value === undefined || value === '' ? undefined : value;
  }

  text(name: string, otherwise?: string): string {
    const value = this.optional(name) ?? otherwise;
    if (value === undefined) this.faults.push(`${name} must be set`);
    return value ?? '';
  }

  number(name: string, range: { readonly least: number; readonly most: number; readonly otherwise: number }): number {
    const value = this.optional(name);
    if (value === undefined) return range.otherwise;
    const number = /^[0-9]{1,7}(\.[0-9]{1,6})?$/.test(value) ? Number(value) : NaN;
    if (number >= range.least && number <= range.most) return number;
    this.faults.push(`${name} must be a number from ${range.least} to ${range.most}, not ${JSON.stringify(value.slice(0, 64))}`);
    return range.otherwise;
  }

  port(name: string, otherwise: number): number {
    const number = this.number(name, { least: 0, most: 65_535, otherwise });
    if (!Number.isInteger(number)) this.faults.push(`${name} must be a whole number`);
    return number;
  }

  oneOf<Word extends string>(name: string, words: readonly Word[], otherwise: Word): Word {
    const value = this.optional(name);
    const word = words.find((one) => one === (value ?? otherwise));
    if (word === undefined) this.faults.push(`${name} must be one of ${words.join(', ')}, not ${JSON.stringify(value?.slice(0, 64))}`);
    return word ?? otherwise;
  }
}

/** What sidecars and gateways have in common. Faults are noted in the reader. */
export function readProcessSettings(reader: VariableReader): ProcessSettings {
  const stateFolder = reader.optional('WEFT_STATE_DIR');
  const collector = reader.optional('OTEL_EXPORTER_OTLP_ENDPOINT');
  return {
    namespace: reader.text('POD_NAMESPACE'),
    pod: reader.text('POD_NAME'),
    podAddresses: readAddresses(reader),
    controller: readController(reader),
    tokenFile: reader.text('WEFT_TOKEN_FILE', '/var/run/secrets/weft-mesh.io/token'),
    authorityFile: reader.text('WEFT_CA_FILE', '/var/run/config/weft-mesh.io/ca.crt'),
    ...(stateFolder === undefined ? {} : { stateFolder }),
    adminPort: reader.port('WEFT_ADMIN_PORT', 15_020),
    workers: { count: 1, index: 0 },
    logLevel: reader.oneOf('WEFT_LOG_LEVEL', logLevels, 'info'),
    socketIO: reader.oneOf('WEFT_SOCKET_IO', socketModes, 'public'),
    drainMs: reader.number('WEFT_DRAIN_SECONDS', { least: 0, most: 86_400, otherwise: 30 }) * 1000,
    ...(collector === undefined ? {} : { collector }),
    traceSample: reader.number('WEFT_TRACE_SAMPLE', { least: 0, most: 1, otherwise: 1 }),
  };
}

/** Where a socket for all of the Pod's addresses is bound: that for IPv6 takes IPv4 as well (libuv sets IPV6_V6ONLY to 0 whatever the machine's default is). */
export function anyAddress({ podAddresses }: Pick<ProcessSettings, 'podAddresses'>): string {
  return podAddresses.some((address) => familyOf(address) === 'IPv6') ? '::' : '0.0.0.0';
}

/** Of proxies that may be several processes. `WEFT_WORKER` is set by the process that starts the others. */
export function readWorkers(reader: VariableReader): ProcessSettings['workers'] {
  const whole = (name: string, range: { readonly least: number; readonly most: number; readonly otherwise: number }): number => {
    const number = reader.number(name, range);
    if (!Number.isInteger(number)) reader.faults.push(`${name} must be a whole number`);
    return number;
  };
  const count = whole('WEFT_WORKERS', { least: 1, most: 64, otherwise: 1 });
  return { count, index: whole('WEFT_WORKER', { least: 0, most: count - 1, otherwise: 0 }) };
}

function readAddresses(reader: VariableReader): readonly string[] {
  const name = reader.optional('POD_IPS') === undefined ? 'POD_IP' : 'POD_IPS';
  const addresses = reader.text(name).split(',').map((address) => address.trim()).filter((address) => address !== '');
  for (const address of addresses) if (isIP(address) === 0) reader.faults.push(`${name}: ${JSON.stringify(address.slice(0, 64))} is no IP address`);
  return addresses.map(normalAddress);
}

/** By name, for its certificate has names and no addresses. */
function readController(reader: VariableReader): ProcessSettings['controller'] {
  const text = reader.text('WEFT_CONTROLLER');
  const match = /^([A-Za-z0-9.-]{1,253}):([0-9]{1,5})$/.exec(text);
  const [host = '', port] = [match?.[1], Number(match?.[2])];
  if (isIP(host) === 0 && port >= 1 && port <= 65_535) return { host, port };
  if (text !== '') reader.faults.push(`WEFT_CONTROLLER must be name:port, not ${JSON.stringify(text.slice(0, 64))}`);
  return { host: '', port: 0 };
}
