import test from 'ava';
import { errorCode } from '../frames/index.ts';
import { PeerSettings } from './peer-settings.ts';

function told(settings: readonly (readonly [id: number, value: number])[], role: 'server' | 'client' = 'client'): { readonly peer: PeerSettings; readonly reason: string | undefined; readonly code: number | undefined } {
  const bytes = Buffer.alloc(6 * settings.length);
  for (const [index, [id, value]] of settings.entries()) {
    bytes.writeUInt16BE(id, 6 * index);
    bytes.writeUInt32BE(value, 6 * index + 2);
  }
  const peer = new PeerSettings(role);
  const fault = peer.apply(bytes, 0, bytes.length);
  return { peer, reason: fault?.reason, code: fault?.code };
}

// RFC 9113, 6.5.2: by setting, what may be said and what not.
const rows: readonly [name: string, id: number, good: readonly number[], bad: readonly number[], code: number, role?: 'server'][] = [
  ['header table size', 1, [0, 4096, 2 ** 32 - 1], [], errorCode.protocol],
  ['push of a client', 2, [0, 1], [2, 2 ** 32 - 1], errorCode.protocol],
  ['push of a server', 2, [0], [1, 2], errorCode.protocol, 'server'],
  ['streams', 3, [0, 1, 2 ** 32 - 1], [], errorCode.protocol],
  ['window', 4, [0, 1, 2 ** 31 - 1], [2 ** 31, 2 ** 32 - 1], errorCode.flowControl],
  ['frame size', 5, [16_384, 16_385, 16_777_215], [0, 16_383, 16_777_216, 2 ** 32 - 1], errorCode.protocol],
  ['header list size', 6, [0, 2 ** 32 - 1], [], errorCode.protocol],
  ['CONNECT protocol', 8, [0, 1], [2], errorCode.protocol],
  ['unknown', 0x4a4a, [0, 2 ** 32 - 1], [], errorCode.protocol],
];

for (const [name, id, good, bad, code, role] of rows) {
  test(`setting: ${name}`, (t) => {
    for (const value of good) t.is(told([[id, value]], role).reason, undefined, String(value));
    for (const value of bad) t.is(told([[id, value]], role).code, code, String(value));
  });
}

test('what is told is known, the last of a name counts, and a fault is told whatever comes behind it', (t) => {
  const { peer } = told([[1, 100], [3, 7], [4, 9], [6, 1000], [3, 8]]);
  t.deepEqual([peer.headerTableSize, peer.maxConcurrentStreams, peer.initialWindow, peer.maxHeaderListSize], [100, 8, 9, 1000]);
  const { peer: silent } = told([]);
  t.deepEqual([silent.headerTableSize, silent.maxConcurrentStreams, silent.initialWindow, silent.maxHeaderListSize], [4096, Infinity, 65_535, Infinity]);
  t.is(told([[3, 1], [4, 2 ** 31], [3, 2]]).reason, 'setting-window');
  t.deepEqual([told([[8, 1]]).peer.enablesConnect, told([[8, 0]]).peer.enablesConnect, silent.enablesConnect], [true, false, false]);
  t.is(told([[8, 1], [8, 0]]).reason, 'setting-connect', 'RFC 8441, 3: not to be taken back');
});
