import { fork, type ChildProcess } from 'node:child_process';
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import type { AdminServer, AdminState } from '#proxy';
import type { FromWorker, ToWorker, WorkerProcess } from './workers.ts';

/** Starts this program again as a worker. `variables`: all of its environment. One that can't be started has ended, and says why. */
export function forkWorker(program: string, variables: Readonly<Record<string, string | undefined>>): WorkerProcess {
  let child: ChildProcess;
  const outputs = [1, 2].map(openAnew);
  try {
    child = fork(program, [], { env: { ...variables }, stdio: ['ignore', ...outputs, 'ipc'] });
  } catch (error) {
    // Node tells want of processes or descriptors by an event, and throws for want of memory.
    return neverStarted(error instanceof Error ? error.message : String(error));
  } finally {
    for (const output of outputs) if (output !== 'inherit') closeSync(output);
  }
  let isOver = false;
  const exits: ((how: string) => void)[] = [];
  const over = (how: string): void => {
    if (isOver) return;
    isOver = true;
    for (const exit of exits) exit(how);
  };
  child.on('exit', (code, signal) => over(signal ?? `code ${code}`));
  // It could not be started, or no longer be written to.
  child.on('error', (error) => {
    if (child.pid === undefined) over(error.message);
  });
  return {
    pid: child.pid,
    send: (message) => {
      if (child.connected) child.send(message, () => {});
    },
    onMessage: (listener) => void child.on('message', listener),
    onExit: (listener) => void exits.push(listener),
    kill: (signal) => void child.kill(signal),
  };
}

/**
 * A pipe that is opened once more. Of what a child inherits as such libuv makes writes wait, and for all who share it: with a reader of the log that
 * stands still, a thread of this process would be lost in a write, and the process could not end.
 */
function openAnew(descriptor: number): number | 'inherit' {
  try {
    if (fstatSync(descriptor).isFIFO()) return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    // Closed, of another user, or a system without /proc.
  }
  return 'inherit';
}

function neverStarted(why: string): WorkerProcess {
  return { pid: undefined, send: () => {}, onMessage: () => {}, onExit: (listener) => void setImmediate(listener, why), kill: () => {} };
}

/** The part of the process module that a worker talks to its parent with. */
export interface ParentPort {
  send?(message: FromWorker, handle: undefined, options: undefined, sent: () => void): unknown;
  readonly connected: boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

const lookMs = 100;

/** In place of an admin port: the parent hears whether this worker is ready, and gets its metrics when it asks. */
export function answerParent(port: ParentPort, state: AdminState, metrics: () => Promise<{ readonly body: string }>): AdminServer {
  const send = (message: FromWorker): void => {
    // Without somebody to tell it to, Node takes a parent that has gone for a fault of the process.
    if (port.connected) port.send?.(message, undefined, undefined, () => {});
  };
  let told: string | undefined = 'nothing told yet';
  const look = (): void => {
    const reason = state.notReady();
    if (reason === told) return;
    told = reason;
    send({ kind: 'ready', ...(reason === undefined ? {} : { reason }) });
  };
  look();
  const timer = setInterval(look, lookMs).unref();
  port.on('message', (message) => {
    if (!isQuestion(message)) return;
    metrics().then(
      ({ body }) => send({ kind: 'metrics', question: message.question, text: body }),
      () => {},
    );
  });
  return { address: '', port: 0, close: async () => clearInterval(timer) };
}

/** Calls `use` with what keys of TLS session tickets are derived from, whenever the parent tells. */
export function hearTickets(port: Pick<ParentPort, 'on'>, use: (secret: Uint8Array) => void): void {
  port.on('message', (message) => {
    if (typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'tickets' && 'secret' in message && typeof message.secret === 'string') use(Buffer.from(message.secret, 'base64'));
  });
}

function isQuestion(message: unknown): message is Extract<ToWorker, { readonly kind: 'metrics' }> {
  return typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'metrics' && 'question' in message && typeof message.question === 'number';
}
