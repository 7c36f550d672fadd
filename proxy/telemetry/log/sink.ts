import { close, open, write } from 'node:fs';
import { promisify } from 'node:util';

/** Where log text goes, in ASCII. `write` fulfils when it is written whole, rejects when it is lost; one call at a time. Bytes are lent until then. */
export interface LogSink {
  write(bytes: Buffer): Promise<void>;
  close(): Promise<void>;
}

const writeBytes = promisify(write);
const lineFeed = 10;

/** How long a pipe's reader may stand still before a batch is lost. */
const patienceMs = 2000;
const pauseMs = 20;

/** What a pipe takes as a whole, never mixed with what another process writes (pipe(7), PIPE_BUF on Linux). Bytes. */
const atomicBytes = 4096;

/**
 * Writes to an open descriptor, such as 1 for standard output, and leaves it open. `shared`: other processes write to it too, so whole
 * lines are written, as many at once as stay together.
 */
export function descriptorSink(descriptor: number, writers: 'own' | 'shared' = 'own'): LogSink {
  return {
    write: async (bytes) => {
      if (writers === 'own') await writeAll(descriptor, bytes);
      else for (const part of wholeLines(bytes)) await writeAll(descriptor, part);
    },
    close: async () => {},
  };
}

function wholeLines(bytes: Buffer): readonly Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const near = bytes.lastIndexOf(lineFeed, start + atomicBytes - 1);
    const end = near >= start ? near : bytes.indexOf(lineFeed, start);
    const next = bytes.length - start <= atomicBytes || end < 0 ? bytes.length : end + 1;
    parts.push(bytes.subarray(start, next));
    start = next;
  }
  return parts;
}

/** Appends to a file; it is made, or opened, at the first line. */
export function fileSink(path: string): LogSink {
  let opened: Promise<number> | undefined;
  return {
    write: async (bytes) => {
      opened ??= promisify(open)(path, 'a', 0o640);
      try {
        await writeAll(await opened, bytes);
      } catch (error) {
        // The next batch opens it anew: the file may have been moved, the disk mounted.
        const failed = opened;
        opened = undefined;
        await failed.then((descriptor) => promisify(close)(descriptor)).catch(() => {});
        throw error;
      }
    },
    close: async () => {
      await opened?.then((descriptor) => promisify(close)(descriptor)).catch(() => {});
      opened = undefined;
    },
  };
}

/** Descriptors may write a part only; a non-blocking pipe that is full says EAGAIN. */
async function writeAll(descriptor: number, bytes: Buffer): Promise<void> {
  let waited = 0;
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += (await writeBytes(descriptor, bytes, offset)).bytesWritten;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || waited >= patienceMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      waited += pauseMs;
    }
  }
}
