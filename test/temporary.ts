import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a file of tests and the processes that it starts write to the temporary folder goes with it. */
const folder = mkdtempSync(join(tmpdir(), 'weft-test-'));
// Some of those processes are other users'.
chmodSync(folder, 0o755);
process.env['TMPDIR'] = folder;
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
