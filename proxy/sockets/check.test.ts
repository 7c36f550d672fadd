import type { Socket } from 'node:net';
import test from 'ava';
import { faultOf, openSocketIO } from './check.ts';
import { publicIO } from './public.ts';
import { openRawIO } from './raw.ts';
import type { SocketIO } from './types.ts';

const raw = openRawIO()!;

test('both ways of this Node pass the check', async (t) => {
  t.is(await faultOf(raw), undefined);
  t.is(await faultOf(publicIO), undefined);
  t.deepEqual([(await openSocketIO('raw')).io.mode, (await openSocketIO('public')).io.mode], ['raw', 'public']);
});

const like = (change: Partial<SocketIO>): SocketIO => ({ mode: 'raw', receive: (...given) => raw.receive(...given), lend: (...given) => raw.lend(...given), stop: (socket) => raw.stop(socket), release: (socket) => raw.release(socket), write: (...given) => raw.write(...given), ...change });

const broken: readonly [what: string, io: SocketIO, fault: string][] = [
  ['loses a byte', like({ write: (socket, bytes) => raw.write(socket, bytes.length === 1024 ? bytes.subarray(1) : bytes) }), 'an echo comes back changed'],
  ['writes twice', like({ write: (socket, bytes) => (raw.write(socket, bytes), raw.write(socket, bytes)) }), 'an echo comes back changed'],
  ['writes nothing', like({ write: () => true }), 'the check takes too long'],
  ['does not tell of a write in the background', like({ write: writeAndForget }), 'a write that can\'t be over says that it is'],
  ['reads from another memory', like({ lend: (socket, _memory, reader) => raw.lend(socket, Buffer.alloc(65_536), reader) }), 'what was lent comes back changed'],
  ['throws', like({ write: () => { throw new Error('no such thing'); } }), 'no such thing'],
];

/** As if the flag of unfinished writes were not looked at. */
function writeAndForget(socket: Socket, bytes: Buffer): boolean {
  const { _handle: handle } = socket as unknown as { readonly _handle: { writeBuffer(request: null, bytes: Buffer): { oncomplete(): void } | number } };
  const outcome = handle.writeBuffer(null, bytes);
  if (typeof outcome !== 'number') outcome.oncomplete = () => {};
  return true;
}

for (const [what, io, fault] of broken) {
  test(`one that ${what} is refused`, async (t) => {
    t.is(await faultOf(io, 1500), fault);
  });
}
