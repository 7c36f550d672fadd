import { opendir, readFile } from 'node:fs/promises';

/** Entries of the folder that are read at a time: a gateway may have forty thousand. */
const entriesAtOnce = 256;

/** Descriptors that this process has open, and how many it may have. `none left`: not one to look with. Undefined where the system does not say it as Linux does. */
export async function openFiles(): Promise<{ readonly open: number; readonly limit: number } | 'none left' | undefined> {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(await readFile('/proc/self/limits', 'utf8'))?.[1];
    const folder = await opendir('/proc/self/fd', { bufferSize: entriesAtOnce });
    let open = 0;
    while ((await folder.read()) !== null) open++;
    await folder.close();
    return limit === undefined ? undefined : { open, limit: Number(limit) };
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EMFILE' ? 'none left' : undefined;
  }
}
