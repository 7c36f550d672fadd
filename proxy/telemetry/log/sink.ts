import { close, open, write } from 'node:fs';
import { promisify } from 'node:util';

/** Where log text goes. `write` fulfils when the text is written whole, rejects when it is lost; one call at a time. */
export interface LogSink {
  write(text: string): Promise<void>;
  close(): Promise<void>;
}

/** How long a pipe's reader may stand still before a batch is lost. */
const patienceMs = 2000;
const pauseMs = 20;

/** Writes to an open descriptor, such as 1 for standard output, and leaves it open. */
export function descriptorSink(descriptor: number): LogSink {
  return {
    write: async (text) => writeAll(descriptor, Buffer.from(text, 'latin1')),
    close: async () => {},
  };
}

/** Appends to a file; it is made, or opened, at the first line. */
export function fileSink(path: string): LogSink {
  let opened: Promise<number> | undefined;
  return {
    write: async (text) => {
      opened ??= promisify(open)(path, 'a', 0o640);
      try {
        await writeAll(await opened, Buffer.from(text, 'latin1'));
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
      offset += (await promisify(write)(descriptor, bytes, offset)).bytesWritten;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || waited >= patienceMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      waited += pauseMs;
    }
  }
}
